"""The error for bad input, and the warning for input that is used in part."""

from __future__ import annotations

from pathlib import Path

__all__ = ["InputError", "InputWarning"]


class InputError(ValueError):
    """Bad input, reported in one line that names the file, the field and what was expected.

    The command line prints it without a traceback and exits with code 2.

    Args:
        message: what is wrong, and what was expected.
        file: the file that it is about.
        line: line in the file, from 1.
        field: name of the field, option or argument.
    """

    def __init__(
        self, message: str, *, file: str | Path | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        where = "" if file is None else f"{file}:{line}: " if line is not None else f"{file}: "
        super().__init__(f"{where}{field}: {message}" if field else f"{where}{message}")
        self.file, self.line, self.field = file, line, field


class InputWarning(UserWarning):
    """Something in a file was left out or could not be told; the rest was loaded."""
