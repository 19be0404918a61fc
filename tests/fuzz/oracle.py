"""What a reader may do with any input: read it, or refuse it in one line; in little time and memory."""

from __future__ import annotations

import gc
import os
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.machine import slowness
from uniscene_sim.errors import InputError, InputWarning

__all__ = ["LONGEST", "MOST_BYTES", "SLOW", "SLOW_S", "Told", "Verdict", "judge"]

#: Of the processor, so that a busy machine finds nothing, and times `slowness`, so that a slow one does not; of memory
#: beyond what is held; of a message.
SLOW_S, MOST_BYTES, LONGEST = 2.0, 2**30, 300
#: How findings begin that are about time.
SLOW = ("hangs", "more than 2 s")
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Verdict:
    """What came of one case."""

    finding: str = ""  # kind and place of what may not be; empty: all is well
    detail: str = ""  # the message, or the end of the traceback
    outcome: str = ""  # "read" or "refused"
    seconds: float = 0.0
    peak_bytes: int = 0  # beyond what was held before


class Told(InputError):
    """A refusal that was told in another way than by an error: the line as it is."""

    def __init__(self, line: str) -> None:
        ValueError.__init__(self, line)


class _TooSlow(BaseException):
    """Raised where a reader is after `SLOW_S`; no reader catches it."""


def judge(read: Callable[[], Any]) -> Verdict:
    """Call a reader in this process."""
    begin, held = time.process_time(), _reset_peak()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InputWarning)
        finding, detail, outcome = _called(read)
    spent, peak = time.process_time() - begin, max(_status("VmHWM") - held, 0)
    if not finding:
        finding, detail = next((f for f in (_unfit(str(w.message), "warning", 1000) for w in told) if f), ("", detail))
    if not finding and peak > MOST_BYTES:
        finding, detail = "memory", f"{peak / 2**20:.0f} MiB"
    return Verdict(finding, detail, outcome, spent, peak)


def _called(read: Callable[[], Any]) -> tuple[str, str, str]:
    """Finding, detail and outcome of a call."""
    try:
        with _limits():
            read()
        return "", "", "read"
    except InputError as error:
        finding, detail = _unfit(str(error), "message", LONGEST) or ("", str(error))
        return finding, detail, "refused"
    except _TooSlow as error:
        return f"more than {SLOW_S:g} s at {_place(error)}", _end(error), ""
    except BaseException as error:
        return f"{type(error).__name__} at {_place(error)}", _end(error), ""
    finally:
        gc.collect(0)


def _unfit(text: str, what: str, most: int) -> tuple[str, str] | None:
    """What is wrong with a message."""
    if "Unable to allocate" in text or "MemoryError" in text:
        return f"{what} of memory that was asked for before it was estimated", text
    if not text.isprintable():
        return f"{what} with control characters", repr(text[:2000])
    return (f"{what} of more than {most} characters", text[:2000]) if len(text) > most else None


@contextmanager
def _limits() -> Iterator[None]:
    """Bounds of time and memory, for this process."""

    def stop(*_: object) -> None:
        raise _TooSlow

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    before = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + MOST_BYTES, hard))
    signal.setitimer(signal.ITIMER_PROF, SLOW_S * slowness(), SLOW_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def _status(key: str) -> int:
    """Bytes of this process, as Linux tells them."""
    with open("/proc/self/status", "rb") as file:
        return int(file.read().partition(f"\n{key}:".encode())[2].split(None, 1)[0]) * 1024


def _reset_peak() -> int:
    """Count the peak of memory anew; returns what is held now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status("VmRSS")


def _place(error: BaseException) -> str:
    """The innermost line of ours in a traceback, as `rigs/ouster.py:_field`."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(_ROOT))]
    ours = [f for f in frames if "/tests/fuzz/" not in f.filename and "/.venv/" not in f.filename] or frames
    if not ours:
        return "?"
    return f"{os.path.relpath(ours[-1].filename, _ROOT).removeprefix('uniscene_sim/')}:{ours[-1].name}"


def _end(error: BaseException) -> str:
    lines = traceback.format_exception(error, limit=-4)
    return "".join(lines)[-1500:]
