"""The raster that somebody painted, and what follows from its cells alone."""

from __future__ import annotations

import difflib

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import LAYOUT_CHANNELS

__all__ = ["COARSEST_M", "FINEST_M", "PAINTABLE", "check_channel", "check_size"]

_STATIC = LAYOUT_CHANNELS[: LAYOUT_CHANNELS.index("car")]


#: Channels that a map may have. The last two are of no default schema, but a model may ask for them.
PAINTABLE: tuple[str, ...] = (*_STATIC, "building", "vegetation")


_MARKINGS = ("ped_crossing", "stop_line", "road_divider", "lane_divider")


FINEST_M, COARSEST_M = 0.05, 2.0  # cells


_MOST_CELLS = 1 << 24


_FARTHEST_M = 1e6


_ROAD_STEP_M = 4.0


def check_size(*shape: int) -> None:
    """InputError where a raster (X, Y) is empty or too large."""
    if min(shape) < 1 or int(np.prod(shape, dtype=np.float64)) > _MOST_CELLS:
        raise InputError(f"expected 1 to {_MOST_CELLS:,} cells, got {' x '.join(map(str, shape))}", field="raster")


def check_channel(name: str) -> None:
    """InputError where nobody may paint such a channel."""
    if name in PAINTABLE:
        return
    if name in LAYOUT_CHANNELS:
        raise InputError(f"{name!r}: agents and props go into the scenario, under `agents`", field="channels")
    close = difflib.get_close_matches(name, PAINTABLE, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise InputError(f"unknown channel {name!r}{hint}; expected some of {', '.join(PAINTABLE)}", field="channels")
