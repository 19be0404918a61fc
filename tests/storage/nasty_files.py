"""What a file can be: devices, pipes, bombs, and damage of every kind."""

import io
import os
import zipfile

import numpy as np
from PIL import Image

__all__ = ["NASTY"]


def _npz(path, **arrays):
    """An archive of arrays, given as bytes of `.npy` files or as arrays."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            if isinstance(array, np.ndarray):
                stream = io.BytesIO()
                np.lib.format.write_array(stream, array)
                array = stream.getvalue()
            archive.writestr(f"{name}.npy", array)


def _header(shape, dtype="<f8"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


#: Arrays of the readers of `.npz`, so that each opens the nasty ones.
_NAMES = ("head", "meta", "raster", "channels", "resolution_m", "origin", "labels", "layout", "low", "ijk", "sensor")


def _all(body):
    return lambda path: _npz(path, **dict.fromkeys(_NAMES, body))


def _bytes(body):
    return lambda path: path.write_bytes(body)


def _sparse(path):
    with open(path, "wb") as file:
        file.truncate(2**40)


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)
_LAUGH = "<!DOCTYPE OpenDRIVE [<!ENTITY a0 'lol'>" + "".join(
    f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 12)
)
_ODD = b'{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,8]}}'
#: By name, what puts such a file at a path.
NASTY = {
    "device": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "missing": lambda path: None,
    "loop": lambda path: path.symlink_to(path),
    "empty": _bytes(b""),
    "blanks": _bytes(b" \n\n"),
    "random": _bytes(np.random.default_rng(1).bytes(4096)),
    "zeros": _bytes(bytes(4096)),
    "sparse": _sparse,
    "latin": _bytes("name: Straße\n".encode("latin-1")),
    "utf-16": _bytes("name: x\n".encode("utf-16")),
    "controls": _bytes(b'"a\\x1b[31m\\nb\\0c": "\\x07\\r\\n"\n'),
    "a list": _bytes(b"[1, 2, 3]\n"),
    "a text": _bytes(b"hello\n"),
    "a long word": _bytes(b"x" * 10**6),
    "deep": _bytes(b"[" * 10**5),
    "deep and closed": _bytes(b"[" * 200 + b"]" * 200),
    "deep fields": _bytes(b"{a: " * 10**4),
    "digits": _bytes(b"map: " + b"9" * 5000),
    "no date": _bytes(b"map: 2001-02-30\n"),
    "a date": _bytes(b"map: 2001-02-03\n"),
    "no int": _bytes(b"map: !!int abc\n"),
    "no switch": _bytes(b"map: !!bool maybe\n"),
    "a set": _bytes(b"map: !!set {a, b}\n"),
    "an object": _bytes(b"map: !!python/object/apply:os.getcwd []\n"),
    "alias bomb": _bytes(_BOMB.encode()),
    "alias of itself": _bytes(b"a: &a [*a]\n"),
    "merge bomb": _bytes(b"a: &a {x: 1}\n" + b"".join(
        b"%c: &%c {<<: [%s]}\n" % (98 + i, 98 + i, b", ".join([b"*%c" % (97 + i)] * 20)) for i in range(8))),
    "base 60": _bytes(b"a: 1" + b":1" * 10**6),
    "no keys": _bytes(b"1: a\n2001-01-01: b\n? [x]\n: c\n"),
    "xml bomb": _bytes(f"{_LAUGH}]><OpenDRIVE><road id='&a11;'/></OpenDRIVE>".encode()),
    "xml of others": _bytes(b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><OpenDRIVE>&x;</OpenDRIVE>"),
    "deep xml": _bytes(b"<OpenDRIVE>" + b"<a>" * 10**5),
    "latin xml": _bytes("<?xml version='1.0'?>\n<OpenDRIVE><road name='ß'/></OpenDRIVE>".encode("latin-1")),
    "zip of nothing": lambda path: _npz(path),
    "a trillion numbers": _all(_header((10**12,))),
    "a trillion of nothing": _all(_header((10**12,), "|V0")),
    "a negative shape": _all(_header((-1, -8)) + bytes(64)),
    "a zip bomb": _all(_header((2**28,), "|u1") + bytes(2**22)),
    "objects": _all(_header((1,), "|O") + b"\x80\x04N."),
    "a deep header": _all(b"\x93NUMPY\x01\x00\xff\x7f" + b"(" * 0x7FFF),
    "texts of numbers": _all(np.array(5)),
    "numbers of texts": _all(np.array(["a", "b"])),
    "a deep text": _all(np.array('{"format": 3, "ref": ' + "[" * 10**5)),
    "a cut zip": lambda path: (_npz(path, raster=np.zeros(1000)), path.write_bytes(path.read_bytes()[:-30])),
    "a picture head": _bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f" * 8 + b"\x08\0\0\0\0" + bytes(64)),
    "a gif": lambda path: Image.new("L", (8, 8), 255).save(path, "GIF"),
    "long weights": _bytes((2**40).to_bytes(8, "little") + b"{}"),
    "weights of a dtype": _bytes((len(_ODD) + 2).to_bytes(8, "little") + _ODD + b"  " + bytes(8)),
    "nan": _bytes(b"[NaN, Infinity, 1e999]"),
    "a row": _bytes(b'{"step": "one"}\n'),
}  # fmt: skip
