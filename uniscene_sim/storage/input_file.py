"""Input files, opened with care: regular files of bounded size, and any failure as one `InputError`.

Every reader of the package reads through here, so that a device, a pipe that nobody fills, a name that no file can
have, a file larger than memory, or JSON nested a million deep is told and not waited for.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError, said, shown

__all__ = ["JSON_DEPTH", "MIB", "files_in", "is_folder", "is_regular", "json_value", "read_input", "read_json",
           "read_text", "reading", "require_regular"]  # fmt: skip

MIB = 2**20
#: Deepest nesting of JSON and YAML that anything of ours needs, many times over.
JSON_DEPTH = 64


def is_regular(path: str | Path) -> bool:
    """Whether a path is a regular file; not, too, if no file can have this name."""
    return os.path.isfile(path)


def is_folder(path: str | Path) -> bool:
    """Whether a path is a folder; not, too, if no folder can have this name."""
    return os.path.isdir(path)


def files_in(folder: str | Path, pattern: str) -> list[Path]:
    """Paths in a folder that match a pattern, sorted; none if there is no such folder."""
    return sorted(Path(folder).glob(pattern)) if is_folder(folder) else []


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Around what takes a file's content apart: whatever fails is one `InputError` that names the file.

    Damaged archives, numbers and indices have no error in common, and a reader that lists those of today lets those
    of tomorrow through.

    Args:
        path: the file.
        what: what is expected, for the message.
    """
    try:
        yield
    except InputError as error:
        raise (error if error.file is not None else error.within(path)) from None
    except Exception as error:
        raise InputError(f"is damaged or something else, expected {what} ({said(error)})", file=path) from error


def require_regular(path: str | Path, most: int, what: str, field: str | None = None) -> Path:
    """The path, if it is a regular file of at most `most` bytes, followed through links.

    Raises:
        InputError: it is missing, no regular file, or larger.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {_reason(error)}; expected {what}", file=path, field=field) from None
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise InputError(f"cannot be read: it is {kind}; expected {what}", file=path, field=field)
    if found.st_size > most:
        raise InputError(
            f"has {found.st_size / MIB:.0f} MiB, expected {what} of at most {most / MIB:.0f} MiB",
            file=path,
            field=field,
        )
    return Path(path)


def read_input(path: str | Path, most: int, what: str, field: str | None = None) -> bytes:
    """The bytes of a regular file.

    Args:
        path: the file.
        most: bound of its size in bytes.
        what: what is expected, for the message ("a scenario as YAML").
        field: option or field that named the file.

    Raises:
        InputError: it cannot be read, is no regular file, or is larger.
    """
    require_regular(path, most, what, field)
    try:
        # Without waiting, should a pipe have taken the file's place meanwhile.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            # `read` takes the memory that it is told at once; files that the system makes have no size.
            most = min(most, max(os.fstat(file.fileno()).st_size, MIB))
            body = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {_reason(error)}; expected {what}", file=path, field=field) from None
    if len(body) > most:
        raise InputError(f"grows while it is read; expected {what}", file=path, field=field)
    return body


def read_text(path: str | Path, most: int, what: str, field: str | None = None) -> str:
    """The text of a regular file in UTF-8; as `read_input`, and InputError too if it is not UTF-8."""
    try:
        body = read_input(path, most, what, field)
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        why = f"is not UTF-8 text (byte {error.start}); expected {what}"
        raise InputError(why, file=path, line=line, field=field) from None


def read_json(path: str | Path, most: int, what: str, field: str | None = None) -> Any:
    """The value of a JSON file, nested at most `JSON_DEPTH` deep and without NaN and infinities.

    Raises:
        InputError: as `read_text`, and if it is no such JSON; names the line.
    """
    return json_value(read_text(path, most, what, field), path, what, field)


def json_value(text: str, path: str | Path, what: str, field: str | None = None) -> Any:
    """The value of the text of a JSON file; InputError as of `read_json`."""

    def refuse(constant: str) -> Any:
        raise InputError(f"holds {shown(constant)}, expected finite numbers", file=path, field=field)

    def finite(digits: str) -> float:
        number = float(digits)
        return number if isfinite(number) else refuse(digits)

    try:
        value = json.loads(text, parse_constant=refuse, parse_float=finite)
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {error.msg}; expected {what}", file=path, line=error.lineno, field=field
        ) from None
    except RecursionError:
        raise InputError(f"is nested too deeply; expected {what}", file=path, field=field) from None
    except InputError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(f"is not JSON: {error}; expected {what}", file=path, field=field) from None
    if _is_deeper(value, JSON_DEPTH):
        raise InputError(f"is nested more than {JSON_DEPTH} deep; expected {what}", file=path, field=field)
    return value


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [inner for inner in level if isinstance(inner, dict | list)]
        if not level:
            return False
        level = [v for inner in level for v in (inner.values() if isinstance(inner, dict) else inner)]
    return True


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
