"""What comes from strangers, checked before an engine gets it: engines trust their input, kernels most of all."""

from __future__ import annotations

import math
import re

import numpy as np

from uniscene_sim.engine_support.options import split
from uniscene_sim.errors import InputError, shown
from uniscene_sim.grid import GridSpec
from uniscene_sim.limits.bounds import MAP_FRAME_M, RANGE_M
from uniscene_sim.plugins import ENGINES
from uniscene_sim.rig import SensorRig
from uniscene_sim.tile import TILE_M

__all__ = ["check_engine", "check_path", "check_rig", "check_window", "without_paths"]

#: Of a frame while it is made; of a window, whose message is three times as many bytes; of a path.
_MOST_FRAME_GIB, _MOST_VOXELS, _MOST_POINTS, _MOST_TILES = 4, 16_000_000, 100_000, 2000
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\][^\s'\",;:()]*")
_PLAIN_OPTIONS = re.compile(r"[A-Za-z0-9_,.=+-]*")


def check_rig(rig: SensorRig) -> None:
    """Make sure that a frame of a rig leaves the others memory and time.

    Raises:
        InputError: it does not.
    """
    if rig.frame_bytes > _MOST_FRAME_GIB << 30:
        took = f"a frame takes {rig.frame_bytes / 2**30:.1f} GiB while it is made"
        raise InputError(f"{took}, expected at most {_MOST_FRAME_GIB} of a server", field="rig")


def check_window(grid: GridSpec) -> None:
    """Make sure that a window fits into a reply, and is no farther from the ego than sensors may see.

    Raises:
        InputError: it does not.
    """
    if math.prod(grid.shape) > _MOST_VOXELS:
        what = " x ".join(map(str, grid.shape))
        raise InputError(f"expected at most {_MOST_VOXELS:,} voxels of a server, got {what}", field="window_grid")
    if max(map(abs, grid.extent)) > RANGE_M.most:
        raise InputError(f"expected a window within {RANGE_M.most:g} m of the ego", field="window_grid")


def check_path(path: np.ndarray) -> None:
    """Make sure that tiles along a path (R, 2), m, are so many as a drive needs.

    Raises:
        InputError: it is too long.
    """
    if len(path) > _MOST_POINTS or not (np.abs(path) <= MAP_FRAME_M.most).all():
        raise InputError(f"expected up to {_MOST_POINTS:,} points of the map", field="Prepare.path")
    if len(np.unique(path // TILE_M, axis=0)) > _MOST_TILES:
        raise InputError(f"expected a path through at most {_MOST_TILES:,} tiles", field="Prepare.path")


def check_engine(slot: str, text: str) -> None:
    """Make sure that the name of an engine, with options, names no file of this machine.

    Raises:
        InputError: it is no slot, or an option could be a path.
    """
    if slot not in ENGINES:
        raise InputError(f"expected some of {', '.join(ENGINES)}, got {shown(slot)}", field="engines")
    options = split(text)[1] or ""
    if not _PLAIN_OPTIONS.fullmatch(options) or ".." in options:
        raise InputError(f"expected options that are no paths, got {shown(options)}", field=slot)


def without_paths(text: str) -> str:
    """A message without the places of files, which are nobody's business elsewhere."""
    return _PATH.sub("(a file)", text)
