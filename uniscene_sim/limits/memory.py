"""Memory, estimated before it is taken: what needs more than there is, is refused with the estimate."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.bounds import Bound
from uniscene_sim.limits.numbers import real_number

__all__ = ["MEMORY_GB", "PeakMemory", "memory_bytes", "require_memory"]

#: Environment variable: GiB that may be taken, in place of the memory of the machine or its control group.
MEMORY_GB = "UNISCENE_MEMORY_GB"
_GIB = Bound(0.01, 1e6, "GiB")
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int:
    """What may be taken.

    Raises:
        InputError: the environment variable is no such number.
    """
    text = os.environ.get(MEMORY_GB)
    if not text:
        return _machine_bytes()
    with suppress(ValueError):
        if _GIB.holds(given := real_number(text)):
            return int(given * 2**30)
    raise InputError(f"expected {_GIB}, got {shown(text)}", field=f"${MEMORY_GB}")


@cache
def _machine_bytes() -> int:
    found = [2**40]  # where nothing is told
    with suppress(AttributeError, OSError, ValueError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in _LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(limit).read_text(encoding="ascii")))
    return min(size for size in found if size > 0)


class PeakMemory:
    """Most memory that this process takes beyond what it has when this is entered: None but on Linux.

    Attributes:
        bytes: after it is left.
    """

    bytes: int | None = None

    def __enter__(self) -> PeakMemory:
        gc.collect()
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # else what was freed before would hide what is taken now
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
            self._before = _status("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError, AttributeError):
            self.bytes = max(_status("VmHWM") - self._before, 0)


def _status(name: str) -> int:
    """A number of bytes from what Linux tells of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kib) * 1024


def require_memory(needed_bytes: float, what: str, field: str | None = None) -> None:
    """InputError, with the estimate, if something needs more memory than there is.

    Args:
        needed_bytes: the estimate.
        what: needs it: "12 cameras of 100000 x 100000 px".
        field: that it comes from.
    """
    most = memory_bytes()
    if needed_bytes > most:
        why = f"needs {needed_bytes / 2**30:,.1f} GiB ({what}), expected at most {most / 2**30:,.1f}"
        raise InputError(f"{why}, the memory of this machine or ${MEMORY_GB}", field=field)
