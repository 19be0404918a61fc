"""Runs of the library give the digests that are kept here: on this machine, and under an older instruction set."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.golden import make

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "digests.json").read_text())
#: What libraries reckon with other instructions: sines, exponentials and a product of matrices.
PROBE = """
import hashlib, math
import numpy as np
x = np.random.default_rng(0).uniform(0, 9, 40_000)
for values in ([math.sin(v) for v in x], np.exp(x), x.reshape(200, 200) @ x.reshape(200, 200)):
    print(hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest())
"""


def old_machine() -> dict[str, str]:
    """The environment of a process that takes this machine for one of 2009: no AVX, no fused multiply-add."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    gone = ("AVX", "AVX2", "AVX2_Usable", "FMA", "FMA_Usable", "FMA4", "AVX512F", "AVX512VL")
    return {
        **os.environ,
        "NPY_DISABLE_CPU_FEATURES": " ".join(simd.get("found", [])),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "OPENBLAS_CORETYPE": "Nehalem",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in gone),
    }


def _python(*words: str, **options: object) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=900, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_scenario_is_there() -> None:
    assert sorted(GOLDEN) == make.scenarios()


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_digests_are_golden(name: str) -> None:
    assert make.digests(make.run(name)) == GOLDEN[name]


needs_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="instruction sets of x86-64")


@needs_x86
def test_the_old_machine_reckons_otherwise() -> None:
    """Else the next test would say nothing."""
    if not np.show_config(mode="dicts")["SIMD Extensions"].get("found"):
        pytest.skip("this machine is as old itself")
    here, there = _python("-c", PROBE).split(), _python("-c", PROBE, env=old_machine()).split()
    assert len(here) == 3 and all(a != b for a, b in zip(here, there, strict=True))


@needs_x86
@pytest.mark.slow
def test_digests_are_golden_on_an_old_machine(tmp_path: Path) -> None:
    """All scenarios in one process, for its kernels are compiled when it first runs. Its sensors get the layouts that
    this machine has recorded, and its own worlds must give the same: so every recording replays there."""
    for name in GOLDEN:
        make.record(name, tmp_path)
    asked = "--out", str(tmp_path / "digests.json"), "--replay", str(tmp_path)
    _python(str(HERE / "make.py"), *asked, env=old_machine())
    assert json.loads((tmp_path / "digests.json").read_text()) == GOLDEN
