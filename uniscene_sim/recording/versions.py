"""Versions that a run was made with."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from uniscene_sim.errors import one_line

__all__ = ["other_versions", "package_versions", "versions_of_run"]


def package_versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of those packages that are installed, by name."""
    found = {"python": platform.python_version()}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def versions_of_run() -> dict[str, str]:
    """What the bytes of a run may hang on. Torch counts only where an engine has loaded it."""
    found = _here()
    return found if "torch" in sys.modules else {name: one for name, one in found.items() if name != "torch"}


def other_versions(recorded: Mapping[str, str]) -> list[str]:
    """What was of another version when a run was recorded: "numba 0.60.0 (here 0.61.0)"."""
    return [
        f"{name} {one_line(recorded[name], 40)} (here {here})"
        for name, here in _here().items()
        if recorded.get(name, here) != here
    ]


def _here() -> dict[str, str]:
    return {"machine": platform.machine(), **package_versions("uniscene_sim", "numpy", "numba", "torch")}
