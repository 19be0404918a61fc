"""Atheris: raw bytes, led by which lines of the readers they reach. In a process of its own, since libFuzzer ends it.

`python -m tests.fuzz.guided SECONDS SEED KEEP READER...` is that process.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fuzz.case import Case
    from tests.fuzz.fuzzer import Fuzzer

__all__ = ["ABSENT", "run_guided"]

#: Why nothing is guided here, empty if it can be.
ABSENT = "" if find_spec("atheris") else "atheris is not installed: it is in the extra dev, for Linux on x86-64 alone"
#: Readers without kernels, whose lines are counted.
_LED_BY = (
    "uniscene_sim.storage", "uniscene_sim.scenario_files", "uniscene_sim.rigs", "uniscene_sim.engine_support.options",
    "uniscene_sim.plugins", "uniscene_sim.maps.painted.files", "uniscene_sim.maps.painted.cells",
    "uniscene_sim.maps.vector.npz_file", "uniscene_sim.zoo.models", "uniscene_sim.training.recipe_file",
    "uniscene_sim.control", "uniscene_sim.env.actions", "uniscene_sim.wire.by_name", "uniscene_sim.wire.messages",
)  # fmt: skip
_LONGEST, _HANGS_S, _RESULT = 1 << 15, 8, "guided.pickle"


def run_guided(fuzzer: Fuzzer, seconds: float, seed: int, keep: Path) -> None:
    """Run the process, again after each crash and hang, until the time is over; what came of it goes into `fuzzer`."""
    end = time.monotonic() + seconds
    readers = [name for name in fuzzer.tallies if fuzzer.guides(name)]
    while readers and (left := end - time.monotonic()) > 0:
        with tempfile.TemporaryDirectory(prefix="uniscene-fuzz-") as folder:
            words = [str(left), str(seed), str(keep), folder, *readers]
            command = [sys.executable, "-m", "tests.fuzz.guided", *words]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            result = Path(folder, _RESULT)
            if result.is_file():
                fuzzer.add(*pickle.loads(result.read_bytes()))
            lost = [path for path in Path(folder).iterdir() if path.name.startswith(("crash-", "timeout-", "oom-"))]
            for path in lost:
                fuzzer.judge(_case(_targets(readers), path.read_bytes()))
            if not lost and done.returncode:
                raise RuntimeError(f"the guided process ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
        seed += 1


def _targets(readers: list[str]) -> list[tuple[str, str, str]]:
    """Reader, example and file of all that bytes may replace."""
    from tests.fuzz.readers import READERS

    return [(reader, base, name) for reader in readers for base, files in READERS[reader].bases().items()
            for name, body in files.items() if len(body) < _LONGEST]  # fmt: skip


def _case(targets: list[tuple[str, str, str]], data: bytes) -> Case:
    """The first two bytes say which file the others are."""
    from tests.fuzz.case import Case

    reader, base, name = targets[int.from_bytes(data[:2], "big") % len(targets)]
    return Case(reader, base, ((name, data[2:]),))


def _main(seconds: float, seed: int, keep: Path, folder: Path, readers: list[str]) -> None:
    import atheris

    package = Path(next(iter(find_spec("uniscene_sim").submodule_search_locations or ())))  # type: ignore[union-attr]
    modules = [".".join(p.relative_to(package.parent).with_suffix("").parts) for p in package.rglob("*.py")]
    others = [name.removesuffix(".__init__") for name in modules if not name.startswith(_LED_BY)]
    with atheris.instrument_imports(["uniscene_sim"], others, enable_loader_override=False):
        from tests.fuzz.fuzzer import Fuzzer
        from tests.fuzz.machine import slowness
        from tests.fuzz.readers import READERS
        from tests.fuzz.sandbox import Here
    fuzzer, end, targets = Fuzzer(readers, keep, seed, Here()), time.monotonic() + seconds, _targets(readers)
    seeds, corpus = folder / "seeds", keep / "corpus"
    for path in (seeds, corpus):
        path.mkdir(parents=True, exist_ok=True)
    for number, (reader, base, name) in enumerate(targets):
        (seeds / str(number)).write_bytes(number.to_bytes(2, "big") + READERS[reader].bases()[base][name])

    def one(data: bytes) -> None:
        if len(data) >= 2:
            fuzzer.judge(_case(targets, data))
        over = time.monotonic() > end
        if over or sum(tally.cases for tally in fuzzer.tallies.values()) % 100 == 0:
            (folder / _RESULT).write_bytes(pickle.dumps((fuzzer.tallies, fuzzer.findings)))
        if over:
            os._exit(0)

    options = (f"-seed={seed + 1}", f"-timeout={_HANGS_S * slowness():.0f}", "-rss_limit_mb=0", f"-max_len={_LONGEST}")
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/", str(corpus), str(seeds)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    given: list[Any] = sys.argv[1:]
    _main(float(given[0]), int(given[1]), Path(given[2]), Path(given[3]), given[4:])
