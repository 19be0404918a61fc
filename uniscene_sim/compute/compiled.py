"""How kernels are compiled: numba's decorators, with the compiled code kept by `compute.kernel_cache`.

numba notices when a function's own file has changed, but not when one that it calls has: so the cache is keyed by the
content of all files with kernels and of what these import, and no kernel is ever out of date.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
from numba.core.dispatcher import Dispatcher

from uniscene_sim.compute.kernel_cache import KernelCache

__all__ = ["device", "floor", "inlined", "njit", "nogil_kernel"]


@cache
def _sources() -> str:
    """SHA-256 over all files with kernels and what they import."""
    package = Path(__file__).parents[1]
    sources = {file: file.read_bytes() for file in sorted(package.rglob("*.py"))}
    kernels = {file for file, text in sources.items() if b"numba import" in text or b"compiled import" in text}
    imported = {name for file in kernels for name in re.findall(rb"from ([\w.]+) import", sources[file])}
    sha = hashlib.sha256()
    for file, text in sources.items():
        module = ".".join([package.name, *file.relative_to(package).with_suffix("").parts]).encode()
        if file in kernels or module in imported:
            sha.update(module + text)
    return sha.hexdigest()


if TYPE_CHECKING:
    from numba import njit
else:

    def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        """numba's, except that what `cache=True` keeps is verified before it is read again."""

        def compiled(py_func: Callable[..., Any]) -> Any:
            kernel = numba.njit(**options)(py_func)
            if cache and isinstance(kernel, Dispatcher):  # else numba is told to compile nothing
                kernel._cache = KernelCache(py_func, _sources)
            return kernel

        return compiled


#: A function that kernels call for each ray, on the CPU and in CUDA: it neither makes nor returns an array, so numba
#: need not count references to its arguments, which would cost more than a short ray does.
device = njit(cache=True, _nrt=False)  # type: ignore[call-overload]
#: The same, inlined into its caller: for functions that take many arrays.
inlined = njit(cache=True, _nrt=False, forceinline=True)  # type: ignore[call-overload]
#: A kernel that Python calls and that releases the GIL, see `compute.threads`. It makes no array either.
nogil_kernel = njit(cache=True, _nrt=False, nogil=True)  # type: ignore[call-overload]


@inlined
def floor(x):
    """Largest integer up to x; an integer on CUDA too, where `math.floor` gives a float."""
    return int(math.floor(x))  # noqa: RUF046
