"""Tables that pandas has pickled, read without pandas and without running anything that a file names.

A pickle is a program that names functions to be called. Here the few names that a table of plain columns needs stand
for classes of this file, which only keep what they are given; any other name is refused. Numbers are made into arrays
at the end, once their stated shapes agree with their bytes. Layouts of pandas 0.25 to 2 are known.
"""

from __future__ import annotations

import gzip
import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.storage.input_file import MIB, read_input, reading

__all__ = ["read_table"]

_WHAT = "a table of plain columns that pandas has pickled"
_PLAIN = (str, int, float, bool, bytes, type(None))


def read_table(file: Path, most: int = 256 * MIB) -> dict[str, np.ndarray]:
    """Columns of a `.pkl` or `.pkl.gz` by name: numbers, or objects that are text, numbers, booleans or None.

    Args:
        file: the file.
        most: bound of its bytes, unpacked.

    Raises:
        InputError: missing, damaged, larger, no such table, or naming anything else.
    """
    body = read_input(file, most, _WHAT)
    with reading(file, _WHAT):
        if body[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(body)) as packed:
                body = packed.read(most + 1)
            if len(body) > most:
                raise InputError(f"unpacks to more than {most // MIB} MiB, expected {_WHAT}")
        _check_lengths(body)
        found = _Unpickler(io.BytesIO(body)).load()
        if not isinstance(found, _Frame):
            raise InputError(f"expected {_WHAT}")
        return found.columns()


def _check_lengths(body: bytes) -> None:
    """Refuse what states lengths that are not there, and places for what is not: memory would be taken for them."""
    for count, (code, argument, _) in enumerate(pickletools.genops(body)):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > count:
            raise InputError(f"keeps something as number {argument}, expected {_WHAT}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        package = module.partition(".")[0]
        known = _NAMES.get((package, name))
        if known is None:
            raise InputError(f"names {shown(f'{module}.{name}')}, expected {_WHAT}")
        return known

    def persistent_load(self, pid: Any) -> Any:
        raise InputError(f"refers to something outside, expected {_WHAT}")


class _Kept:
    """Keeps the arguments and the state that a pickle gives it."""

    arguments: tuple[Any, ...] = ()
    state: Any = None

    def __init__(self, *arguments: Any):
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _DType(_Kept):
    def dtype(self) -> np.dtype[Any]:
        """Of numbers, booleans or objects, in the byte order of the state."""
        code = str(self.arguments[0]).lstrip("<>|=")
        big = isinstance(self.state, tuple) and len(self.state) > 1 and self.state[1] == ">"
        if code[:1] not in "biufO" or not (code[1:].isdecimal() and int(code[1:]) <= 8):
            raise InputError(f"has a column of {shown(self.arguments[0])}, expected numbers or text")
        return np.dtype(object) if code[:1] == "O" else np.dtype(code).newbyteorder(">" if big else "<")


class _Array(_Kept):
    """`numpy.ndarray`, made by `_reconstruct` and a state, or by `_frombuffer`."""

    def array(self) -> np.ndarray:
        if self.state is not None:
            _, shape, kind, fortran, content = self.state
            by_columns = bool(fortran)
        else:
            content, kind, shape, order = self.arguments
            by_columns = order == "F"
        dtype, count = kind.dtype(), math.prod(int(n) for n in shape)
        if dtype.kind == "O":
            if len(content) != count or not all(
                isinstance(value, _PLAIN) or isinstance(value, _Scalar) for value in content
            ):
                raise InputError("has a column of objects, expected text and numbers")
            out = np.empty(count, object)
            out[:] = content
        else:
            raw = content.encode("latin1") if isinstance(content, str) else bytes(content)
            if len(raw) != count * dtype.itemsize:
                raise InputError(f"states {shown(tuple(shape))} of {dtype}, but has {len(raw)} bytes")
            out = np.frombuffer(raw, dtype)
        places = tuple(int(n) for n in shape)
        return out.reshape(places[::-1]).T if by_columns else out.reshape(places)


class _Scalar(_Kept):
    """A number of numpy's among objects; left as it is."""


class _Index(_Kept):
    def values(self) -> list[Any]:
        data = self.arguments[1].get("data")
        return data.array().tolist() if isinstance(data, _Array) else list(data)


class _Block(_Kept):
    """Values (C, N), which of the columns they are, and 2."""


class _Manager(_Kept):
    def blocks(self) -> tuple[list[tuple[Any, Any]], list[Any]]:
        """Values and places of each block, and the axes."""
        if self.arguments:  # since pandas 1.3
            blocks, axes = self.arguments
            return [(block.arguments[0], block.arguments[1]) for block in blocks], list(axes)
        told = self.state[3]["0.14.1"]
        return [(block["values"], block["mgr_locs"]) for block in told["blocks"]], list(told["axes"])


class _Frame(_Kept):
    def columns(self) -> dict[str, np.ndarray]:
        manager = self.state["_mgr"] if "_mgr" in self.state else self.state["_data"]
        blocks, axes = manager.blocks()
        names = axes[0].values()
        out: dict[str, np.ndarray] = {}
        for values, place in blocks:
            array = values.array()
            at = range(*place.indices(len(names))) if isinstance(place, slice) else place.array().tolist()
            if array.ndim != 2 or len(array) != len(at):
                raise InputError(f"has {len(array)} columns for {len(at)} names")
            out |= {str(names[k]): row for k, row in zip(at, array, strict=True)}
        if set(out) != {str(name) for name in names} or len({len(row) for row in out.values()}) > 1:
            raise InputError("has columns of different lengths, or lacks some")
        return {str(name): out[str(name)] for name in names}


# Classes, not functions, whose attributes a pickle could change.


class _Slice(_Kept):
    def __new__(cls, *parts: Any) -> Any:
        if len(parts) != 3 or not all(part is None or isinstance(part, int) for part in parts):
            raise InputError("expected a slice of whole numbers")
        return slice(*parts)


class _Reconstruct(_Kept):
    def __new__(cls, kind: Any, shape: Any, code: Any) -> Any:
        return _Array()


class _Latin1(_Kept):
    """How older pickles keep bytes."""

    def __new__(cls, text: Any, encoding: Any) -> Any:
        if not isinstance(text, str) or encoding != "latin1":
            raise InputError("expected bytes as latin1")
        return text.encode("latin1")


#: What stands for a name of a package. Modules have moved within their packages, names have not.
_NAMES: dict[tuple[str, str], type[_Kept]] = {
    ("pandas", "DataFrame"): _Frame,
    ("pandas", "BlockManager"): _Manager,
    ("pandas", "_unpickle_block"): _Block,
    ("pandas", "_new_Index"): _Index,
    ("pandas", "Index"): _Kept,
    ("pandas", "Int64Index"): _Kept,
    ("pandas", "RangeIndex"): _Kept,
    ("numpy", "_reconstruct"): _Reconstruct,
    ("numpy", "_frombuffer"): _Array,
    ("numpy", "scalar"): _Scalar,
    ("numpy", "ndarray"): _Kept,
    ("numpy", "dtype"): _DType,
    ("builtins", "slice"): _Slice,
    ("__builtin__", "slice"): _Slice,
    ("_codecs", "encode"): _Latin1,
}
