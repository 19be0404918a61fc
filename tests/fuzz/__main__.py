"""`python -m tests.fuzz`: see `--help`. Exit code 1 if there are findings."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # the process forks
os.environ["NUMBA_THREADING_LAYER"] = "workqueue"  # GNU's OpenMP ends what forks after it

from tests.fuzz import guided  # noqa: E402 - reads the above
from tests.fuzz.fuzzer import Fuzzer  # noqa: E402 - reads the above
from tests.fuzz.readers import READERS  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, help="for all readers together (default: 60, if no more is asked)")
    parser.add_argument("--guided", type=float, default=0.0, help="seconds with Atheris, after these (default: 0)")
    parser.add_argument("--cases", type=int, help="of each reader, however long that takes")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    parser.add_argument("--reader", action="append", choices=tuple(READERS), help="only this one; may be repeated")
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="folder of findings (default: out/fuzz)")
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FOLDER", help="judge kept cases again")
    given = parser.parse_args()
    fuzzer = Fuzzer(given.reader or list(READERS), given.keep, given.seed)
    try:
        if given.replay:
            fuzzer.replay(given.replay)
        if given.cases:
            fuzzer.run_cases(given.cases)
        if given.seconds is None and not given.replay and not given.cases:
            given.seconds = 60.0
        if given.seconds:
            fuzzer.run_seconds(given.seconds)
        if given.guided and guided.ABSENT:
            print(f"guided: skipped, {guided.ABSENT}")
        elif given.guided:
            guided.run_guided(fuzzer, given.guided, given.seed, given.keep)
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        fuzzer.close()
    print(fuzzer.table())
    return 1 if fuzzer.findings else 0


if __name__ == "__main__":
    sys.exit(main())
