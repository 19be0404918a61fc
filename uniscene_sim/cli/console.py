"""What every command owes the terminal: one line for what went wrong, exit codes, signals, and outputs that fail."""

from __future__ import annotations

import codecs
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from uniscene_sim.errors import InputError, one_line
from uniscene_sim.storage.interrupts import Stopped, raised_signals

__all__ = ["on_console"]

_BAD_INPUT = 2
_AS_NAMED = "uniscene_sim.as_named"


def on_console(program: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code: its own, 2 after bad input, or, as a shell has it, 128 and the number of
    the signal that stopped it; 141 (SIGPIPE) if nobody reads what it prints.

    Args:
        program: its name, in front of what is told.
        command: returns its own exit code.
    """
    _prepare_streams()
    try:
        with raised_signals():
            try:
                code = command()
            except SystemExit:  # of argparse, which has printed something
                sys.stdout.flush()
                raise
            sys.stdout.flush()
            return code
    except InputError as error:
        return _tell(program, str(error))
    except KeyboardInterrupt as stop:
        return _stopped(stop)
    except SystemError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # stopped while a compiled kernel ran
            return _stopped(error.__cause__)
        raise
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _is_unread(sys.stdout):
            return 128 + signal.SIGPIPE
        where = "output" if error.filename is None else one_line(str(error.filename), 120, keep_end=True)
        return _tell(program, one_line(f"{where}: {error.strerror or error}"))
    finally:
        for stream in (sys.stdout, sys.stderr):
            _settle(stream)


def _tell(program: str, line: str) -> int:
    with suppress(OSError):  # nobody can be told
        print(f"{program}: {line}", file=sys.stderr, flush=True)
    return _BAD_INPUT


def _stopped(stop: BaseException) -> int:
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)


def _as_named(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for letters that an encoding lacks: the bytes of a file's name, or an escape."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def _prepare_streams() -> None:
    """Have streams that take any text, even names that their encoding has no letters for."""
    codecs.register_error(_AS_NAMED, _as_named)
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us; a file that is opened must not take its place
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), "r+", encoding="utf-8", errors="replace"))
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_AS_NAMED)


def _is_unread(stream: TextIO) -> bool:
    """Whether a stream is a pipe whose reader has gone."""
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return bool(poll.poll(0))
    return False


def _settle(stream: TextIO) -> None:
    """Flush a stream; one that cannot be written takes the rest to nowhere, so that Python's own end is silent."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            stream.flush()
