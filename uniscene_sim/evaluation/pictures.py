"""Drawings of layouts, the truth and a model's output, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.evaluation.held_out import HeldOutWindows
from uniscene_sim.evaluation.methods import window_noise
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS, EgoVehicle, without_plan
from uniscene_sim.occupancy.learned.interface import OccupancyGenerator
from uniscene_sim.recording.panels import occupancy_panel
from uniscene_sim.recording.preview import font
from uniscene_sim.taxonomy import OCC_RGB, OccClass

__all__ = ["layout_picture", "occupancy_comparison_picture", "sheet", "top_view"]

_SIZE, _GAP, _HEADER = 400, 6, 28
_FREE = int(OccClass.FREE)
_DARK = (28, 30, 36)
#: Class whose colour a channel is drawn in, where it is not the class of the same name.
_COLOUR_OF = {
    "drivable_area": OccClass.DRIVEABLE_SURFACE,
    "walkway": OccClass.SIDEWALK,
    "carpark_area": OccClass.OTHER_FLAT,
    "stop_line": OccClass.PED_CROSSING,
    "road_block": OccClass.BARRIER,
    "building": OccClass.MANMADE,
    "guard_rail": OccClass.BARRIER,
}


def layout_picture(layout: np.ndarray) -> np.ndarray:
    """A layout uint8 (C, X, Y) of `CONDITION_CHANNELS` as RGB uint8 (X, Y, 3), forward up."""
    rgb = np.full((*layout.shape[1:], 3), _DARK, np.uint8)
    first = ("drivable_area", "walkway", "carpark_area", "building", "vegetation")
    for name in (*first, *(name for name in CONDITION_CHANNELS if name not in (*first, "unplanned"))):
        label = _COLOUR_OF.get(name) or OccClass[name.upper()]
        rgb[layout[CONDITION_CHANNELS.index(name)] > 0] = OCC_RGB[label]
    return rgb[::-1, ::-1]


def top_view(labels: np.ndarray) -> np.ndarray:
    """Occupancy uint8 (X, Y, Z) from above as RGB uint8 (X, Y, 3), higher voxels brighter, forward up."""
    full = labels != _FREE
    top = labels.shape[2] - 1 - full[..., ::-1].argmax(axis=2)
    label = np.take_along_axis(labels, top[..., None], axis=2)[..., 0]
    shade = 0.7 + 0.3 * top / max(labels.shape[2] - 1, 1)
    rgb: np.ndarray = (OCC_RGB[label] * shade[..., None]).astype(np.uint8)
    rgb[~full.any(axis=2)] = _DARK
    return rgb[::-1, ::-1]


def occupancy_comparison_picture(
    model: OccupancyGenerator,
    scenes: HeldOutWindows,
    count: int = 3,
    seed: int = 0,
) -> np.ndarray:
    """RGB uint8 (H, W, 3): layout, truth, VAE reconstruction, and the flow's output with and without the plan, of some
    windows, from above and behind.

    Args:
        model: the generator.
        scenes: held-out windows.
        count: how many of them to draw.
        seed: of the noise.
    """
    chosen = np.unique(np.linspace(0, len(scenes.labels) - 1, count).round().astype(int))
    order = [CONDITION_CHANNELS.index(name) for name in model.channels]
    rows = []
    for k in chosen:
        layout, truth = scenes.layouts[k][order][None], scenes.labels[k]
        untold = without_plan(layout, model.channels)
        rebuilt = model.decode(model.encode(truth[None], untold), untold)[0]
        noise = window_noise(model, truth.shape, seed, int(k))[None]
        made = [model.decode(model.generate(given, noise), given)[0] for given in (untold, layout)]
        worlds = (truth, rebuilt, *made)
        rows.append(
            [layout_picture(scenes.layouts[k]), *(panel(w) for w in worlds for panel in (top_view, _oblique_view))]
        )
    return sheet(["layout", "truth", "", "VAE", "", "flow, untold", "", "flow, told", ""], rows)


def sheet(names: Sequence[str], rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Panels RGB uint8 (X, Y, 3) in rows, below the name of each column, as RGB uint8 (H, W, 3)."""
    step = _SIZE + _GAP
    canvas = Image.new("RGB", (len(names) * step + _GAP, _HEADER + len(rows) * step), _DARK)
    draw = ImageDraw.Draw(canvas)
    for column, name in enumerate(names):
        draw.text((_GAP + column * step, 5), name, font=font(16))
        for line, panels in enumerate(rows):
            panel = Image.fromarray(np.ascontiguousarray(panels[column])).resize(
                (_SIZE, _SIZE), Image.Resampling.NEAREST
            )
            canvas.paste(panel, (_GAP + column * step, _HEADER + line * step))
    return np.asarray(canvas)


def _oblique_view(labels: np.ndarray) -> np.ndarray:
    grid = OccupancyGrid(labels, np.zeros(labels.shape, np.uint16), GENERATED_GRID, Pose())
    return occupancy_panel(grid, EgoVehicle(), _SIZE)
