"""`make gpu-pack`: fetch into `gpu-pack/` what a bare machine with a GPU lacks, and make windows to train on.

python -m tests.gpu.pack                  wheels, and windows of seeded towns as long as there is room
python -m tests.gpu.pack --data FOLDER    windows that `uniscene-sim train data` has made already
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.gpu.contents import DATA, MOST_BYTES, MOST_PACK_BYTES, PACK, ROOT, WHEELS, pins
from uniscene_sim.datasets.drives import SPLITS, make_data
from uniscene_sim.storage.input_file import files_in

__all__ = ["main"]

_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
_VALIDATION_TOWNS, _WINDOWS = 1, 12
_SPARE_BYTES = 2**20  # of both limits, for what is written since


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="with `train` and `validation`")
    parser.add_argument("--towns", type=int, default=40, help="at most, of those that are made (default: 40)")
    asked = parser.parse_args(arguments)
    _fetch_wheels(PACK / "wheels")
    shutil.rmtree(DATA, ignore_errors=True)
    for file in _windows(asked.data, asked.towns):
        if _size(PACK) + _SPARE_BYTES > MOST_PACK_BYTES or _size(PACK) + _tracked() + _SPARE_BYTES > MOST_BYTES:
            file.unlink()
            break
    towns = {split: len(files_in(DATA / split, "*.npz")) for split in ("train", "validation")}
    print(f"gpu-pack: {_size(PACK) / 2**20:.1f} MiB, with what git tracks {(_size(PACK) + _tracked()) / 2**20:.1f} MiB")
    print(f"towns: {towns['train']} to train on, {towns['validation']} to check with")
    if not all(towns.values()):
        sys.exit("there is no room for windows to train on")


def _fetch_wheels(folder: Path) -> None:
    """Download wheels anew, of the versions in `constraints.txt` where it has one."""
    shutil.rmtree(folder, ignore_errors=True)
    versions = pins()
    wanted = [f"{name}=={versions[name]}" if name in versions else name for name in WHEELS]
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms,
         "--python-version", "3.12", "--implementation", "cp", "--dest", str(folder), *wanted], check=True
    )  # fmt: skip


def _windows(given: Path | None, towns: int) -> Iterator[Path]:
    """Files of windows in `DATA`, those to check with first, as they come there."""
    for split, count in (("validation", _VALIDATION_TOWNS), ("train", towns)):
        first = SPLITS[split].start
        files = [] if given is None else files_in(given / split, "*.npz")[:count]
        for n in range(count if given is None else len(files)):
            if given is None:
                make_data(DATA, split, [first + n], _WINDOWS)
                yield DATA / split / f"town_{first + n}.npz"
            else:
                (DATA / split).mkdir(parents=True, exist_ok=True)
                yield Path(shutil.copy(files[n], DATA / split))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _tracked() -> int:
    """Bytes of the files that git tracks."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    files = [ROOT / name.decode() for name in names if name]
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main()
