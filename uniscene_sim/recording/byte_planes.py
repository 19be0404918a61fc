"""Columns of numbers so that the compression of a file finds them small: differences, equal bytes side by side."""

from __future__ import annotations

import numpy as np

__all__ = ["coded", "decoded"]


def coded(values: np.ndarray) -> bytes:
    """Numbers (N,): differences of the bit patterns of neighbours, first all low bytes, high bytes last."""
    bits = values.view(f"u{values.itemsize}")
    steps = np.diff(bits, prepend=bits.dtype.type(0)).astype(f"<u{values.itemsize}")
    return steps.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def decoded(data: bytes, dtype: np.dtype, count: int) -> np.ndarray:
    """The same numbers (N,), to the last bit; ValueError if the bytes are not of `count` of them."""
    planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, count)
    steps = np.ascontiguousarray(planes.T).view(f"<u{dtype.itemsize}").ravel()
    return np.cumsum(steps, dtype=f"u{dtype.itemsize}").view(dtype)
