"""The semantic prior of a nuScenes log: a mask of where one may drive or walk, 0.1 m a pixel, north up.

nuScenes' coordinates begin at the mask's lower left corner, so the mask says where the global frame is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from uniscene_sim.layout import LayoutSchema
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["MapMask", "map_mask"]

_PIXEL_M = 0.1
_MARGIN_M = 100.0
_GROUND = LayoutSchema(("drivable_area", "ped_crossing", "walkway", "carpark_area"))
_BLOCK = 1000  # pixels along each side that are drawn at once


@dataclass(frozen=True)
class MapMask:
    """A mask and the place, m, in the map frame of its lower left corner."""

    picture: Image.Image
    origin: tuple[float, float]


def map_mask(static_map: StaticMap, path: np.ndarray) -> MapMask:
    """The mask of what lies within 100 m of the box around a path (R, 3), m.

    Raises:
        InputError: it does not fit into memory.
    """
    low = np.floor(path[:, :2].min(axis=0) - _MARGIN_M)
    width, height = np.ceil((path[:, :2].max(axis=0) + _MARGIN_M - low) / _PIXEL_M).astype(int).tolist()
    require_memory(3 * width * height, f"a map of {width} x {height} pixels", field="simulator")
    mask = np.zeros((height, width), np.uint8)
    for left in range(0, width, _BLOCK):
        for bottom in range(0, height, _BLOCK):
            shape = min(_BLOCK, width - left), min(_BLOCK, height - bottom)
            centre = low + _PIXEL_M * (np.array([left, bottom]) + 0.5 * np.array(shape))
            bev = static_map.rasterise((float(centre[0]), float(centre[1]), 0.0), shape, _PIXEL_M, None, _GROUND)
            ground: np.ndarray = (bev.data.max(axis=0) > 0).T[::-1]
            top = height - bottom - shape[1]
            mask[top : top + shape[1], left : left + shape[0]] = 255 * ground
    return MapMask(Image.fromarray(mask), (float(low[0]), float(low[1])))
