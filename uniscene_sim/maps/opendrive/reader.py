"""OpenDRIVE files as `VectorMap`s. A child process reads them: a bad file may kill it, never the caller."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from uniscene_sim.compute.processes import run_child
from uniscene_sim.errors import InputError
from uniscene_sim.maps.losses import warn_of_losses
from uniscene_sim.maps.opendrive.extract import SAYS
from uniscene_sim.maps.opendrive.road_xml import MOST_XODR
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.input_file import require_regular
from uniscene_sim.storage.output_file import scratch_folder

__all__ = ["read_opendrive"]


def read_opendrive(path: str | Path, timeout_s: float = 300.0) -> VectorMap:
    """The map of an OpenDRIVE file, with an InputWarning for each kind of loss; InputError if it cannot be read within
    `timeout_s`."""
    path = require_regular(path, MOST_XODR, "an OpenDRIVE file")
    with scratch_folder() as folder:
        out = folder / "map.npz"
        command = [sys.executable, "-m", "uniscene_sim.maps.opendrive.extract", str(path.resolve()), str(out)]
        try:
            done = run_child(command, timeout_s, stderr=subprocess.PIPE, cwd=_package_root())
        except subprocess.TimeoutExpired:
            raise InputError(f"extraction took longer than {timeout_s:g} s", file=path) from None
        told = [line for line in done.stderr.splitlines() if line.startswith(SAYS)]
        if done.returncode == 2 and told:
            raise InputError(**json.loads(told[-1].removeprefix(SAYS)), file=path)
        if done.returncode or not out.is_file():
            raise InputError(_why(done.returncode, done.stderr), file=path)
        found = VectorMap.load(out)
    warn_of_losses(found.losses, path)
    return found


def _package_root() -> Path:
    return Path(__file__).resolve().parents[3]


def _why(code: int, stderr: str) -> str:
    if "No module named" in stderr:
        missing = stderr.strip().splitlines()[-1].split("No module named")[-1].strip()
        return f"reading OpenDRIVE needs {missing} (install uniscene_sim[maps]), or give the map as .npz"
    if code < 0:
        return f"carla cannot read this OpenDRIVE file (its reader was killed by signal {-code})"
    last = stderr.strip().splitlines()
    return f"carla cannot read this OpenDRIVE file ({last[-1] if last else f'exit code {code}'})"
