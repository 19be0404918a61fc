"""What a program looks after before it simulates: variables that others can use, and warnings that are lines."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from uniscene_sim.errors import InputError, InputWarning, one_line, shown

__all__ = ["check_environment", "warnings_in_lines"]

_MOST_THREADS = 4096


def check_environment() -> None:
    """Make sure that numba and tqdm can be used: what they cannot use would end Python with a traceback.

    Raises:
        InputError: $NUMBA_NUM_THREADS is no number of threads, $NUMBA_THREADING_LAYER cannot be used, or a variable
            $TQDM_... is not what tqdm expects.
    """
    text = os.environ.get("NUMBA_NUM_THREADS") or "1"
    if not (text.isdecimal() and len(text) < 9 and 1 <= int(text) <= _MOST_THREADS):
        why = f"expected a number of threads from 1 to {_MOST_THREADS}, got {shown(text)}"
        raise InputError(why, field="NUMBA_NUM_THREADS")
    if os.environ.get("NUMBA_THREADING_LAYER"):
        import numba

        try:
            numba.get_num_threads()
        except ValueError as error:  # an unknown layer, or one that is not installed
            raise InputError(one_line(str(error)), field="NUMBA_THREADING_LAYER") from error
    try:
        import tqdm  # noqa: F401
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot be used by tqdm: {one_line(str(error))}", field="TQDM_...") from error


@contextmanager
def warnings_in_lines(program: str) -> Iterator[None]:
    """Print warnings as a program does its errors: a line each, without the line of code that warns."""

    def in_a_line(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        kind = "warning" if issubclass(category, InputWarning) else category.__name__
        return f"{program}: {kind}: {one_line(str(message), 1000)}\n"

    before, warnings.formatwarning = warnings.formatwarning, in_a_line
    try:
        yield
    finally:
        warnings.formatwarning = before
