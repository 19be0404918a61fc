"""A case: a valid example of a reader's files, some of them replaced."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOOR", "DOORS", "Bases", "Case", "load_case", "save_case", "write_case"]

#: A file whose content begins so is no file but what the next word says: one of `DOORS`.
DOOR = b"\0door "
DOORS = ("missing", "folder", "pipe", "zero", "loop", "dangling")
#: Valid examples by name: contents by file.
Bases = Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True)
class Case:
    """Files of a reader that differ from those of a valid example."""

    reader: str
    base: str
    files: tuple[tuple[str, bytes], ...]

    @property
    def key(self) -> str:
        return hashlib.sha256(repr((self.base, self.files)).encode()).hexdigest()[:10]


def write_case(case: Case, bases: Bases, folder: Path) -> None:
    """Make a folder with the files of a case."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, body in {**bases[case.base], **dict(case.files)}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not body.startswith(DOOR):
            path.write_bytes(body)
            continue
        match body.removeprefix(DOOR).decode():
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "zero":
                path.symlink_to("/dev/zero")
            case "loop":
                path.symlink_to(path)
            case "dangling":
                path.symlink_to(folder / "nowhere")


def save_case(case: Case, folder: Path) -> Path:
    """Keep the files that differ, in `folder/READER/BASE~KEY`."""
    where = folder / case.reader / f"{case.base}~{case.key}"
    for name, body in case.files:
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return where


def load_case(folder: Path) -> Case:
    """A case that was kept."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = tuple((str(path.relative_to(folder)), path.read_bytes()) for path in files)
    return Case(folder.parent.name, folder.name.partition("~")[0], contents)
