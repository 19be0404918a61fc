"""Windows of occupancy cut from what a street's sweeps saw, with its layouts and agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from uniscene_sim.datasets.formats.seen_world import CELL_M, LEVELS, SeenWorld, see_world
from uniscene_sim.datasets.formats.street import Moment, SeenStreet, SeenSweep
from uniscene_sim.geometry import Pose, box_corners
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.maps.layout_raster import draw_polygon
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.occupancy.window import stamp_agent
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, AgentClass, OccClass

__all__ = ["street_arrays"]

_GRID = GENERATED_GRID
_FREE = int(OccClass.FREE)
_BIT = {name: np.uint32(1 << k) for k, name in enumerate(CONDITION_CHANNELS)}
_ROAD = (OccClass.DRIVEABLE_SURFACE, OccClass.LANE_DIVIDER, OccClass.ROAD_DIVIDER, OccClass.PED_CROSSING)
_REACH_M = 0.5 * _GRID.voxel_m * float(np.hypot(*_GRID.shape[:2])) + 1.0
_EGO_M, _MIDDLE_M = (5.0, 2.0), 1.5  # the ego from above, and how far ahead of base_link its middle is
_CLOSED_CELLS = 3  # gaps between beams, to both sides, that are closed in a layout


def street_arrays(street: SeenStreet, moments: Sequence[Moment]) -> dict[str, np.ndarray]:
    """Arrays of a file, see `datasets.windows.Windows`, and `agents_instance` uint16 (K,), the agent of each voxel.

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
    return {
        "labels": np.stack([p["labels"] for p in parts]),
        "layout": np.stack([p["layout"] for p in parts]),
        "observed": np.stack([p["observed"] for p in parts]),
        "agents_window": np.repeat(np.arange(len(parts)), [len(p["voxel"]) for p in parts]).astype(np.int32),
        "agents_voxel": np.concatenate([p["voxel"] for p in parts]).astype(np.int32),
        "agents_label": np.concatenate([p["kind"] for p in parts]),
        "agents_instance": np.concatenate([p["instance"] for p in parts]),
        "pose": np.array([[m.pose.x, m.pose.y, m.pose.z, m.pose.yaw] for m in moments]),
        "sequence": np.zeros(len(parts), np.int32),
        "stamp_us": np.array([m.stamp_us for m in moments], np.int64),
        "maker": np.array(street.maker),
    }


def _sweeps(street: SeenStreet) -> Iterator[SeenSweep]:
    for moment in tqdm(street.moments, desc=street.name, unit="sweep", disable=None):
        sweep = street.sweep(moment)
        if sweep is not None:
            yield sweep


def _window(world: SeenWorld, street: SeenStreet, moment: Moment) -> dict[str, np.ndarray]:
    pose = moment.pose
    corners = _corners(world, pose)
    labels, seen = _labels(world, corners)
    height = np.mean([world.height[at] for at in corners], axis=0).astype(np.float64)
    at, kind, instance = _agents(height, moment)
    seen.reshape(-1)[at] = True  # what stands there is known; nothing static does
    labels.reshape(-1)[at[at % _GRID.shape[2] > GROUND_LAYER]] = _FREE
    layout = _layout(labels[:, :, GROUND_LAYER], street, moment)
    if street.plan is not None:
        for name, cells in street.plan(pose).items():
            layout[cells] |= _BIT[name]
    bits = np.arange(_GRID.shape[2], dtype=np.uint32)
    observed = (seen.astype(np.uint32) << bits).sum(axis=2, dtype=np.uint32)
    return {"labels": labels, "layout": layout, "observed": observed, "voxel": at, "kind": kind, "instance": instance}


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
    for paint in (OccClass.PED_CROSSING, OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER):
        ground[votes[paint] > 0] = paint  # as in layouts, where a line is never narrower than a cell
    labels[:, :, GROUND_LAYER] = ground
    seen[:, :, : GROUND_LAYER + 1] = known[:, :, None]
    return labels, seen


def _agents(height: np.ndarray, moment: Moment) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat indices, classes and instances (K,) of agents' voxels; each stands on the ground below it."""
    labels, instances = np.zeros(_GRID.shape, np.uint8), np.zeros(_GRID.shape, np.uint16)
    pose = moment.pose
    view, origin = np.array([pose.x, pose.y, pose.z, pose.yaw]), np.array(_GRID.origin)
    for agent in moment.agents:
        foot = agent["pos"].copy()
        foot[2] = _ground_at(height, pose, foot)
        stamp_agent(labels, instances, height, _GRID.voxel_m, origin, view, foot, agent["rpy"][2], agent["size"],
                    AGENT_OCC_CLASS[agent["cls"]], agent["id"])  # fmt: skip
    at = np.flatnonzero(instances)
    return at, labels.ravel()[at], instances.ravel()[at]


def _ground_at(height: np.ndarray, pose: Pose, place: np.ndarray) -> float:
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    dx, dy = place[0] - pose.x, place[1] - pose.y
    i, j, _ = _GRID.index(np.array([c * dx + s * dy, c * dy - s * dx, 0.0]))
    return float(height[np.clip(i, 0, len(height) - 1), np.clip(j, 0, height.shape[1] - 1)])


def _layout(ground: np.ndarray, street: SeenStreet, moment: Moment) -> np.ndarray:
    """uint32 (X, Y) from above: what the ground is labelled as, with gaps between beams closed; where the ego goes, and
    agents."""
    pose, shape = moment.pose, _GRID.shape[:2]
    frame = np.array([pose.x, pose.y, pose.yaw, _GRID.voxel_m])
    road = np.isin(ground, _ROAD)
    out = np.full(shape, _BIT["unplanned"], np.uint32)
    covered = np.zeros(shape, np.uint8)
    for agent in moment.agents:
        cells = np.zeros(shape, np.uint8)
        (x, y, _), (length, width, _) = agent["pos"], np.maximum(agent["size"], _GRID.voxel_m)
        draw_polygon(cells, box_corners(x, y, agent["rpy"][2], length, width), frame)
        out[cells > 0] |= _BIT[AgentClass(int(agent["cls"])).name.lower()]
        covered |= cells
    driven = np.zeros(shape, np.uint8)
    for other in street.moments:
        if np.hypot(other.pose.x - pose.x, other.pose.y - pose.y) < _REACH_M:
            ahead = np.array([np.cos(other.pose.yaw), np.sin(other.pose.yaw)])
            x, y = np.array([other.pose.x, other.pose.y]) + _MIDDLE_M * ahead
            draw_polygon(driven, box_corners(x, y, other.pose.yaw, *_EGO_M), frame)
    walk = (ground == OccClass.SIDEWALK) & (driven == 0)
    near = ndimage.generate_binary_structure(2, 1)
    drivable = ndimage.binary_closing(road, near, _CLOSED_CELLS) & ~walk
    drivable |= (covered > 0) & ndimage.binary_dilation(drivable, near, _CLOSED_CELLS) & ~walk
    drivable |= driven > 0
    out[drivable] |= _BIT["drivable_area"]
    out[ndimage.binary_closing(walk, near, _CLOSED_CELLS) & ~drivable] |= _BIT["walkway"]
    for name, cls in (("lane_divider", OccClass.LANE_DIVIDER), ("road_divider", OccClass.ROAD_DIVIDER),
                      ("ped_crossing", OccClass.PED_CROSSING)):  # fmt: skip
        out[ground == cls] |= _BIT[name]
    return out
