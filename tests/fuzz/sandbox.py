"""Cases run in a child process, so that a crash or a hang is a finding and not the end of the fuzzer."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fuzz.case import Case, write_case
from tests.fuzz.machine import slowness
from tests.fuzz.oracle import SLOW_S, Verdict, judge
from tests.fuzz.readers import READERS
from uniscene_sim.errors import InputError

__all__ = ["Here", "Sandbox"]

#: What waits takes no time of the processor; what never returns to Python sees no signal.
_WALL_S = 60.0
_FORK = multiprocessing.get_context("fork")


class Here:
    """Judges cases in this process, which may not survive them."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="uniscene-fuzz-"))

    def warm_up(self, reader: str) -> None:
        """Read the valid examples, so that what they need is imported and compiled before time is measured."""
        bases = READERS[reader].bases()
        with warnings.catch_warnings(), _quiet():
            warnings.simplefilter("ignore")
            for base, files in bases.items():
                write_case(Case(reader, base, ()), bases, self._home / "case")
                try:
                    READERS[reader].read(self._home / "case")
                except InputError:
                    if set(files) != {"text"}:  # names of what is not there are examples, too; others are valid
                        raise

    def judge(self, case: Case) -> Verdict:
        reader, folder = READERS[case.reader], self._home / "case"
        write_case(case, reader.bases(), folder)
        return judge(lambda: reader.read(folder))

    def judge_all(self, cases: Sequence[Case]) -> Iterator[Verdict]:
        return map(self.judge, cases)

    def close(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)


class Sandbox:
    """A child of this process that judges one case after the other, and is replaced when it dies."""

    def __init__(self) -> None:
        self._child: multiprocessing.process.BaseProcess | None = None
        self._here = Here()

    def warm_up(self, reader: str) -> None:
        self._here.warm_up(reader)
        self._stop()  # the next child has it, too

    def judge(self, case: Case) -> Verdict:
        return next(self.judge_all([case]))

    def judge_all(self, cases: Sequence[Case]) -> Iterator[Verdict]:
        """Verdicts on cases in turn. They are sent at once, since two processes that wait for each other at each case
        take several times as long."""
        left = list(cases)
        while left:
            if self._child is None:
                self._start()
            self._pipe.send(left)
            while left:
                found = self._answer()
                yield found or self._lost(READERS[left[0].reader].may_die)
                left.pop(0)
                if found is None:
                    break

    def _answer(self) -> Verdict | None:
        """The next verdict; None if there will be none."""
        assert self._child is not None
        begin, spent = time.monotonic(), _cpu_s(self._child.pid)
        try:
            while not self._pipe.poll(1.0):
                if _cpu_s(self._child.pid) - spent > 2 * SLOW_S * slowness() or time.monotonic() - begin > _WALL_S:
                    return None
            found: Verdict = self._pipe.recv()
            return found
        except (EOFError, OSError):
            return None

    def close(self) -> None:
        self._stop()
        self._here.close()

    def _start(self) -> None:
        self._pipe, theirs = _FORK.Pipe()
        self._child = _FORK.Process(target=_serve, args=(self._pipe, theirs, self._here), daemon=True)
        self._child.start()
        theirs.close()

    def _lost(self, may_die: bool) -> Verdict:
        """The verdict on a case that did not come back."""
        assert self._child is not None
        self._child.join(1.0)
        code = self._child.exitcode
        self._stop()
        if code is None:
            return Verdict("hangs", "the process had to be killed", seconds=_WALL_S)
        if may_die and code < 0:
            return Verdict("", f"killed by signal {-code}", "refused")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Verdict(f"crash ({name})", "the process died")

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._pipe.close()
        self._child = None


def _serve(parents: Connection, pipe: Connection, here: Here) -> None:
    faulthandler.disable()  # pytest's; a crash is told as a finding
    parents.close()  # so that the pipe ends when the parent is killed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with _quiet():
        while True:
            try:
                cases = pipe.recv()
            except EOFError:
                return
            for case in cases:
                pipe.send(here.judge(case))


def _cpu_s(pid: int | None) -> float:
    """Time of the processor that a child has had."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just died
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without standard streams, which libraries in C write to."""
    sys.stdout.flush()
    kept, null = [os.dup(stream) for stream in (0, 1, 2)], os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    try:
        yield
    finally:
        for stream, was in enumerate(kept):
            os.dup2(was, stream)
            os.close(was)
        os.close(null)
