"""What is this user's alone: folders that nobody else can write to, and a secret to sign files with."""

from __future__ import annotations

import logging
import os
import secrets
import stat
import tempfile
from pathlib import Path

from uniscene_sim.errors import InputError

__all__ = ["private_folder", "user_folder", "user_secret"]

_BYTES = 32
_log = logging.getLogger(__name__)


def user_folder(variable: str, below_home: str) -> Path:
    """A base folder of the XDG specification: $`variable`, if that is an absolute path, or one below the home folder.

    Raises:
        InputError: there is no home folder.
    """
    named = os.environ.get(variable) or ""
    if os.path.isabs(named):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError:  # a user without an entry in the system's list
        home = Path()
    if not home.is_absolute():
        raise InputError("expected the path of a home folder", field="HOME")
    return home / below_home


def private_folder(path: Path) -> bool:
    """Make a folder of mode 0700, or shut an existing one to others.

    Returns:
        Whether others could write to it before.

    Raises:
        InputError: it, or a link in its place, belongs to another user.
        OSError: it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for found in (os.lstat(path), os.stat(path)):  # another user's link could lead to any folder of this one
        if found.st_uid != os.geteuid():
            raise InputError(f"belongs to user {found.st_uid}, expected a folder of user {os.geteuid()}", file=path)
    if found.st_mode & 0o077:
        os.chmod(path, 0o700)
    return bool(found.st_mode & 0o022)


def user_secret(name: str) -> bytes:
    """32 random bytes of this user, made at first use and kept in ~/.config/uniscene_sim (or $XDG_CONFIG_HOME).

    A file that others could read or write, or that is damaged, is replaced by a new secret.

    Raises:
        InputError: there is no home folder, or it belongs to another user.
        OSError: it cannot be written.
    """
    folder = user_folder("XDG_CONFIG_HOME", ".config") / "uniscene_sim"
    opened_to_others = private_folder(folder)
    path = folder / name
    found = None if opened_to_others else _read(path)
    if found is not None:
        return found
    handle, part = tempfile.mkstemp(prefix=f"{name}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
        if os.path.lexists(path):
            _log.warning("cache: %s is damaged or open to others; it is made anew", path)
            os.replace(part, path)
        else:
            try:
                os.link(part, path)
            except FileExistsError:  # another process was first: its secret counts
                pass
            except OSError:  # a file system without hard links
                os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
    found = _read(path)
    if found is None:
        raise InputError(f"expected a file of {_BYTES} bytes that only its user can read", file=path)
    return found


def _read(path: Path) -> bytes | None:
    """The secret; None if there is none, or if it is not one, or not private."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        private = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
        body = file.read(_BYTES + 1) if private else b""
    return body if len(body) == _BYTES else None
