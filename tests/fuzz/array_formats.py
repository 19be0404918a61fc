"""Edits of arrays, tensors and pictures."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.edits import Draw, edited_bytes, numbers, words
from tests.fuzz.text_formats import edited_json

__all__ = ["edited_npz", "edited_png", "edited_tensors", "npz_bytes"]


def npz_bytes(arrays: dict[str, Any]) -> bytes:
    """Arrays as an NPZ."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def edited_npz(draw: Draw, body: bytes) -> bytes:
    with np.load(io.BytesIO(body)) as file:
        arrays = {name: file[name] for name in file.files}
    for _ in range(draw(st.sampled_from((1, 1, 2)))):
        name = draw(st.sampled_from(sorted(arrays))) if arrays else "a"
        array = arrays.get(name, np.zeros(3))
        match draw(st.sampled_from(("value", "value", "value", "type", "shape", "drop", "add", "head", "pickle"))):
            case "value" if array.dtype.kind in "US" and array.ndim == 0 and str(array).startswith("{"):
                arrays[name] = np.array(edited_json(draw, str(array).encode()).decode("utf-8", "replace"))
            case "value":
                arrays[name] = _changed(draw, array)
            case "type":
                arrays[name] = _typed(array, draw(st.sampled_from(_TYPES)))
            case "shape":
                arrays[name] = _shaped(draw, array)
            case "drop":
                arrays.pop(name, None)
            case "add":
                arrays[draw(st.sampled_from(("raster", "x", "../x", "a/b", "head", "channels")))] = array
            case "head":
                return _lying(draw, npz_bytes(arrays), name)
            case "pickle":
                arrays[name] = np.array([{}, None], dtype=object)
    return npz_bytes(arrays)


_TYPES = ("f2", "f4", "f8", "i1", "i8", "u1", "u8", "?", "c16", "S3", "U3", "M8[s]", "V4")


def _typed(array: np.ndarray, kind: str) -> np.ndarray:
    if kind[0] in "SU":
        return array.astype("U9").astype(kind)
    if kind[0] in "MV" or array.dtype.kind not in "biuf":
        return np.zeros(array.shape, kind)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.nan_to_num(array.astype(np.float64)).astype(kind)


def _changed(draw: Draw, array: np.ndarray) -> np.ndarray:
    """With one value, a row or all values set."""
    out, kind = array.copy(), array.dtype.kind
    if not out.size:
        return out
    at, count = draw(st.integers(0, out.size - 1)), draw(st.sampled_from((1, 1, 5, out.size)))
    if kind == "V":
        field = draw(st.sampled_from(out.dtype.names))
        out[field] = draw(st.sampled_from((0, 1, 77)))
    elif kind in "iu":
        limits = np.iinfo(out.dtype)
        out.reshape(-1)[at : at + count] = draw(st.sampled_from((0, 1, 5, 100, int(limits.min), int(limits.max))))
    else:
        value = draw(words if kind in "US" else numbers)
        with np.errstate(over="ignore"):
            out.reshape(-1)[at : at + count] = value if kind != "f" or abs(value) < 1e308 else np.inf
    return out


def _shaped(draw: Draw, array: np.ndarray) -> np.ndarray:
    match draw(st.sampled_from(("flat", "more", "row", "none", "first", "twice", "turned"))):
        case "flat":
            return array.reshape(-1)
        case "more":
            return array[None]
        case "row" if array.ndim:
            return array[:-1]
        case "none":
            return array[:0] if array.ndim else np.zeros(0, array.dtype)
        case "first" if array.size:
            return array.reshape(-1)[0]
        case "twice" if array.ndim:
            return np.concatenate([array, array])
    return array.T


_SHAPES = ("(1000000000,)", "(99999, 99999, 99999)", "(-1,)", "(0, 10**9)", "(1,) * 99", "x", "()")
_KINDS = ("<f8", "|u1", "|O", "<U99999999", "|V999999999", "x", "|u1', 'y': '")


def _lying(draw: Draw, body: bytes, name: str) -> bytes:
    """An NPZ in which the head of an array says what is not so."""
    shape, kind = draw(st.sampled_from(_SHAPES)), draw(st.sampled_from(_KINDS))
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.namelist():
            wrong = item == f"{name}.npy"
            array = b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + b"\0" * 64
            new.writestr(item, array if wrong else old.read(item))
    return out.getvalue()


def edited_tensors(draw: Draw, body: bytes) -> bytes:
    (size,) = struct.unpack("<Q", body[:8])
    head, rest = body[8 : 8 + size], body[8 + size :]
    if draw(st.integers(0, 5)) == 0:  # values of the tensors
        return body[: 8 + size] + edited_bytes(draw, rest)
    head = edited_json(draw, head)
    told = draw(st.sampled_from((len(head), len(head), len(head), 0, len(head) + 1, 2**40, 2**63, 2**64 - 1)))
    return struct.pack("<Q", told) + head + rest


def edited_png(draw: Draw, body: bytes) -> bytes:
    with Image.open(io.BytesIO(body)) as image:
        image.load()
    match draw(st.sampled_from(("mode", "size", "claim", "kind"))):
        case "mode":
            image = image.convert(draw(st.sampled_from(("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"))))
        case "size":
            image = image.resize(draw(st.sampled_from(((1, 1), (1, 9), (300, 7), (4097, 4097)))))
        case "claim":  # of a size that is not there
            size = draw(st.tuples(*[st.sampled_from((0, 1, 5000, 60_000, 2**31 - 1, 2**32 - 1))] * 2))
            head = b"IHDR" + struct.pack(">II", *size) + body[24:29]
            return body[:12] + head + struct.pack(">I", zlib.crc32(head)) + body[33:]
    out = io.BytesIO()
    image.save(out, draw(st.sampled_from(("PNG", "PNG", "PNG", "GIF", "BMP", "TIFF", "PPM", "ICO"))))
    return out.getvalue()
