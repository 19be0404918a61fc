"""How kernels are compiled."""

from __future__ import annotations

from numba import njit

__all__ = ["device"]

#: A function that other kernels call for each ray: it makes no array, so numba need not count references to those that
#: it is given. Counting them costs more than a short ray does.
device = njit(cache=True, _nrt=False)
