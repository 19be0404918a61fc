"""Files that grow while a run goes on: made as regular files that nobody reads or writes, and ended before they fill
the disk."""

from __future__ import annotations

import fcntl
import os
import stat
import weakref
from contextlib import suppress
from pathlib import Path

from uniscene_sim.errors import InputError
from uniscene_sim.limits.disk import SPARE_BYTES

__all__ = ["check_room", "keep_while_alive", "new_file"]


def new_file(path: Path) -> int:
    """A descriptor of a new or emptied regular file, open for writing, in a folder that is made if missing; a link is
    not followed, a pipe not waited for. As long as the descriptor is open, no other run gets one of this file.

    Raises:
        OSError, ValueError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ValueError("its folder is a file") from None
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise ValueError("it is no regular file")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        raise ValueError("a run reads or writes it") from None
    except OSError:  # a file system without locks
        pass
    os.ftruncate(opened, 0)
    return opened


def keep_while_alive(path: Path, reader: object) -> None:
    """Have `new_file` refuse a file as long as an object lives that reads it. What is being written may be read."""
    with suppress(OSError):
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(reader, os.close, opened)
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)


def check_room(path: Path, most_gib: float, opened: int | None = None) -> None:
    """Refuse to go on with a file that is too large, or would soon fill its disk.

    Args:
        path: the file.
        most_gib: size at which it ends.
        opened: its descriptor, if it may have been moved since.

    Raises:
        InputError: it ends here.
    """
    place = path if opened is None else opened
    if os.stat(place).st_size > most_gib * 2**30:
        raise InputError(f"has reached {most_gib:g} GiB and ends here", file=path)
    space = os.statvfs(place)
    if space.f_bavail * space.f_frsize < SPARE_BYTES:
        raise InputError(f"leaves less than {SPARE_BYTES >> 20} MiB on the disk and ends here", file=path)
