"""Transfer and launch: one block of device memory per launch, while tiles and templates stay resident."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import config, cuda, types

from uniscene_sim.cuda.packed_args import pack_args
from uniscene_sim.tracing.agents import TemplateArrays
from uniscene_sim.tracing.atlas import AtlasArrays

__all__ = ["Launch"]

_ALIGN = 256
#: Tuples whose arrays stay on the device; the content of such an array never changes.
_RESIDENT = (AtlasArrays, TemplateArrays)
_on_device: dict[int, Any] = {}  # device arrays by `id` of the host array


class Launch:
    """Jobs of one type, copied to the device; kernels take their `address`.

    Args:
        jobs: named tuples.
        layout: their numba type.
        results: class of the tuples that kernels write and `fetch` copies back.
        scratch: class of the tuples that only kernels use.
    """

    def __init__(self, jobs: Sequence[Any], layout: types.Type, results: type, scratch: type | None = None):
        given: dict[int, np.ndarray] = {}
        self._wanted: dict[int, np.ndarray] = {}
        unread: dict[int, np.ndarray] = {}

        def sort(array: np.ndarray, owner: Any) -> int:
            if type(owner) not in _RESIDENT:
                kind = type(owner)
                (self._wanted if kind is results else unread if kind is scratch else given)[id(array)] = array
            return 0

        table = np.array([pack_args(job, layout, sort) for job in jobs], np.int64)
        offsets, sizes = {}, []
        at = _align_up(table.nbytes)
        for arrays in (given, self._wanted, unread):
            for key, array in arrays.items():
                offsets[key] = at
                at = _align_up(at + array.nbytes)
            sizes.append(at)
        self._block = cuda.device_array(at, np.uint8)
        self.address = _address(self._block)

        def place(array: np.ndarray, owner: Any) -> int:
            if type(owner) in _RESIDENT:
                return _address(_resident_array(array))
            return self.address + offsets[id(array)]

        table[:] = [pack_args(job, layout, place) for job in jobs]
        there = np.zeros(sizes[0], np.uint8)
        there[: table.nbytes] = table.reshape(-1).view(np.uint8)
        for key, array in given.items():
            there[offsets[key] : offsets[key] + array.nbytes] = array.reshape(-1).view(np.uint8)
        self._block[: len(there)].copy_to_device(there)
        self._offsets, self._results = offsets, slice(sizes[0], sizes[1])
        self.jobs = len(jobs)

    def run(self, kernel: Callable[..., Any], width: int, height: int) -> None:
        """Launch a kernel with `width` x `height` threads for each job, in blocks of 8 x 8."""
        kernel[(-(-width // 8), -(-height // 8), self.jobs), (8, 8, 1)](self.address)  # type: ignore[index]

    def fetch(self) -> None:
        """Wait for the kernels, and copy the results back into the arrays of the jobs."""
        back = self._block[self._results].copy_to_host()
        for key, array in self._wanted.items():
            at = self._offsets[key] - self._results.start
            array[...] = back[at : at + array.nbytes].view(array.dtype).reshape(array.shape)


def _align_up(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _address(array: Any) -> int:
    if config.ENABLE_CUDASIM:  # type: ignore[attr-defined]
        return int(array.ctypes.data)
    return int(array.__cuda_array_interface__["data"][0])


def _resident_array(array: np.ndarray) -> Any:
    """The device copy of an array, freed together with it."""
    if id(array) not in _on_device:
        _on_device[id(array)] = cuda.to_device(array)
        weakref.finalize(array, _on_device.pop, id(array), None).atexit = False  # at exit the driver frees it
    return _on_device[id(array)]
