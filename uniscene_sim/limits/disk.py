"""Disk space, estimated before it is taken: what needs more than is free is refused with the estimate."""

from __future__ import annotations

import shutil
from pathlib import Path

from uniscene_sim.errors import InputError

__all__ = ["SPARE_BYTES", "require_disk"]

#: Left free on every disk.
SPARE_BYTES = 256 * 2**20


def require_disk(folder: Path, needed_bytes: float, what: str, field: str | None = None) -> None:
    """InputError, with the estimate, if something needs more space than is free.

    Args:
        folder: where it will lie, which need not exist yet.
        needed_bytes: the estimate.
        what: needs it: "40 frames".
        field: option that named the folder.
    """
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    free = shutil.disk_usage(there).free - SPARE_BYTES
    if needed_bytes > free:
        why = f"needs about {needed_bytes / 2**30:,.1f} GiB ({what}), but only {max(free, 0) / 2**30:,.1f} are free"
        raise InputError(f"{why}; expected a disk with more space, or a shorter recording", file=folder, argument=field)
