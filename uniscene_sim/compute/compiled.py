"""How kernels are compiled, and where compiled kernels are cached.

numba notices when a function's own file has changed, but not when one that it calls has: so the cache is keyed by the
content of all files with kernels and of what these import, and no kernel is ever out of date.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from pathlib import Path

import numba
from numba import njit

__all__ = ["device", "floor", "inlined", "nogil_kernel"]

_KEPT = 3  # versions of the package whose kernels stay cached

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


def _keep_by_content() -> None:
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    package = Path(__file__).parents[1]
    sources = {file: file.read_bytes() for file in sorted(package.rglob("*.py"))}
    kernels = b"".join(text for text in sources.values() if b"numba import" in text or b"compiled import" in text)
    sha = hashlib.sha256()
    for file, text in sources.items():
        module = ".".join([package.name, *file.relative_to(package).with_suffix("").parts]).encode()
        if text in kernels or b"from " + module + b" import" in kernels:
            sha.update(module + text)
    root = package / "__pycache__"
    folder = root / f"kernels-{sha.hexdigest()[:16]}"
    if not folder.is_dir():
        for old in sorted(root.glob("kernels-*"), key=lambda p: p.stat().st_mtime)[: 1 - _KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]


_keep_by_content()
