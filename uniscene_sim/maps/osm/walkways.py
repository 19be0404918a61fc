"""Ways for people and bicycles that are mapped on their own: footways, paths, steps, cycleways; and tracks, squares,
car parks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.osm.curves import part_of, smooth_line
from uniscene_sim.maps.osm.extract import Way
from uniscene_sim.maps.osm.lanes import LaneRows
from uniscene_sim.maps.osm.values import length_m
from uniscene_sim.maps.street_plans.near_roads import NearRoads
from uniscene_sim.maps.street_plans.paving import area_strips
from uniscene_sim.maps.street_plans.surroundings import Cover

__all__ = ["add_squares", "add_walkways"]

#: Kind of lane and usual width, m, by class of way.
_KINDS = {
    "footway": ("sidewalk", 2.0), "pedestrian": ("sidewalk", 4.0), "steps": ("sidewalk", 2.0),
    "path": ("sidewalk", 1.5), "corridor": ("sidewalk", 2.0), "cycleway": ("biking", 2.0), "bridleway": ("none", 2.0),
    "track": ("shoulder", 2.6),
}  # fmt: skip
_INDOORS = ("yes", "room", "corridor")


def add_walkways(rows: LaneRows, ways: tuple[Way, ...], losses: Losses) -> None:
    """Add a lane for each such way, and link those that go on from one another."""
    begin: dict[int, list[int]] = {}
    end: dict[int, list[int]] = {}
    for way in ways:
        kind, usual = _KINDS.get(way.tags.get("highway", ""), ("", 0.0))
        if not kind or way.tags.get("area") == "yes" or way.tags.get("footway") == "crossing":
            continue
        below = way.tags.get("tunnel", "no") not in ("no", "building_passage") or way.tags.get("layer", "0")[:1] == "-"
        if below or way.tags.get("indoor") in _INDOORS:
            losses.add("left out, for they lie below the ground", f"way {way.id}")
            continue
        line = way.xy[np.concatenate([[True], np.hypot(*np.diff(way.xy, axis=0).T) > 0.05])]
        if len(line) < 2:
            continue
        smooth = smooth_line(line)
        length = float(np.hypot(*np.diff(smooth, axis=0).T).sum())
        xy, yaw = part_of(smooth, 0.0, length)
        wide = length_m(way.tags, "width", 12.0) or usual
        rows.roads += 1
        lane = rows.add((str(rows.roads), 0, -1), kind, np.column_stack([xy, 0.0 * yaw]), yaw,
                        np.full(len(xy), wide), speed_limit_mps=5.6)  # fmt: skip
        if kind == "sidewalk":
            begin.setdefault(way.nodes[0], []).append(lane)
            end.setdefault(way.nodes[-1], []).append(lane)
    for node, lanes in end.items():
        for before in lanes:
            for after in begin.get(node, ()):
                if before != after:
                    rows.link(before, after)


def add_squares(rows: LaneRows, covers: Sequence[Cover], near: NearRoads) -> None:
    """Add strips for squares, car parks and waters."""
    for cover in covers:
        strips = area_strips(cover, near)
        rows.roads += bool(strips)
        for k, strip in enumerate(strips):
            rows.add((str(rows.roads), 0, -k - 1), strip.kind, strip.centre, np.full(len(strip.centre), strip.yaw),
                     np.full(len(strip.centre), strip.width_m))  # fmt: skip
