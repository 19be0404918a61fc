"""Where scenarios, maps and models lie: an environment variable, then the checkout, then the installed share folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from uniscene_sim.errors import InputError

__all__ = ["data_dir", "scenario_names"]

_CHECKOUT = Path(__file__).resolve().parents[2]
#: Where lib/pythonX.Y/site-packages/uniscene_sim lies, which need not be where Python does (colcon), and Python's own.
_PREFIXES = (*Path(__file__).resolve().parents[5:6], Path(sys.prefix))


def data_dir(name: str) -> Path:
    """Folder `name` ("scenarios" or "models").

    Raises:
        InputError: it is nowhere; the message lists the places that were tried.
    """
    tried = []
    if root := os.environ.get("UNISCENE_SIM_DATA"):
        tried.append(Path(root) / name)
    else:
        tried += [_CHECKOUT / name, *(prefix / "share" / "uniscene_sim" / name for prefix in dict.fromkeys(_PREFIXES))]
    for folder in tried:
        if folder.is_dir():
            return folder
    raise InputError(f"data folder {name!r} not found, looked in {', '.join(map(str, tried))}")


def scenario_names() -> list[str]:
    """What is in the library of scenarios, sorted."""
    return sorted(path.stem for path in data_dir("scenarios").glob("*.yaml"))
