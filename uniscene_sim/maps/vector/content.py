"""The content of a vector map as flat arrays, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple
from math import inf
from typing import Any

import numpy as np

from uniscene_sim.maps.elements import BORDER_FIELDS, Lane, RoadNetwork

__all__ = ["LANE_FIELDS", "content_hash", "pack"]

#: Fields of a `Lane` that are not arrays, but for its speed limits.
LANE_FIELDS = (
    "key", "kind", "left_mark", "right_mark", "left", "right", "can_change_left", "can_change_right", "opposite",
    "successors", "predecessors", "junction", "height",
)  # fmt: skip


def _flat(arrays: Sequence[np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    offset = np.cumsum([0] + [len(a) for a in arrays]).astype(np.int64)
    rows = np.concatenate(arrays) if arrays else np.zeros((0, width))
    return np.ascontiguousarray(rows.reshape(-1, width), dtype=np.float64), offset


def pack(m: RoadNetwork) -> tuple[dict[str, np.ndarray], str]:
    """Arrays by name, and everything that is not an array as JSON."""
    table = [np.column_stack([lane.centre, lane.heading, lane.width]) for lane in m.lanes]
    arrays = dict(zip(("lane_rows", "lane_offset"), _flat(table, 5), strict=True))
    arrays |= zip(
        ("profile_rows", "profile_offset"), _flat([x.profile.reshape(-1, 1) for x in m.lanes], 1), strict=True
    )
    polygons = [c.polygon for c in m.crossings]
    arrays |= zip(("crossing_rows", "crossing_offset"), _flat(polygons, 3), strict=True)
    arrays["stop_ends"] = np.array([line.ends for line in m.stop_lines], dtype=np.float64).reshape(-1, 2, 3)
    arrays["signal_position"] = np.array([s.position for s in m.signals], dtype=np.float64).reshape(-1, 3)
    arrays["object_position"] = np.array([o.position for o in m.objects], dtype=np.float64).reshape(-1, 3)
    meta: dict[str, Any] = {
        "name": m.name,
        "left_hand_traffic": m.left_hand_traffic,
        "lanes": [[getattr(lane, k) for k in LANE_FIELDS] for lane in m.lanes],
        "speed_limits": [[limit for row in _speed_limits(lane) for limit in row] for lane in m.lanes],
        "losses": m.losses,
        "stop_lines": [[line.lane, line.s_m, line.signal] for line in m.stop_lines],
        "signals": [[s.id, s.kind, s.yaw, s.lanes, s.value] for s in m.signals],
        "programs": [[p.phases, p.green_s, p.yellow_s, p.all_red_s] for p in m.programs],
        "objects": [[o.kind, o.yaw, o.size, o.group] for o in m.objects],
    }
    if any(m.frame_origin):
        meta["frame_origin"] = m.frame_origin
    if m.complete_kinds:
        meta["complete_kinds"] = m.complete_kinds
    if m.covers:
        rings = [ring for cover in m.covers for ring in cover.rings]
        arrays |= zip(("cover_rows", "cover_offset"), _flat(rings, 2), strict=True)
        meta["covers"] = [[cover.kind, len(cover.rings)] for cover in m.covers]
    if m.geo_reference is not None:
        meta["geo_reference"] = [m.geo_reference.projection, *vars(m.geo_reference.offset).values()]
    borders = {lane.index: [list(map(astuple, getattr(lane, k))) for k in BORDER_FIELDS] for lane in m.lanes}
    if described := {k: parts for k, parts in borders.items() if any(parts)}:
        meta["borders"] = described
    return arrays, json.dumps(meta, separators=(",", ":"), default=_plain)


def _speed_limits(lane: Lane) -> list[tuple[float, float | None]]:
    """Speed limits of a lane, m/s, each after its place, m: JSON has no infinite number."""
    limits = [(0.0, lane.speed_limit_mps), *((limit.s_m, limit.mps) for limit in lane.speed_changes)]
    return [(s_m, mps if mps < inf else None) for s_m, mps in limits]


def _plain(value: Any) -> Any:
    """Numpy scalars as JSON numbers."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot write {type(value).__name__}")


def content_hash(m: RoadNetwork) -> str:
    """SHA-256 of everything in a map."""
    arrays, meta = pack(m)
    sha = hashlib.sha256(meta.encode())
    for name in sorted(arrays):
        sha.update(f"{name}{arrays[name].shape}".encode())
        sha.update(np.ascontiguousarray(arrays[name]).data)
    return sha.hexdigest()
