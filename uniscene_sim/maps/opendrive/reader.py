"""OpenDRIVE files as `VectorMap`s. A child process reads them: a bad file may kill it, never the caller."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from uniscene_sim.errors import InputError
from uniscene_sim.maps.opendrive.losses import warn_of_losses
from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["read_opendrive"]


def read_opendrive(path: str | Path, timeout_s: float = 300.0) -> VectorMap:
    """The map of an OpenDRIVE file, with an InputWarning for each kind of loss; InputError if it cannot be read within
    `timeout_s`."""
    path = Path(path)
    if not path.is_file():
        raise InputError("no such OpenDRIVE file", file=path)
    with tempfile.TemporaryDirectory(prefix="uniscene-map-") as folder:
        out = Path(folder) / "map.npz"
        command = [sys.executable, "-m", "uniscene_sim.maps.opendrive.extract", str(path.resolve()), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=_package_root())
        except subprocess.TimeoutExpired:
            raise InputError(f"extraction took longer than {timeout_s:g} s", file=path) from None
        if done.returncode == 2 and done.stderr.strip():
            raise InputError(done.stderr.strip().splitlines()[-1].removeprefix(f"{path.resolve()}: "), file=path)
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
