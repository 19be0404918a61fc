"""The fuzzer: draws cases of each reader, judges them in a sandbox, keeps and counts what it finds."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from tests.fuzz.case import Case, load_case, save_case
from tests.fuzz.formats import edited_file
from tests.fuzz.machine import slowness
from tests.fuzz.oracle import SLOW, Verdict
from tests.fuzz.readers import READERS
from tests.fuzz.sandbox import Here, Sandbox

__all__ = ["Fuzzer", "Tally"]

_BATCH, _TOLD_S = 25, 60.0  # cases between two looks at the clock; time between two lines of progress


@dataclass
class Tally:
    """What came of the cases of a reader."""

    cases: int = 0
    read: int = 0
    slowest_s: float = 0.0
    peak_bytes: int = 0
    spent_s: float = 0.0
    skipped: str = ""
    found: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        self.cases += 1
        self.read += verdict.outcome == "read"
        self.slowest_s = max(self.slowest_s, verdict.seconds)
        self.peak_bytes = max(self.peak_bytes, verdict.peak_bytes)
        if verdict.finding:
            self.found[verdict.finding] += 1

    def merge(self, other: Tally) -> None:
        self.cases, self.read, self.found = self.cases + other.cases, self.read + other.read, self.found + other.found
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


@st.composite
def _cases(draw: Any, reader: str) -> Case:
    bases = READERS[reader].bases()
    base = draw(st.sampled_from(list(bases)))
    most = draw(st.sampled_from((1, 1, 1, 2)))
    names = draw(st.lists(st.sampled_from(list(bases[base])), min_size=1, max_size=most, unique=True))
    return Case(reader, base, tuple((name, edited_file(draw, name, bases[base][name])) for name in names))


class Fuzzer:
    """Fuzzes readers.

    Args:
        readers: their names.
        keep: folder that failing cases are saved in.
        seed: of what is drawn.
        judges: where cases are judged; None for a sandbox.

    Attributes:
        findings: kept cases by reader and finding, the smallest of each.
    """

    def __init__(self, readers: Sequence[str], keep: Path, seed: int, judges: Sandbox | Here | None = None):
        self.tallies = {name: Tally(skipped=READERS[name].lacks()) for name in readers}
        self.findings: dict[tuple[str, str], Path] = {}
        self._keep, self._seed, self._judges = keep, seed, judges or Sandbox()
        self._sizes: dict[tuple[str, str], int] = {}
        self._round = 0
        machine = f"this machine counts as {slowness():.2f} times as slow as that of the bounds"
        print(f"seed {seed}; findings are kept in {keep}; {machine}", flush=True)
        self._ready: set[str] = set()
        self._told_at = time.monotonic()

    def judge(self, *cases: Case) -> list[Verdict]:
        """Judge cases, count them, and keep those that are findings and new or smaller than others like them."""
        for case in cases:
            self._warm_up(case.reader)
        first = list(self._judges.judge_all(cases))
        verdicts = [self._again(*judged) for judged in zip(cases, first, strict=True)]
        for case, verdict in zip(cases, verdicts, strict=True):
            self._note(case, verdict)
        return verdicts

    def _again(self, case: Case, verdict: Verdict) -> Verdict:
        """What takes long is judged three times: what hangs does so again, and a machine that was held up does not."""
        for _ in range(2):
            if verdict.finding.startswith(SLOW):
                verdict = self._judges.judge(case)
        return verdict

    def _note(self, case: Case, verdict: Verdict) -> None:
        self.tallies[case.reader].add(verdict)
        key, size = (case.reader, verdict.finding), sum(len(body) for _, body in case.files)
        if verdict.finding and size < self._sizes.get(key, sys.maxsize):
            where = save_case(case, self._keep)
            (self._keep / "details").mkdir(exist_ok=True)
            (self._keep / "details" / f"{case.reader}~{case.key}.txt").write_text(
                f"{verdict.finding}\n{verdict.detail}\n", errors="backslashreplace"
            )
            if key not in self.findings:
                self._tell(key, where)
            self.findings[key], self._sizes[key] = where, size
        if time.monotonic() > self._told_at + _TOLD_S:
            self._told_at = time.monotonic()
            cases = sum(tally.cases for tally in self.tallies.values())
            print(f"{cases} cases, {len(self.findings)} findings, now {case.reader}", flush=True)

    @staticmethod
    def _tell(key: tuple[str, str], where: Path) -> None:
        words = shlex.join(["python", "-m", "tests.fuzz", "--replay", str(where)])
        print(f"{': '.join(key)}\n    {words}", flush=True)

    def run_cases(self, count: int) -> None:
        """So many cases of each reader; fewer of one whose share is small."""
        for name in self._present():
            share = min(READERS[name].share, 1.0)
            while self.tallies[name].cases < count * share:
                self._batch(name)
            print(self.line(name), flush=True)

    def run_seconds(self, seconds: float) -> None:
        """Cases of all readers in turn, each for its share of the time."""
        ready = self._present()
        for name in ready:
            self._warm_up(name)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name = min(ready, key=lambda n: self.tallies[n].spent_s / READERS[n].share)
            self._batch(name)

    def replay(self, folders: Iterable[Path]) -> None:
        """Judge kept cases, or all in folders of them, again."""
        for folder in folders:
            cases = [folder] if "~" in folder.name else sorted(p for p in folder.rglob("*~*") if p.is_dir())
            for path in cases:
                case = load_case(path)
                if case.reader in self.tallies and not self.tallies[case.reader].skipped:
                    (verdict,) = self.judge(case)
                    print(f"{path}: {verdict.finding or verdict.outcome}\n{verdict.detail}", flush=True)

    def guides(self, name: str) -> bool:
        """Whether Atheris may run a reader."""
        return READERS[name].guided and not self.tallies[name].skipped

    def add(self, tallies: dict[str, Tally], findings: dict[tuple[str, str], Path]) -> None:
        """Count what another fuzzer found."""
        for name, tally in tallies.items():
            self.tallies[name].merge(tally)
        for key, where in findings.items():
            if self.findings.setdefault(key, where) is where:
                self._tell(key, where)

    def close(self) -> None:
        self._judges.close()

    def table(self) -> str:
        """A line for each reader."""
        head = f"{'reader':16} {'cases':>7} {'read':>6} {'findings':>8} {'slowest':>9} {'peak':>9}"
        lines = [self.line(name) for name, tally in self.tallies.items() if tally.cases or tally.skipped]
        return "\n".join([head, *lines])

    def line(self, name: str) -> str:
        tally = self.tallies[name]
        if tally.skipped:
            return f"{name:16} skipped, needs {tally.skipped}"
        return (f"{name:16} {tally.cases:7} {tally.read:6} {len(tally.found):8} {tally.slowest_s:7.2f} s "
                f"{tally.peak_bytes / 2**20:5.0f} MiB")  # fmt: skip

    def _warm_up(self, name: str) -> None:
        if name not in self._ready:
            self._ready.add(name)
            self._judges.warm_up(name)

    def _present(self) -> list[str]:
        return [name for name, tally in self.tallies.items() if not tally.skipped]

    def _batch(self, name: str) -> None:
        begin, self._round = time.monotonic(), self._round + 1

        @hypothesis.seed(self._seed * 1_000_003 + self._round)
        @hypothesis.settings(max_examples=_BATCH, deadline=None, database=None, derandomize=False,
                             phases=(Phase.generate,), suppress_health_check=list(HealthCheck))  # fmt: skip
        @hypothesis.given(_cases(name))
        def draw(case: Case) -> None:
            cases.append(case)

        cases: list[Case] = []
        draw()
        # Hypothesis begins with the simplest case every time: a reader that gets few takes the last ones.
        few = max(round(_BATCH * min(READERS[name].share, 1.0)), 1)
        self.judge(*cases[-few:])
        self.tallies[name].spent_s += time.monotonic() - begin
