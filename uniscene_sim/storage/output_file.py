"""Files that appear whole or not at all, and several that appear together or not at all.

They are written into a private folder beside their places, and get their names by a rename, which replaces a link and
never follows it. Nobody can foretell the folder's name, nobody else may enter it, and it is locked while its process
lives: what a killed process has left is removed by the next one that writes there.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from uniscene_sim.errors import InputError
from uniscene_sim.storage.interrupts import deferred_signals, goes_with_process

__all__ = ["Outputs", "is_private", "output_file", "scratch_folder", "told", "write_file"]

_PREFIX, _SUFFIX = ".uniscene-", ".part"
_PRIVATE = re.compile(r"\.uniscene-[a-z0-9_]{8}\.part")


class Outputs:
    """Files that appear together or not at all, wherever they lie. A context manager: what is not published when it is
    left goes, and what was there before stays."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folders: list[_Folder] = []
        self._made: list[Path] = []
        self._taken: set[Path] = set()

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with deferred_signals():
            self._stack.close()
            for folder in reversed(self._made):
                with suppress(OSError):  # in use by now
                    folder.rmdir()

    def file(self, path: str | Path, field: str | None = None) -> Path:
        """Where to write a file that is to appear at a path, in a folder that exists.

        Args:
            path: of the file; a link there will be replaced.
            field: argument that named it.

        Raises:
            InputError: it cannot be written, or something else than a file stands there.
        """
        path = Path(path)
        with told(path, field):
            self._take(path, field)
            folder = _Folder(path.parent, self._stack.enter_context(_private_folder(path.parent)))
        self._folders.append(folder)
        return folder.parts / path.name

    def folder(self, path: str | Path, names: Iterable[str] = (), field: str | None = None) -> Path:
        """A new and empty folder to write into, all files of which are to appear in the folder at a path.

        Args:
            path: of the folder, made if missing.
            names: of the files, as far as they are known: what stands in their way is told at once.
            field: argument that named it.

        Raises:
            InputError: it cannot be written, or something else than a file stands at one of the names.
        """
        path = Path(path)
        with told(path, field):
            _check_name(path, field)
            self._make(path, field)
            for name in names:
                self._take(path / name, field)
            folder = _Folder(path, self._stack.enter_context(_private_folder(path)), field)
        self._folders.append(folder)
        return folder.parts

    def publish(self, stale: Iterable[Path] = ()) -> list[Path]:
        """Give all files their names; returns their paths.

        Args:
            stale: files that go at the same moment.

        Raises:
            InputError: one cannot get its name; then none does.
        """
        published = []
        with deferred_signals(), ExitStack() as undo:
            for folder in self._folders:
                old = folder.private / "old"
                old.mkdir()
                parts = sorted(part for part in folder.parts.rglob("*") if part.is_symlink() or not part.is_dir())
                for number, part in enumerate(parts):
                    target = folder.path / part.relative_to(folder.parts)
                    with told(target, folder.field):
                        self._make(target.parent, folder.field)
                        _require_replaceable(target, folder.field)
                        if os.path.lexists(target):
                            _keep(target, old / str(number))
                            undo.callback(os.replace, old / str(number), target)
                            os.replace(part, target)
                        else:
                            os.replace(part, target)
                            undo.callback(target.unlink)
                    published.append(target)
            for number, path in enumerate(stale):
                with told(path):
                    aside = self._folders[0].private / f"stale{number}"
                    os.replace(path, aside)
                    undo.callback(os.replace, aside, path)
            undo.pop_all()
            self._made.clear()
        return published

    def _take(self, path: Path, field: str | None) -> None:
        _check_name(path, field)
        _require_replaceable(path, field)
        place = path.parent.resolve() / path.name
        if place in self._taken:
            raise InputError("is to be written twice, expected a name for each file", file=path, argument=field)
        self._taken.add(place)

    def _make(self, folder: Path, field: str | None) -> None:
        """Make a folder and those above it, and remember which."""
        for missing in reversed([f for f in (folder, *folder.parents) if not os.path.lexists(f)]):
            with suppress(FileExistsError):
                missing.mkdir()
                self._made.append(missing)
        if not folder.is_dir():
            raise InputError(f"is {_kind(folder)}, expected a folder", file=folder, field=field)


@dataclass(frozen=True)
class _Folder:
    """A folder that files are to appear in, and the private folder they are written into."""

    path: Path
    private: Path
    field: str | None = None

    @property
    def parts(self) -> Path:
        return self.private / "new"


@contextmanager
def output_file(path: str | Path, field: str | None = None) -> Iterator[Path]:
    """Where to write a file, which appears at `path` when the block is left without an error.

    Args:
        path: of the file, in a folder that exists; a link there is replaced.
        field: argument that named it.

    Raises:
        InputError: it cannot be written, or something else than a file stands there.
    """
    with Outputs() as outputs:
        part = outputs.file(path, field)
        with told(path, field):
            yield part
        outputs.publish()


def write_file(path: str | Path, body: bytes, field: str | None = None) -> None:
    """Write a file whole or not at all; arguments and errors as of `output_file`."""
    with output_file(path, field) as part:
        part.write_bytes(body)


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for files that nobody keeps, by default among the system's temporary ones.

    Raises:
        InputError: there is no place for it.
    """
    with ExitStack() as stack:
        with told("temporary files", "TMPDIR") if parent is None else told(parent):
            private = stack.enter_context(_private_folder(parent or Path(tempfile.gettempdir())))
        yield private / "new"


def is_private(path: Path) -> bool:
    """Whether this is the private folder of a process that writes, or did until it was killed."""
    return _PRIVATE.fullmatch(path.name) is not None


@contextmanager
def told(path: str | Path, field: str | None = None) -> Iterator[None]:
    """Tell a failure to write as InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", file=path, argument=field) from error


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """A locked folder that nobody else can foretell or enter, with the folder `new` in it; gone when it is left."""
    _remove_abandoned(parent)
    with ExitStack() as stack:
        while True:
            path = Path(tempfile.mkdtemp(_SUFFIX, _PREFIX, parent))
            try:
                stack.enter_context(_locked(path))
            except (FileNotFoundError, BlockingIOError):  # another process has just taken it for an abandoned one
                continue
            except OSError:  # a file system without locks
                pass
            break
        goes_with_process.add(path)
        try:
            (path / "new").mkdir()
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            goes_with_process.discard(path)


def _remove_abandoned(parent: Path) -> None:
    """Remove private folders of ours whose processes are gone."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if _PRIVATE.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                    with suppress(OSError), _locked(entry.path):
                        shutil.rmtree(entry.path, ignore_errors=True)


@contextmanager
def _locked(folder: str | Path) -> Iterator[None]:
    """Hold the lock of a folder, at most as long as this process lives.

    Raises:
        FileNotFoundError: it has gone.
        BlockingIOError: another process holds it.
        OSError: there are no locks here.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(folder)  # locked, but removed before?
        yield
    finally:
        os.close(opened)


def _keep(target: Path, aside: Path) -> None:
    """Keep a file under another name too; where a file has but one, move it there."""
    try:
        os.link(target, aside, follow_symlinks=False)
    except OSError:
        os.rename(target, aside)


def _check_name(path: Path, field: str | None) -> None:
    """Refuse a path that no file can have here."""
    try:
        if b"\0" in os.fsencode(path):
            raise InputError("holds a null character, expected a name of a file", file=path, argument=field)
    except UnicodeEncodeError:
        raise InputError(
            "is no name of a file in this locale, expected other characters", file=path, argument=field
        ) from None


def _require_replaceable(path: Path, field: str | None) -> None:
    """Refuse what stands at the place of a file and is none: a rename would fail, or replace a device."""
    try:
        found = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISREG(found):
        return
    if stat.S_ISLNK(found) and not os.readlink(path).startswith("/proc/") and (not path.exists() or path.is_file()):
        return
    why = f"is {_kind(path)}, expected the name of a new file or of one to replace"
    raise InputError(why, file=path, argument=field)


def _kind(path: Path) -> str:
    kinds = {"is_dir": "a folder", "is_file": "a file", "is_fifo": "a pipe", "is_socket": "a socket"}
    if path.is_symlink():
        return "a link to something else"
    return next((kind for test, kind in kinds.items() if getattr(path, test)()), "a device")
