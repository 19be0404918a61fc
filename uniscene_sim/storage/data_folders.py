"""Where scenarios, maps and models are found: an environment variable, the checkout, the installed share folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from uniscene_sim.errors import InputError
from uniscene_sim.storage.input_file import is_folder

__all__ = ["data_dir", "scenario_names"]

_CHECKOUT = Path(__file__).resolve().parents[2]
#: The prefix of lib/pythonX.Y/site-packages/uniscene_sim, which need not be Python's own (colcon), and Python's own.
_PREFIXES = (*Path(__file__).resolve().parents[5:6], Path(sys.prefix))


def data_dir(name: str) -> Path:
    """Folder `name` ("scenarios" or "models").

    Raises:
        InputError: there is none; the message lists the places that were tried.
    """
    tried = []
    if root := os.environ.get("UNISCENE_SIM_DATA"):
        tried.append(Path(root) / name)
    else:
        tried += [_CHECKOUT / name, *(prefix / "share" / "uniscene_sim" / name for prefix in dict.fromkeys(_PREFIXES))]
    for folder in tried:
        if is_folder(folder):
            return folder
    field = "UNISCENE_SIM_DATA" if root else None
    raise InputError(f"data folder {name!r} not found, looked in {', '.join(map(str, tried))}", field=field)


def scenario_names() -> list[str]:
    """Names of the scenarios in the library, sorted."""
    return sorted(path.stem for path in data_dir("scenarios").glob("*.yaml"))
