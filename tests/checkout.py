"""The checkout, to build packages from without writing into it."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy_of_the_checkout(target: Path) -> None:
    """Copy what is kept in the repository, not what was built."""
    ignored = shutil.ignore_patterns(".*", "out", "build", "dist", "install", "log", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, target, ignore=ignored)
