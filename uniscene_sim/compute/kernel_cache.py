"""`KernelCache`: compiled kernels in the user's cache, in place of numba's own files beside the source.

Compiled code is unpickled, and so could run anything: only what this user's processes have written is read. Each file
carries a checksum that is made with a secret of the user, kept elsewhere; whatever does not match is removed and
compiled anew. Its name is a hash of all that the code hangs on: sources, versions, processor and types of arguments.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import pickle
import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import llvmlite
import numba
import numpy as np
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from uniscene_sim.errors import InputError
from uniscene_sim.storage.disk_cache import DiskCache, cache_folder
from uniscene_sim.storage.user_secret import private_folder, user_secret

__all__ = ["KernelCache", "kernel_folder", "opened"]

_MOST_BYTES = 2**30  # of about fifteen versions of all kernels; those used longest ago go
_VERSIONS = (platform.python_implementation(), platform.python_version(), numba.__version__, llvmlite.__version__,
             np.__version__)  # fmt: skip
_log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Is told what is compiled."""

    def missed(self, kernel: str) -> None: ...
    def made(self) -> None: ...


#: Who is told now.
watcher: Watcher | None = None


def kernel_folder() -> Path:
    """Where kernels are kept: below $NUMBA_CACHE_DIR if set, else in the user's cache.

    Raises:
        InputError: there is no place for a cache.
    """
    root: str = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    return Path(root) / "uniscene_sim" / "kernels" if root else cache_folder("kernels")


@cache
def opened() -> DiskCache | None:
    """The cache of this process; None, told once, if nothing can be kept privately."""
    try:
        folder = kernel_folder()
        shared = private_folder(folder)
        disk = DiskCache(folder, _MOST_BYTES, key=user_secret("kernels.key"))
        if shared:
            _log.warning("cache: others could write to %s; kernels are compiled anew", folder)
            disk.clear()
        return disk
    except (InputError, OSError) as error:
        _log.warning("cache: kernels cannot be kept and are compiled in each process: %s", error)
        return None


class KernelCache(_Cache):
    """The compiled code of one function, a file for each combination of types and processor.

    Args:
        py_func: the function.
        sources: gives a hash of what its code hangs on besides its own file.
    """

    def __init__(self, py_func: Callable[..., Any], sources: Callable[[], str]):
        self._py_func, self._sources, self._enabled = py_func, sources, True

    @property
    def cache_path(self) -> str | None:
        return str(disk.folder) if (disk := opened()) else None

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        """Nothing: what is out of date has another name."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        disk = opened()
        name = self._name(sig, target_context.codegen(), disk.key) if self._enabled and disk else None
        if disk is None or name is None or (body := disk.read(name)) is None:
            if watcher is not None:
                watcher.missed(self._py_func.__name__)
            return None
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(body))
        except Exception as error:  # whatever it is, a cache ends no run
            disk.warn_unusable(name, f"cannot be used ({type(error).__name__})")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        disk = opened()
        # As numba has it: addresses of this process cannot be kept.
        fixed = not data.library.has_dynamic_globals and all(lifted.can_cache for lifted in data.lifted)
        name = self._name(sig, data.codegen, disk.key) if self._enabled and disk and fixed else None
        if disk is not None and name is not None:
            disk.write(name, dumps(data._reduce()))
        if watcher is not None:
            watcher.made()

    def _name(self, sig: Any, codegen: Any, secret: bytes) -> str | None:
        """Hash of all that the compiled code hangs on; None if the function is in no file.

        With another secret names are others, so that nothing looks damaged.
        """
        function = self._py_func
        if (own := _file_hash(inspect.getfile(function))) is None:
            return None
        inner = [cell.cell_contents for cell in function.__closure__ or ()]
        hangs_on = (
            *(_VERSIONS, self._sources(), own, function.__module__, function.__qualname__),
            *(function.__code__.co_firstlineno, function.__code__.co_code, dumps(inner) if inner else b""),
            *(str(sig), codegen.magic_tuple()),
        )
        return hashlib.blake2b(repr(hangs_on).encode(), digest_size=32, key=secret).hexdigest()


@cache
def _file_hash(file: str) -> str | None:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None
