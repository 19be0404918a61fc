"""`DiskCache`: bytes by name in a folder of bounded size, shared by any number of processes.

Each file holds a checksum of its name and content that is checked at every read, so a damaged, truncated or misplaced
file counts as missing. Files appear under their names only when they are complete.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.numbers import real_number
from uniscene_sim.storage.user_secret import user_folder

__all__ = ["DiskCache", "cache_folder", "user_cache"]

_SUM_BYTES = 32
_CACHE_FILE = re.compile(r"[0-9a-f]{64}(\.[a-z0-9_]+\.part)?")
_ABANDONED_S = 3600.0  # a partial file this old belongs to a process that was killed
_log = logging.getLogger(__name__)


def user_cache(name: str, strict: bool = False) -> DiskCache:
    """The user's cache `name`: below $UNISCENE_CACHE, $XDG_CACHE_HOME/uniscene_sim or ~/.cache/uniscene_sim, and
    within $UNISCENE_CACHE_GB (default: 4).

    Raises:
        InputError: $UNISCENE_CACHE_GB is not a positive number, or there is no home folder.
    """
    text = os.environ.get("UNISCENE_CACHE_GB") or "4"
    try:
        size = int(real_number(text) * 2**30)
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise InputError(f"expected a positive number of GiB, got {shown(text)}", field="UNISCENE_CACHE_GB")
    return DiskCache(cache_folder(name), size, strict)


def cache_folder(name: str) -> Path:
    """Folder of the user's cache `name`.

    Raises:
        InputError: there is no home folder, and no variable names another.
    """
    root = os.environ.get("UNISCENE_CACHE")
    return (Path(root) if root else user_folder("XDG_CACHE_HOME", ".cache") / "uniscene_sim") / name


class DiskCache:
    """The least recently used files are removed when `max_bytes` are exceeded.

    If the folder cannot be written or the disk is full, a cache warns at the first failure and stores nothing more; a
    `strict` one raises InputError instead.

    Args:
        folder: made at the first write.
        max_bytes: bound of all files together; each other process that writes at the same time may add a twentieth.
        strict: whether a failed write is an error.
        key: secret that checksums are made with, of at most 64 bytes: then a file that somebody else wrote counts as
            damaged.
    """

    def __init__(self, folder: Path, max_bytes: int, strict: bool = False, key: bytes = b""):
        self.folder, self.max_bytes, self.strict, self.key = Path(folder), max_bytes, strict, key
        self.nbytes_read = self.nbytes_written = 0
        self._room = 0  # bytes that may be written before the folder is scanned again
        self._warned: set[str] = set()

    def read(self, name: str) -> bytearray | None:
        """The content under a name (64 hexadecimal digits); None if there is none or it is damaged."""
        path = self.folder / name
        try:
            # Without waiting, should a pipe lie there.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                found = os.fstat(file.fileno())
                if stat.S_ISREG(found.st_mode) and _SUM_BYTES <= found.st_size <= self.max_bytes:
                    checksum, body = file.read(_SUM_BYTES), bytearray(found.st_size - _SUM_BYTES)
                    size = file.readinto(body)
                    if size == len(body) and hmac.compare_digest(self._checksum(name, body), checksum):
                        with suppress(OSError):
                            os.utime(path)  # used now
                        self.nbytes_read += _SUM_BYTES + size
                        return body
            self.warn_unusable(name, "is damaged")
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            self.warn_unusable(name, f"cannot be read ({error.strerror})")
        return None

    def warn_unusable(self, name: str, why: str) -> None:
        """Remove a file that is of no use, and warn at the first such file only."""
        path = self.folder / name
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self._warn("read", f"{path} {why}; it and others like it are made anew")

    def write(self, name: str, body: bytes) -> None:
        """Store content under a name, in place of what was there."""
        size = _SUM_BYTES + len(body)
        if "write" in self._warned or size > self.max_bytes:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if size > self._room:
                self._room = self._make_room(size)
            handle, part = tempfile.mkstemp(prefix=f"{name}.", suffix=".part", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(self._checksum(name, body))
                    file.write(body)
                os.replace(part, self.folder / name)
            finally:
                Path(part).unlink(missing_ok=True)
            self._room -= size
            self.nbytes_written += size
        except OSError as error:
            why = error.strerror or str(error)
            if self.strict:
                raise InputError(f"cannot be written: {why}", file=self.folder) from error
            self._warn("write", f"{self.folder} cannot be written ({why}); going on without")

    def clear(self) -> None:
        """Remove all files of a cache, and nothing else: the folder may be a link to one that has other uses."""
        for path in self.folder.iterdir():
            if _CACHE_FILE.fullmatch(path.name):
                with suppress(OSError):
                    path.unlink()

    def _make_room(self, size: int) -> int:
        """Free at least `size` bytes, and return how many this process may write. A file that another process has
        removed is no error."""
        held, files = 0, []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if not _CACHE_FILE.fullmatch(entry.name):
                    continue
                with suppress(OSError):
                    stat = entry.stat(follow_symlinks=False)
                    if not entry.name.endswith(".part"):
                        files.append((stat.st_mtime_ns, stat.st_size, entry.path))
                    elif stat.st_mtime < time.time() - _ABANDONED_S:
                        os.unlink(entry.path)
                        continue
                    held += stat.st_size
        if held + size > self.max_bytes:
            for _, length, path in sorted(files):
                if held + size <= 0.9 * self.max_bytes:
                    break
                held -= length
                with suppress(OSError):
                    os.unlink(path)
        return max(size, min(self.max_bytes - held, self.max_bytes // 20))

    def _warn(self, kind: str, message: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            _log.warning("cache: %s", message)

    def _checksum(self, name: str, body: bytes | bytearray) -> bytes:
        key = hashlib.blake2b(name.encode(), key=self.key).digest() if self.key else name.encode()
        return hashlib.blake2b(body, digest_size=_SUM_BYTES, key=key).digest()
