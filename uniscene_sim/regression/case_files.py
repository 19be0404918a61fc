"""Where recordings, baselines and pictures of cases lie in the folders of such files."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from uniscene_sim.errors import InputError, one_line
from uniscene_sim.regression.cases import Case
from uniscene_sim.storage.data_folders import data_dir

__all__ = ["CaseFiles", "case_file"]

_LONGEST = 120  # of a name, without its suffix
_DIGITS = 16
_TOLD = 60  # characters of a path in an error, so that what is to be done is told, too


def case_file(case: Case, driver: str, suffix: str) -> Path:
    """Where a file about a case and its driver lies: by the scenario's path below the folder that one is in, so that
    its name is the same whatever else is driven. What lies elsewhere, and the library, has the name of its own folder
    alone: the rest differs from machine to machine."""
    name = _plain(f"{case.file.stem}-{case.name}-{driver}")
    return Path(*map(_plain, _folders(case.file))) / f"{name}{suffix}"


class CaseFiles:
    """The files of the cases that are collected: each case has its own, whatever is selected later."""

    def __init__(self) -> None:
        self._of: dict[Path, Case] = {}

    def add(self, case: Case) -> None:
        """Take in a case.

        Raises:
            InputError: its files would be those of another one.
        """
        other = self._of.setdefault(case_file(case, "", ""), case)
        mine, theirs = ((os.path.abspath(one.file), one.name) for one in (case, other))
        if mine != theirs:
            whose = f"its case {other.name}" if mine[0] == theirs[0] else str(other.file)
            why = f"shares recordings and baselines with {one_line(whose, _TOLD, keep_end=True)}"
            raise InputError(f"{why}: rename one, or drive it in a batch with folders of its own", file=case.file)


def _folders(file: Path) -> tuple[str, ...]:
    """Names of the folders that tell a scenario file from others."""
    here, folder = Path.cwd(), Path(os.path.abspath(file)).parent
    if not _is_library(folder):
        for one in (folder, folder.resolve()):  # the way here may lead over a link
            if one.is_relative_to(here):
                return one.relative_to(here).parts or (here.name,)
    return (folder.name,)


def _is_library(folder: Path) -> bool:
    try:
        return folder == data_dir("scenarios")
    except InputError:
        return False


def _plain(name: str) -> str:
    """Of letters, digits, "_" and "-"; what is too long ends with a digest of the whole."""
    plain = "".join(c if c.isalnum() or c in "_-" else "_" for c in name)
    if len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - _DIGITS - 1]}-{sha256(os.fsencode(name)).hexdigest()[:_DIGITS]}"
