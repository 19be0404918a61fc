"""Static props in towns: parked vehicles, construction sites, people, and rare classes."""

from __future__ import annotations

import numpy as np

from uniscene_sim.geometry import Pose, boxes_overlap
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import CLASS_SIZES

__all__ = ["scatter_props", "without_overlapping"]

_A = AgentClass
_REACH_M = 55.0
_CLEAR_M = 1.6  # from the ego's path to the side of any prop
_FIRST_ID = 40_000  # beyond the ids of simulated agents
#: By kind of lane: class, relative frequency, and largest offset from the centre as a share of the lane's width.
_PLACES: dict[str, tuple[tuple[AgentClass, float, float], ...]] = {
    "driving": ((_A.CAR, 3, 0.0), (_A.TRUCK, 2, 0.0), (_A.BUS, 2, 0.0), (_A.TRAILER, 3, 0.0), (_A.MOTORCYCLE, 3, 0.3),
                (_A.BICYCLE, 3, 0.4), (_A.CONSTRUCTION_VEHICLE, 3, 0.0), (_A.BARRIER, 3, 0.4),
                (_A.TRAFFIC_CONE, 4, 0.45), (_A.PEDESTRIAN, 2, 0.5)),
    "sidewalk": ((_A.PEDESTRIAN, 12, 0.4), (_A.BICYCLE, 4, 0.4), (_A.MOTORCYCLE, 2, 0.3), (_A.BARRIER, 2, 0.3),
                 (_A.TRAFFIC_CONE, 2, 0.4)),
    "parking": ((_A.CAR, 14, 0.05), (_A.TRUCK, 1, 0.0), (_A.TRAILER, 1, 0.0), (_A.CONSTRUCTION_VEHICLE, 1, 0.0),
                (_A.MOTORCYCLE, 2, 0.3), (_A.TRAFFIC_CONE, 1, 0.3)),
    "shoulder": ((_A.CAR, 2, 0.1), (_A.TRUCK, 1, 0.0), (_A.TRAILER, 2, 0.0), (_A.CONSTRUCTION_VEHICLE, 2, 0.0),
                 (_A.BARRIER, 4, 0.3), (_A.TRAFFIC_CONE, 5, 0.4), (_A.BICYCLE, 2, 0.3)),
    "biking": ((_A.BICYCLE, 6, 0.2), (_A.MOTORCYCLE, 1, 0.2)),
    "median": ((_A.BARRIER, 2, 0.2), (_A.TRAFFIC_CONE, 2, 0.4), (_A.PEDESTRIAN, 1, 0.3)),
}  # fmt: skip
#: Classes that are placed in rows, and their spacing, m.
_ROWS = {_A.BARRIER: 1.9, _A.TRAFFIC_CONE: 2.6}


def scatter_props(static_map: StaticMap, way: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Static agents (N,) AGENT_DTYPE within 55 m of the ego's path (R, 2) m, clear of it and of each other."""
    weight = {"parking": rng.uniform(0.0, 0.14), "sidewalk": rng.uniform(0.0, 0.07), "driving": rng.uniform(0.0, 0.03),
              "shoulder": rng.uniform(0.0, 0.05), "biking": 0.02, "median": rng.uniform(0.0, 0.02)}  # fmt: skip
    rows: list[tuple[AgentClass, np.ndarray, float]] = []
    boxes: list[np.ndarray] = []
    for lane in static_map.lanes:
        kinds = _PLACES.get(lane.kind, ())
        near = np.hypot(*(lane.centre[:, None, :2] - way[None]).transpose(2, 0, 1)).min(axis=1) < _REACH_M
        if not kinds or lane.junction or not near.any():
            continue
        odds = np.array([often for _, often, _ in kinds], dtype=float)
        for s in lane.s[near][rng.random(int(near.sum())) < weight[lane.kind]]:
            cls, _, aside = kinds[int(rng.choice(len(kinds), p=odds / odds.sum()))]
            side = rng.uniform(-aside, aside)
            many = int(rng.integers(2, 9)) if cls in _ROWS else 1
            turn = float(rng.normal(0.0, 0.08)) + (np.pi if rng.random() < 0.2 else 0.0)
            if cls == _A.PEDESTRIAN:
                turn = float(rng.uniform(-np.pi, np.pi))
            for k in range(many):
                x, y, z, yaw = static_map.lane_point(lane.index, float(s) + k * _ROWS.get(cls, 0.0))
                off = side * float(np.interp(s, lane.s, lane.width))
                x, y, yaw = x - off * np.sin(yaw), y + off * np.cos(yaw), yaw + turn
                length, width, _ = CLASS_SIZES[cls]
                box = np.array([x, y, yaw, length, width])
                if _clear(box, boxes, way):
                    boxes.append(box)
                    rows.append((cls, np.array([x, y, z + (lane.height or 0.0)]), yaw))
    out = np.zeros(len(rows), dtype=AGENT_DTYPE)
    for i, (cls, pos, yaw) in enumerate(rows):
        out[i]["id"], out[i]["cls"], out[i]["pos"], out[i]["rpy"][2] = _FIRST_ID + i, cls, pos, yaw
        out[i]["size"] = np.array(CLASS_SIZES[cls]) * rng.uniform(0.85, 1.15, 3)
    return out


def without_overlapping(props: np.ndarray, agents: np.ndarray, ego: Pose) -> np.ndarray:
    """The props (P,) AGENT_DTYPE that overlap neither an agent (N,) AGENT_DTYPE nor the ego."""
    moving = _boxes(agents)
    moving.append(np.array([ego.x + 1.35 * np.cos(ego.yaw), ego.y + 1.35 * np.sin(ego.yaw), ego.yaw, 4.6, 1.9]))
    centres = np.array(moving)[:, :2]
    keep = np.ones(len(props), dtype=bool)
    for i, box in enumerate(_boxes(props)):
        close = np.flatnonzero(np.hypot(*(centres - box[:2]).T) < 14.0)
        keep[i] = not any(boxes_overlap(box, moving[k]) for k in close)
    return props[keep]


def _boxes(agents: np.ndarray) -> list[np.ndarray]:
    return [np.array([*a["pos"][:2], a["rpy"][2], *a["size"][:2]]) for a in agents]


def _clear(box: np.ndarray, others: list[np.ndarray], way: np.ndarray) -> bool:
    c, s = np.cos(box[2]), np.sin(box[2])
    d = way - box[:2]
    along, aside = np.abs(c * d[:, 0] + s * d[:, 1]), np.abs(-s * d[:, 0] + c * d[:, 1])
    if ((along < 0.5 * box[3] + _CLEAR_M) & (aside < 0.5 * box[4] + _CLEAR_M)).any():
        return False
    return not any(np.hypot(*(o[:2] - box[:2])) < 14.0 and boxes_overlap(o, box) for o in others)
