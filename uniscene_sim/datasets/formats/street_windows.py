"""Windows of occupancy cut from what a street's sweeps saw, with its layouts and agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.formats.seen_world import CELL_M, LEVELS, SeenWorld, see_world
from uniscene_sim.datasets.formats.street import Moment, SeenStreet, SeenSweep
from uniscene_sim.datasets.formats.window_parts import (
    GROUND_PAINT,
    WindowParts,
    file_arrays,
    layout_from_above,
)
from uniscene_sim.geometry import Pose, box_corners
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.maps.layout_raster import draw_polygon
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.occupancy.window import stamp_agent
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, AgentClass, OccClass

__all__ = ["street_arrays"]

_GRID = GENERATED_GRID
_FREE = int(OccClass.FREE)
_REACH_M = 0.5 * _GRID.voxel_m * float(np.hypot(*_GRID.shape[:2])) + 1.0
_EGO_M, _MIDDLE_M = (5.0, 2.0), 1.5  # the ego from above, and how far ahead of base_link its middle is


def street_arrays(street: SeenStreet, moments: Sequence[Moment]) -> dict[str, np.ndarray]:
    """Arrays of a file, see `file_arrays`.

    Args:
        street: all its sweeps are laid together.
        moments: those of its moments that get a window.

    Raises:
        InputError: a sweep cannot be read.
    """
    places = np.array([[m.pose.x, m.pose.y] for m in moments])
    low = np.floor(places.min(axis=0) - _REACH_M)
    size = np.ceil((places.max(axis=0) + _REACH_M - low) / CELL_M).astype(int).tolist()
    world = see_world(_sweeps(street), low, (size[0], size[1]))
    parts = [_window(world, street, moment) for moment in tqdm(moments, desc="windows", unit="window", disable=None)]
    return file_arrays(parts, street.maker)


def _sweeps(street: SeenStreet) -> Iterator[SeenSweep]:
    for moment in tqdm(street.moments, desc=street.name, unit="sweep", disable=None):
        sweep = street.sweep(moment)
        if sweep is not None:
            yield sweep


def _window(world: SeenWorld, street: SeenStreet, moment: Moment) -> WindowParts:
    corners = _corners(world, moment.pose)
    labels, seen = _labels(world, corners)
    height = np.mean([world.height[at] for at in corners], axis=0).astype(np.float64)
    agents, instances = _agents(height, moment)
    plan = None if street.plan is None else street.plan(moment.pose)
    layout = layout_from_above(labels[:, :, GROUND_LAYER], _footprints(moment), _driven(street, moment), plan)
    return WindowParts(labels, seen, layout, agents, instances, moment.pose, moment.stamp_us)


def _corners(world: SeenWorld, pose: Pose) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cells (X, Y) of the world in which four points of each column of a window lie."""
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    out = []
    for a in (-0.25, 0.25):
        for b in (-0.25, 0.25):
            u = (_GRID.centres(0) + a * _GRID.voxel_m)[:, None]
            v = (_GRID.centres(1) + b * _GRID.voxel_m)[None]
            xy = np.stack([pose.x + c * u - s * v, pose.y + s * u + c * v], axis=-1)
            i, j = np.moveaxis(((xy - world.low) / CELL_M).astype(np.int64), -1, 0)
            out.append((i, j))
    return out


def _labels(world: SeenWorld, corners: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Labels uint8 and what was seen bool (X, Y, Z): of all cells in a voxel the class most rays end in."""
    shape, layers = _GRID.shape, LEVELS // 2
    labels, seen = np.full(shape, _FREE, np.uint8), np.zeros(shape, bool)
    best = np.zeros((*shape[:2], layers), np.int64)
    above = np.full((*shape[:2], layers), _FREE, np.uint8)
    free = np.zeros((*shape[:2], layers), bool)
    for at in corners:
        for half in (0, 1):
            label, hits = world.label[at][..., half::2], world.hits[at][..., half::2].astype(np.int64)
            hits[label == _FREE] = 0
            better = hits > best
            above[better], best[better] = label[better], hits[better]
            free |= world.seen[at][..., half::2]
    labels[:, :, GROUND_LAYER:] = above[:, :, : shape[2] - GROUND_LAYER]
    seen[:, :, GROUND_LAYER:] = free[:, :, : shape[2] - GROUND_LAYER]
    stack = np.stack([world.ground[at] for at in corners])
    votes = np.stack([(stack == cls).sum(axis=0) for cls in range(len(OccClass))])
    votes[_FREE] = 0
    known = votes.sum(axis=0) > 0
    ground = np.where(known, votes.argmax(axis=0), _FREE)
    for paint in GROUND_PAINT:
        ground[votes[paint] > 0] = paint  # as in layouts, where a line is never narrower than a cell
    labels[:, :, GROUND_LAYER] = ground
    seen[:, :, : GROUND_LAYER + 1] = known[:, :, None]
    return labels, seen


def _agents(height: np.ndarray, moment: Moment) -> tuple[np.ndarray, np.ndarray]:
    """Classes uint8 and instances uint16 (X, Y, Z) of agents; each stands on the ground below it."""
    labels, instances = np.full(_GRID.shape, _FREE, np.uint8), np.zeros(_GRID.shape, np.uint16)
    pose = moment.pose
    view, origin = np.array([pose.x, pose.y, pose.z, pose.yaw]), np.array(_GRID.origin)
    for agent in moment.agents:
        foot = agent["pos"].copy()
        foot[2] = _ground_at(height, pose, foot)
        stamp_agent(labels, instances, height, _GRID.voxel_m, origin, view, foot, agent["rpy"][2], agent["size"],
                    AGENT_OCC_CLASS[agent["cls"]], agent["id"])  # fmt: skip
    return labels, instances


def _ground_at(height: np.ndarray, pose: Pose, place: np.ndarray) -> float:
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    dx, dy = place[0] - pose.x, place[1] - pose.y
    i, j, _ = _GRID.index(np.array([c * dx + s * dy, c * dy - s * dx, 0.0]))
    return float(height[np.clip(i, 0, len(height) - 1), np.clip(j, 0, height.shape[1] - 1)])


def _frame(pose: Pose) -> np.ndarray:
    return np.array([pose.x, pose.y, pose.yaw, _GRID.voxel_m])


def _footprints(moment: Moment) -> dict[str, np.ndarray]:
    """Cells bool (X, Y) that agents cover, by channel."""
    out: dict[str, np.ndarray] = {}
    for agent in moment.agents:
        cells = out.setdefault(AgentClass(int(agent["cls"])).name.lower(), np.zeros(_GRID.shape[:2], np.uint8))
        (x, y, _), (length, width, _) = agent["pos"], np.maximum(agent["size"], _GRID.voxel_m)
        draw_polygon(cells, box_corners(x, y, agent["rpy"][2], length, width), _frame(moment.pose))
    return {name: cells > 0 for name, cells in out.items()}


def _driven(street: SeenStreet, moment: Moment) -> np.ndarray:
    """Cells bool (X, Y) that the ego covers at any moment."""
    out = np.zeros(_GRID.shape[:2], np.uint8)
    for other in street.moments:
        pose = other.pose
        if np.hypot(pose.x - moment.pose.x, pose.y - moment.pose.y) < _REACH_M:
            x, y = pose.x + _MIDDLE_M * np.cos(pose.yaw), pose.y + _MIDDLE_M * np.sin(pose.yaw)
            draw_polygon(out, box_corners(x, y, pose.yaw, *_EGO_M), _frame(moment.pose))
    return out > 0
