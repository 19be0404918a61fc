"""The error for bad input, and the warning for input that is used in part: one line each, fit for any terminal."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

__all__ = ["InputError", "InputWarning", "did_you_mean", "one_line", "said", "shown"]

#: Longest message, so that a line is read whole and no file can print itself through an error.
_MESSAGE, _FILE, _FIELD = 280, 120, 60
_WARNING = 1000  # which may list what was left out


class InputError(ValueError):
    """Bad input, reported in one line that names the file, the field and what was expected.

    The command line prints it without a traceback and exits with code 2. Control characters are escaped, and what is
    too long is cut: the file in front, the rest behind.

    Args:
        message: what is wrong, and what was expected.
        file: the file that it is about.
        line: line in the file, from 1.
        field: name of the field in the file, or of the argument.
        argument: name of the argument that named the file, in place of a field; the command line tells it as it
            is typed.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        argument: str | None = None,
    ) -> None:
        field = argument or field
        where = "" if file is None else one_line(str(file), _FILE, keep_end=True)
        where += ":" if line is None and where else f":{line}:" if where else ""
        told = (where, f"{one_line(field, _FIELD)}:" if field else "", one_line(message, _MESSAGE))
        super().__init__(one_line(" ".join(part for part in told if part), _MESSAGE))
        self.message, self.file, self.line, self.field = message, file, line, field
        self.argument = field if file is None else argument

    def within(self, file: str | Path) -> InputError:
        """The same error, said of a file."""
        return InputError(self.message, file=file, line=self.line, field=self.field)


class InputWarning(UserWarning):
    """Something in a file was left out or could not be told; the rest was loaded. One line too, however long a list."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, _WARNING))


def one_line(text: str, most: int = _MESSAGE, keep_end: bool = False) -> str:
    """A text without control characters, of at most `most` characters; cut in front if its end is to be kept."""
    cut = text if len(text) <= 4 * most else text[-4 * most :] if keep_end else text[: 4 * most]
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
    if len(printable) <= most and len(cut) == len(text):
        return printable
    return f"...{printable[3 - most :]}" if keep_end else f"{printable[: most - 3]}..."


def shown(value: object, most: int = 60) -> str:
    """A value as an error message quotes it: its `repr`, or its type if that fails, in few characters."""
    try:
        text = repr(value if not isinstance(value, str | bytes) else value[:most])
    except Exception:  # a number of thousands of digits, an object of others
        text = f"a value of type {type(value).__name__}"
    return one_line(text, most)


def said(error: BaseException) -> str:
    """The kind of an error and what it says, whatever it is."""
    try:
        text = str(error)
    except Exception:
        text = shown(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """A hint to the known name that is most like the given one; empty if none is."""
    close = get_close_matches(given, known, 1) if isinstance(given, str) and len(given) < 100 else []
    return f" (did you mean {close[0]}?)" if close else ""
