"""`make gpu`: all that a GPU is needed for, on a bare machine, within nine minutes.

Needs Python 3.12, CUDA with nvcc, torch and numba-cuda, and nothing to download: `gpu-pack/`, which `make gpu-pack`
fetches elsewhere (tests/gpu/contents.py names it all), travels with the working tree, 64 MiB in all. A step that fails
or takes too long does not stop the next. Results come into $OUT (default: out/gpu), begun anew: summary.json, log.txt,
bench.json, and the trained flow with its config and log. Without a CUDA device tests are skipped, `bench` refuses, and
training takes two steps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.gpu.contents import DATA, PACK, ROOT

__all__ = ["STEPS", "Step", "StepResult", "main", "run_step"]

SECONDS = 520.0  # for all; what is left to nine minutes is for writing results
_WORK = ROOT / "out" / "gpu-work"
_SITE = _WORK / "site"


@dataclass(frozen=True)
class Step:
    """A command and the longest that it may take, s; 0: what is left.

    Attributes:
        command: function of the folder of results and the seconds that it has, to the words of the command.
    """

    name: str
    seconds: float
    command: Callable[[Path, float], Sequence[str | Path]]


@dataclass(frozen=True)
class StepResult:
    """How a step ended: exit code (None: it took too long), duration in s, and the last lines that it printed."""

    name: str
    code: int | None
    seconds: float
    tail: tuple[str, ...] = field(default=())


def _install(out: Path, seconds: float) -> Sequence[str | Path]:
    # Not a virtual environment: torch may lie in one itself, which another one does not see.
    pip = f"{sys.executable} -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target {_SITE}"
    names = f"{sys.executable} -c 'from setuptools import setup; setup()' --quiet egg_info --egg-base {_SITE}"
    return "sh", "-c", f"mkdir -p {_SITE} && {pip} {PACK}/wheels/*.whl; {names} && (nvidia-smi -L || true)"


def _build_gsplat(out: Path, seconds: float) -> Sequence[str | Path]:
    # torch compiles it for the cards that it sees alone.
    build = "import gsplat.cuda._backend as backend; assert backend._C is not None" if _has_cuda() else ""
    return sys.executable, "-c", build


def _tests(out: Path, seconds: float) -> Sequence[str | Path]:
    # Others may import what is not there.
    marked = [file for file in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in file.read_text()]
    return sys.executable, "-m", "pytest", "-m", "gpu", "-rA", "-p", "no:cacheprovider", "-q", *marked


def _bench(out: Path, seconds: float) -> Sequence[str | Path]:
    return sys.executable, "-m", "uniscene_sim.cli", "bench", "device", "--json", out / "bench.json"


def _train(out: Path, seconds: float) -> Sequence[str | Path]:
    few = () if _has_cuda() else ("--steps", "2")
    return (sys.executable, "-m", "tests.gpu.train", "--data", DATA, "--work", _WORK / "training", "--out", out,
            "--seconds", str(round(seconds)), *few)  # fmt: skip


#: In this order. Tests of the splatter against gsplat bear the mark `gpu`; what times the two belongs before `train`.
STEPS = (
    Step("install", 60.0, _install),
    Step("build gsplat", 150.0, _build_gsplat),
    Step("gpu tests", 150.0, _tests),
    Step("bench", 90.0, _bench),
    Step("train", 0.0, _train),
)


def _has_cuda() -> bool:
    return shutil.which("nvidia-smi") is not None


def run_step(step: Step, out: Path, seconds: float) -> StepResult:
    """Run a step for some seconds at most; what it prints is shown and added to `log.txt`."""
    words = [str(word) for word in step.command(out, seconds)]
    paths = [str(_SITE), str(ROOT), str(ROOT / "bridges"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1",
               "TORCH_EXTENSIONS_DIR": str(_WORK / "extensions")}  # fmt: skip
    begun, lines = time.monotonic(), []
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with (
        (out / "log.txt").open("a") as log,
        subprocess.Popen(words, cwd=ROOT, env=environ, start_new_session=True, **options) as child,
    ):
        late = threading.Timer(seconds, os.killpg, (child.pid, signal.SIGKILL))
        late.start()
        try:
            for line in child.stdout:
                print(line, end="", flush=True)
                log.write(line)
                lines.append(line.rstrip())
            code: int | None = child.wait()
        finally:
            late.cancel()
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    took = time.monotonic() - begun
    return StepResult(step.name, None if took >= seconds else code, round(took, 1), tuple(lines[-15:]))


def main(seconds: float = SECONDS) -> int:
    begun = time.monotonic()
    out = Path(os.environ.get("OUT") or ROOT / "out" / "gpu").resolve()
    shutil.rmtree(_WORK, ignore_errors=True)
    for folder in (out, _WORK):
        folder.mkdir(parents=True, exist_ok=True)
    (out / "log.txt").unlink(missing_ok=True)
    results: list[StepResult] = []
    for step in STEPS:
        left = seconds - (time.monotonic() - begun)
        print(f"--- {step.name}, {left:.0f} s left", flush=True)
        if left < 5.0:
            results.append(StepResult(step.name, None, 0.0, ("no time was left",)))
        else:
            try:
                results.append(run_step(step, out, min(step.seconds or left, left)))
            except OSError as error:
                results.append(StepResult(step.name, 127, 0.0, (str(error),)))
        summary = {"cuda": _has_cuda(), "seconds": round(time.monotonic() - begun, 1), "steps": [*map(asdict, results)]}
        (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    for result in results:
        print(f"{result.name}: {'took too long' if result.code is None else result.code}, {result.seconds} s")
    return int(any(result.code != 0 for result in results))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 and re.fullmatch(r"[\d.]+", sys.argv[1]) else SECONDS))
