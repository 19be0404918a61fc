"""One window of a recorded street, the layout that is seen from above, and files of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.from_labels.above_grid import GROUND_LAYER
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, AgentClass, OccClass

__all__ = ["AGENT_CLASSES", "GROUND_PAINT", "WindowParts", "file_arrays", "layout_from_above", "paint_road"]

#: Occupancy classes of what moves or is placed.
AGENT_CLASSES = tuple(OccClass(int(AGENT_OCC_CLASS[cls])) for cls in AgentClass if cls != AgentClass.SIGNAL_HEAD)
#: Classes of the ground that are painted on the road, the widest first.
GROUND_PAINT = (OccClass.PED_CROSSING, OccClass.ROAD_DIVIDER, OccClass.LANE_DIVIDER)
_BIT = {name: np.uint32(1 << k) for k, name in enumerate(CONDITION_CHANNELS)}
_ROAD = (OccClass.DRIVEABLE_SURFACE, *GROUND_PAINT)
_CLOSED_CELLS = 3  # gaps between beams, to both sides, that are closed
_FREE = np.uint8(OccClass.FREE)


@dataclass(frozen=True)
class WindowParts:
    """One window of `GENERATED_GRID`, as `datasets.windows.Windows` has N of them.

    Attributes:
        labels: uint8 (X, Y, Z) OccClass, without agents.
        seen: bool (X, Y, Z).
        layout: uint32 (X, Y), see `layout_from_above`.
        agents: uint8 (X, Y, Z) OccClass of agents, FREE elsewhere.
        instances: uint16 (X, Y, Z), 0 where no agent is.
        pose: base_link, x, y, z (m) and yaw (rad).
    """

    labels: np.ndarray
    seen: np.ndarray
    layout: np.ndarray
    agents: np.ndarray
    instances: np.ndarray
    pose: Pose
    stamp_us: int
    sequence: int = 0


def layout_from_above(
    ground: np.ndarray,
    agents: Mapping[str, np.ndarray],
    driven: np.ndarray | None = None,
    plan: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Channels uint32 (X, Y) of what the ground is labelled as, with small gaps closed; houses are not told of.

    Args:
        ground: uint8 (X, Y) OccClass, FREE where it was not seen.
        agents: bool (X, Y) by channel.
        driven: bool (X, Y), where the ego goes: drivable, whatever was seen.
        plan: bool (X, Y) by channel, of a map: what is seen of the ground is not asked then.
    """
    near = ndimage.generate_binary_structure(2, 1)
    out = np.full(ground.shape, _BIT["unplanned"], np.uint32)
    covered = np.zeros(ground.shape, bool)
    for name, cells in agents.items():
        out[cells] |= _BIT[name]
        covered |= cells
    if plan is not None:
        for name, cells in plan.items():
            out[cells] |= _BIT[name]
        return out
    driven = np.zeros(ground.shape, bool) if driven is None else driven
    walk = (ground == OccClass.SIDEWALK) & ~driven
    drivable = _closed(np.isin(ground, _ROAD), near) & ~walk
    drivable |= covered & ndimage.binary_dilation(drivable, near, _CLOSED_CELLS) & ~walk
    drivable |= driven
    out[drivable] |= _BIT["drivable_area"]
    out[_closed(walk, near) & ~drivable] |= _BIT["walkway"]
    for cls in GROUND_PAINT:
        out[ground == cls] |= _BIT[cls.name.lower()]
    return out


def _closed(cells: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Closing that does not eat into what lies at the edge."""
    wide = np.pad(cells, _CLOSED_CELLS, mode="edge")
    inner = slice(_CLOSED_CELLS, -_CLOSED_CELLS)
    closed: np.ndarray = ndimage.binary_closing(wide, near, _CLOSED_CELLS)[inner, inner] | cells
    return closed


def paint_road(ground: np.ndarray, plan: Mapping[str, np.ndarray]) -> None:
    """Give road, uint8 (X, Y) OccClass, the crossings and lines of a plan."""
    road = ground == OccClass.DRIVEABLE_SURFACE
    for cls in GROUND_PAINT:
        if cls.name.lower() in plan:
            ground[road & plan[cls.name.lower()]] = cls


def file_arrays(parts: Sequence[WindowParts], maker: str) -> dict[str, np.ndarray]:
    """Arrays of a file, see `datasets.windows.Windows`, and `agents_instance` uint16 (K,), the agent of each voxel.

    What is static in an agent's voxel is free, and known to be so; the ground below it stays as it was seen.
    """
    layers = np.arange(GENERATED_GRID.shape[2], dtype=np.uint32)
    labels, observed, voxels, kinds, instances = [], [], [], [], []
    for part in parts:
        at = np.flatnonzero(part.agents != _FREE)
        static, seen = part.labels.copy(), part.seen.copy()
        static.reshape(-1)[at[at % len(layers) != GROUND_LAYER]] = _FREE
        seen.reshape(-1)[at] = True
        labels.append(static)
        observed.append((seen.astype(np.uint32) << layers).sum(axis=2, dtype=np.uint32))
        voxels.append(at.astype(np.int32))
        kinds.append(part.agents.ravel()[at])
        instances.append(part.instances.ravel()[at])
    return {
        "labels": np.stack(labels),
        "layout": np.stack([part.layout for part in parts]),
        "observed": np.stack(observed),
        "agents_window": np.repeat(np.arange(len(parts)), [len(at) for at in voxels]).astype(np.int32),
        "agents_voxel": np.concatenate(voxels),
        "agents_label": np.concatenate(kinds),
        "agents_instance": np.concatenate(instances),
        "pose": np.array([[p.pose.x, p.pose.y, p.pose.z, p.pose.yaw] for p in parts]),
        "sequence": np.array([part.sequence for part in parts], np.int32),
        "stamp_us": np.array([part.stamp_us for part in parts], np.int64),
        "maker": np.array(maker),
    }
