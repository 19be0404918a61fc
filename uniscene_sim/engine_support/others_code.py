"""Calls of code of others: whatever a plug-in raises when it is loaded or constructed becomes one `InputError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uniscene_sim.errors import InputError, said

__all__ = ["is_interrupt", "others_code"]

_OURS = __name__.partition(".")[0]


@contextmanager
def others_code(what: str, field: str | None = None, of: Any = None) -> Iterator[None]:
    """Run code of a plug-in.

    Args:
        what: what fails if it raises, for the message.
        field: name of the input that named the plug-in.
        of: the plug-in. If it is of this package, its errors are bugs and stay what they are.

    Raises:
        InputError: it raised anything but this and an interrupt. SystemExit, too: that would end the program as if all
            were well.
    """
    try:
        yield
    except BaseException as error:
        ours = str(getattr(of, "__module__", "")).partition(".")[0] == _OURS
        if isinstance(error, InputError) or is_interrupt(error) or (ours and isinstance(error, Exception)):
            raise
        raise InputError(f"{what}: {said(error)}", field=field) from error


def is_interrupt(error: BaseException) -> bool:
    """Whether somebody stops the program: while a compiled kernel runs, that is a SystemError."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt)
