"""What travels to a bare machine with a GPU beside the tracked files, and what is expected to be there."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DATA", "LEFT_OUT", "MOST_BYTES", "MOST_PACK_BYTES", "ON_THE_MACHINE", "PACK", "ROOT", "WHEELS", "pins"]

ROOT = Path(__file__).parents[2]
#: Ignored by git: wheels, and windows to train on.
PACK = ROOT / "gpu-pack"
DATA = PACK / "data"
#: Of what git tracks and the pack together, and of the pack alone.
MOST_BYTES, MOST_PACK_BYTES = 64 * 2**20, 24 * 2**20

#: Fetched as wheels for CPython 3.12 on Linux, x86-64, without what they need in turn.
WHEELS = ("jsonschema", "jsonschema-specifications", "referencing", "rpds-py", "protobuf", "pytest-rerunfailures",
          "gsplat", "diffusers", "importlib-metadata")  # fmt: skip
#: What comes with Python 3.12, CUDA, torch and numba on machines that are lent.
ON_THE_MACHINE = ("attrs", "hypothesis", "jaxtyping", "lxml", "ninja", "numba", "numba-cuda", "numpy", "pillow",
                  "pytest", "pyyaml", "rich", "safetensors", "scipy", "setuptools", "torch", "tqdm",
                  "zipp")  # fmt: skip
#: What stays behind, and why.
LEFT_OUT = {
    "av": "34 MiB; nothing that runs there writes pictures or films",
    "mcap": "nothing that runs there records",
    "mcap-protobuf-support": "as mcap",
    "foxglove-schemas-protobuf": "as mcap",
    "spconv": "its build for CUDA is a wheel of 67 MiB and needs cumm, of 26 MiB: the test of `sparse-sdf` is skipped",
}


def pins() -> dict[str, str]:
    """Versions of `constraints.txt` by package."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
