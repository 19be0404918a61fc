"""What is compiled is told once: by one process of several, and not where everything is in the cache."""

import os
import subprocess
import sys

SCRIPT = """
import numpy as np
from uniscene_sim.compute.compile_bar import tells_compiling
from uniscene_sim.compute.compiled import njit

@njit(cache=True)
def twice(x):
    return 2 * x

@tells_compiling
def reset():
    assert twice(21) == 42

reset()
reset()
input()  # as long as an environment would live
"""


def test_compiling_is_told_once_and_not_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    os.environ["NUMBA_CACHE_DIR"], before = str(tmp_path / "cache"), os.environ.get("NUMBA_CACHE_DIR")
    try:
        told = [_stderr_of([script] * 2), _stderr_of([script])]
    finally:
        del os.environ["NUMBA_CACHE_DIR"]
        os.environ |= {} if before is None else {"NUMBA_CACHE_DIR": before}
    assert told[0].count("compiling kernels for this processor") == 1 and str(tmp_path / "cache") in told[0]
    assert told[1] == ""


def _stderr_of(scripts):
    """What scripts that run at once say on stderr."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, script], **pipes) for script in scripts]
    for one in running:
        one.stdin.write("\n")
    said = "".join(one.communicate(timeout=120)[1] for one in running)
    assert not any(one.returncode for one in running), said
    return said
