"""OpenDRIVE files as `VectorMap`s. The extraction runs in a child process: a bad file can kill it, never the caller."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from weakref import WeakValueDictionary

from uniscene_sim.errors import InputError
from uniscene_sim.world.map import StaticMap, VectorMap
from uniscene_sim.world.map_file import source_hash
from uniscene_sim.world.painted import PaintedMap
from uniscene_sim.world.painted_file import is_painted

__all__ = ["extract_to", "load_map", "read_opendrive"]


def read_opendrive(path: str | Path, timeout_s: float = 300.0) -> VectorMap:
    """The map of an OpenDRIVE file; InputError where it cannot be read."""
    path = Path(path)
    if not path.is_file():
        raise InputError("no such OpenDRIVE file", file=path)
    with tempfile.TemporaryDirectory(prefix="uniscene-map-") as folder:
        out = Path(folder) / "map.npz"
        command = [sys.executable, "-m", "uniscene_sim.world.opendrive_extract", str(path.resolve()), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=_package_root())
        except subprocess.TimeoutExpired:
            raise InputError(f"extraction took longer than {timeout_s:g} s", file=path) from None
        if done.returncode == 2 and done.stderr.strip():
            raise InputError(done.stderr.strip().splitlines()[-1].removeprefix(f"{path.resolve()}: "), file=path)
        if done.returncode or not out.is_file():
            raise InputError(_why(done.returncode, done.stderr), file=path)
        return VectorMap.load(out)


def extract_to(path: str | Path, out: str | Path) -> VectorMap:
    """Read an OpenDRIVE file and keep the result as `.npz`, bound to the file's content."""
    vector_map = read_opendrive(path)
    vector_map.save(out, source_sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest())
    return vector_map


def load_map(path: str | Path) -> StaticMap:
    """A map from `.npz` or from `.xodr`, or a painted one from `.npz` or a folder; the same one as before while the
    file is the same and the map is still in use.

    A `foo.npz` beside `foo.xodr` is taken where it was made of that content.
    """
    path = Path(path)
    content = _as_of(path)
    found = _loaded.get(content)
    if found is None:
        found = _loaded[content] = _load(path)
    return found


_loaded: WeakValueDictionary[tuple, StaticMap] = WeakValueDictionary()


def _as_of(path: Path) -> tuple:
    """Path, time and size of all files that a map is read from."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path, path.with_suffix(".npz")]
    stats = [(str(file), file.stat()) for file in files if file.is_file()]
    return (str(path.resolve()), *((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


def _load(path: Path) -> StaticMap:
    if path.is_dir() or (path.suffix == ".npz" and is_painted(path)):
        return PaintedMap.load(path)
    if path.suffix == ".npz":
        return VectorMap.load(path)
    beside = path.with_suffix(".npz")
    if path.is_file() and beside.is_file():
        if source_hash(beside) == hashlib.sha256(path.read_bytes()).hexdigest():
            return VectorMap.load(beside)
    return read_opendrive(path)


def _package_root() -> Path:
    return Path(__file__).resolve().parents[2]


def _why(code: int, stderr: str) -> str:
    if "No module named" in stderr:
        missing = stderr.strip().splitlines()[-1].split("No module named")[-1].strip()
        return f"reading OpenDRIVE needs {missing} (install uniscene_sim[maps]), or give the map as .npz"
    if code < 0:
        return f"carla cannot read this OpenDRIVE file (its reader was killed by signal {-code})"
    last = stderr.strip().splitlines()
    return f"carla cannot read this OpenDRIVE file ({last[-1] if last else f'exit code {code}'})"
