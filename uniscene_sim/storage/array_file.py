"""Arrays as `.npz` files: written whole or not at all, bounded before they are unpacked, checked when read.

A kilobyte of zip unpacks to gigabytes, and a header of a hundred bytes claims a trillion numbers. So the sizes that an
archive states, and those that the headers of its arrays state, are added up first, and have to agree.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.storage.input_file import MIB, read_input, reading
from uniscene_sim.storage.output_file import output_file

__all__ = ["array_names", "check_shapes", "check_span", "read_arrays", "write_arrays"]

#: Bytes of all arrays of a file, if its reader does not say less.
_MOST = 1024 * MIB
#: Bytes of the header of an array, of the list of files at the end of an archive, and of what ends this list.
_MOST_HEADER, _MOST_LIST, _END = 16384, MIB, 22
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name as one compressed `.npz`; InputError if it cannot be written."""
    with output_file(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: str | Path, names: Collection[str] | None, what: str, most: int = _MOST) -> dict[str, np.ndarray]:
    """Arrays of a file by name.

    Args:
        path: the file.
        names: arrays that it must hold, the only ones that are read; None for all that it holds.
        what: what the file holds, for the error message.
        most: bound of the bytes of all arrays that are read.

    Raises:
        InputError: the file is missing or damaged, lacks an array, holds objects, or is larger.
    """
    what = f"{what} as .npz"
    body = read_input(path, most, what)
    with reading(path, what), _archive(body) as archive:
        held = {file.filename.removesuffix(".npy"): file for file in archive.infolist()}
        names = list(held) if names is None else names
        if lacking := [name for name in names if name not in held]:
            raise InputError(f"not there, expected arrays {', '.join(names)}", field=lacking[0])
        left, found = most, {}
        for name in names:
            left -= held[name].file_size
            if left < 0:
                raise InputError(f"unpacks to more than {most // MIB} MiB, expected {what}", field=name)
            found[name] = _array(archive, held[name], name)
        return found


def check_shapes(
    arrays: Mapping[str, np.ndarray], wanted: Mapping[str, tuple[Any, tuple[int | str, ...]]], path: str | Path
) -> dict[str, int]:
    """Make sure that arrays are what they should be.

    Args:
        arrays: by name.
        wanted: dtype and shape of each by name; "str" is text of any length, and a letter in a shape is a length that
            is the same wherever it stands.
        path: the file, for the message.

    Returns:
        The length that each letter stands for.

    Raises:
        InputError: names the array and what was expected.
    """
    lengths: dict[str, int] = {}
    for name, (dtype, shape) in wanted.items():
        array = arrays[name]
        fits = (array.dtype.kind == "U" if dtype == "str" else array.dtype == dtype) and array.ndim == len(shape)
        for n, m in zip(array.shape, shape, strict=False):
            fits = fits and n == (lengths.setdefault(m, n) if isinstance(m, str) else m)
        if not fits:
            told = f"{'rows' if isinstance(dtype, np.dtype) else dtype} ({', '.join(map(str, shape))})"
            got = f"{shown(array.dtype.name)} {shown(array.shape)}"
            raise InputError(f"expected {told}, got {got}", file=path, field=name)
    return lengths


def check_span(array: np.ndarray, low: float, high: float, path: str | Path, field: str) -> None:
    """Make sure that the values of an array lie in [low, high]; InputError, also for NaN."""
    if array.size and not (low <= array.min() and array.max() <= high):
        raise InputError(f"expected values from {low:g} to {high:g}", file=path, field=field)


def array_names(path: str | Path, what: str, most: int = _MOST) -> list[str]:
    """Names of the arrays of a file; InputError as of `read_arrays`."""
    body = read_input(path, most, what)
    with reading(path, what), _archive(body) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _archive(body: bytes) -> zipfile.ZipFile:
    at = body.rfind(b"PK\x05\x06", max(0, len(body) - _END - 65535))
    if at >= 0 and int.from_bytes(body[at + 12 : at + 16], "little") > _MOST_LIST:
        raise InputError(f"lists more files than fit into {_MOST_LIST // MIB} MiB")
    return zipfile.ZipFile(io.BytesIO(body))


def _array(archive: zipfile.ZipFile, file: zipfile.ZipInfo, name: str) -> np.ndarray:
    if file.compress_type not in _METHODS or file.flag_bits & 1:
        raise InputError("is encrypted or compressed in an unknown way, expected what numpy writes", field=name)
    with archive.open(file) as stream:
        head = io.BytesIO(stream.read(_MOST_HEADER))
        version = np.lib.format.read_magic(head)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(head)
    if dtype.hasobject:
        raise InputError("holds objects, expected numbers or text", field=name)
    stated = dtype.itemsize * math.prod(shape)
    if min(shape, default=0) < 0 or math.prod(shape) > _MOST or stated != file.file_size - head.tell():
        raise InputError(
            f"states {shown(dtype.str)} of shape {shown(shape)}, {shown(stated)} bytes, but has "
            f"{file.file_size - head.tell()}", field=name,
        )  # fmt: skip
    with archive.open(file) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    return array
