"""Lanes while a map is made of streets: rows that become `Lane`s, and how they join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.osm.curves import joining_curve, part_of
from uniscene_sim.maps.osm.streets import Street

__all__ = ["Arm", "LaneRows"]

KERB_M = 0.15


@dataclass(eq=False)
class Arm:
    """The end of a street at a junction. Pairs are right, left, as seen from the junction outwards."""

    street: Street
    node: int  # that it ends at
    way: int  # that it ends with
    place: np.ndarray  # (3,) m, centre of the cross-section
    out: float  # heading away from the junction, rad
    ingoing: list[int] = field(default_factory=list)  # driving lanes towards the junction, from the middle outwards
    outgoing: list[int] = field(default_factory=list)
    walks: tuple[int, int] = (-1, -1)  # sidewalks
    drive_m: tuple[float, float] = (0.0, 0.0)  # from the centre to the edge of the driving lanes
    kerb_m: tuple[float, float] = (0.0, 0.0)

    def at(self, offset_m: float, inwards: bool) -> tuple[np.ndarray, float]:
        """Place (3,), m, at an offset to the right as seen outwards, and heading of travel there, rad."""
        place = self.place + offset_m * np.array([np.sin(self.out), -np.cos(self.out), 0.0])
        return place, self.out + (np.pi if inwards else 0.0)


@dataclass
class LaneRows:
    """Lanes so far. Traffic keeps to the right if `hand` is 1, to the left if -1."""

    hand: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    roads: int = 0

    def lanes(self) -> tuple[Lane, ...]:
        """The lanes."""
        linked = (row | {k: tuple(row[k]) for k in ("successors", "predecessors")} for row in self.rows)
        return tuple(Lane(index=i, **row) for i, row in enumerate(linked))

    def add(self, key: tuple[str, int, int], kind: str, centre: np.ndarray, heading: np.ndarray, width: np.ndarray,
            **more: Any) -> int:  # fmt: skip
        """Add a lane: points (N, 3), m, headings (N,), rad, and widths (N,), m; its index."""
        row: dict[str, Any] = {
            "key": key, "kind": kind, "centre": centre, "heading": wrap_angle(heading), "width": width,
            "left_mark": "none", "right_mark": "none", "successors": [], "predecessors": [],
            "height": KERB_M if kind == "sidewalk" else 0.0,
        }  # fmt: skip
        self.rows.append(row | more)
        return len(self.rows) - 1

    def link(self, before: int, after: int) -> None:
        """Let a lane lead into another."""
        if after not in self.rows[before]["successors"]:
            self.rows[before]["successors"].append(after)
            self.rows[after]["predecessors"].append(before)

    def end_of(self, lane: int, last: bool) -> tuple[np.ndarray, float]:
        """Place and heading of an end of a lane."""
        row, k = self.rows[lane], -1 if last else 0
        return row["centre"][k], float(row["heading"][k])

    def strip(self, kind: str, ends: Sequence[tuple[np.ndarray, float]], widths: tuple[float, float], junction: str,
              reach: float = 1.0) -> int:  # fmt: skip
        """A lane of its own from one place and heading to another, of a junction."""
        self.roads += 1
        (begin, yaw_a), (end, yaw_b) = ends
        centre, yaw = joining_curve(begin, yaw_a, end, yaw_b, reach)
        return self.add((str(self.roads), 0, -1), kind, centre, yaw, np.linspace(*widths, len(centre)),
                        junction=junction)  # fmt: skip

    def connect(self, before: int, after: int, junction: str, reach: float = 1.0) -> int:
        """A lane from the end of one lane to the beginning of another."""
        a, b = self.rows[before], self.rows[after]
        ends = (self.end_of(before, True), self.end_of(after, False))
        lane = self.strip(a["kind"], ends, (float(a["width"][-1]), float(b["width"][0])), junction, reach)
        slow = min(a.get("speed_limit_mps", 13.9), b.get("speed_limit_mps", 13.9))
        self.rows[lane]["speed_limit_mps"] = slow
        self.link(before, lane)
        self.link(lane, after)
        return lane

    def street(self, street: Street, line: np.ndarray, z: np.ndarray, cuts: tuple[float, float]) -> tuple[Arm, Arm]:
        """The lanes of a street, and its two ends.

        Args:
            street: the street.
            line: its centre line (N, 2), m, smooth.
            z: height (N,), m, of that line.
            cuts: how far it ends before its nodes, m.
        """
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        xy, yaw = part_of(line, cuts[0], along[-1] - cuts[1])
        at = np.linspace(cuts[0], along[-1] - cuts[1], len(xy))
        centre = np.column_stack([xy, np.interp(at, along, z)])
        self.roads += 1
        ways = self._driving(street, centre, yaw)
        walks = [self._side(street, side, centre, yaw, ways) for side in (0, 1)]
        section = street.section
        drive = (section.drive_edge(0), section.drive_edge(1))
        kerb = (section.kerb(0), section.kerb(1))
        forward, backward = ways
        first = Arm(street, street.ends[0], street.ways[0], centre[0], float(yaw[0]), backward, forward,
                    (walks[0], walks[1]), drive, kerb)  # fmt: skip
        last = Arm(street, street.ends[1], street.ways[1], centre[-1], float(yaw[-1] + np.pi), forward, backward,
                   (walks[1], walks[0]), drive[::-1], kerb[::-1])  # fmt: skip
        return first, last

    def _driving(self, street: Street, centre: np.ndarray, yaw: np.ndarray) -> tuple[list[int], list[int]]:
        """The driving lanes along a street and against it, from the middle outwards."""
        section, wide = street.section, street.section.lane_m
        made: tuple[list[int], list[int]] = ([], [])
        divider = 0.5 * (section.backward - section.forward) * wide
        inner, outer = ("left", "right") if self.hand > 0 else ("right", "left")
        for against, count in ((0, section.forward), (1, section.backward)):
            for k in range(count):
                offset = self.hand * (divider + (-1 if against else 1) * (k + 0.5) * wide)
                heading = yaw + np.pi if against else yaw
                points = _beside(centre, yaw, offset)
                last = k + 1 == count
                two_way = section.forward > 0 and section.backward > 0
                marks = {
                    f"{inner}_mark": "broken" if k else section.middle if two_way else section.edge,
                    f"{outer}_mark": section.edge if last else "broken",
                    f"can_change_{inner}": k > 0,
                    f"can_change_{outer}": not last,
                }
                lane = self.add(
                    (str(self.roads), 0, (k + 1) * (1 if against else -1)), "driving",
                    points[::-1] if against else points, heading[::-1] if against else heading,
                    np.full(len(points), wide), speed_limit_mps=section.speed_mps, **marks,
                )  # fmt: skip
                if k:
                    self.rows[lane][inner], self.rows[made[against][-1]][outer] = made[against][-1], lane
                made[against].append(lane)
        if made[0] and made[1]:
            self.rows[made[0][0]]["opposite"], self.rows[made[1][0]]["opposite"] = made[1][0], made[0][0]
        return made

    def _side(self, street: Street, side: int, centre: np.ndarray, yaw: np.ndarray,
              ways: tuple[list[int], list[int]]) -> int:  # fmt: skip
        """Cycle lane, parking and sidewalk on one side, 0 right, 1 left; index of the sidewalk, or -1."""
        section, sign = street.section, 1 if side == 0 else -1
        against = sign * self.hand < 0
        offset, walk = section.drive_edge(side), -1
        number = len(ways[0]) + len(ways[1])
        for kind, wide in (("biking", section.cycle_m[side]), ("parking", section.parking_m[side]),
                           ("sidewalk", section.walk_m[side])):  # fmt: skip
            if wide <= 0.0:
                continue
            number += 1
            points = _beside(centre, yaw, sign * (offset + 0.5 * wide))
            # What stands beside a one-way street points along it; walkers lead around corners on either side.
            turned = against if kind == "sidewalk" or ways[1] else False
            turned = not turned if not ways[0] and kind != "sidewalk" else turned
            heading = yaw + np.pi if turned else yaw
            walk_lane = self.add(
                (str(self.roads), 0, -sign * number), kind, points[::-1] if turned else points,
                heading[::-1] if turned else heading, np.full(len(points), wide),
            )  # fmt: skip
            walk = walk_lane if kind == "sidewalk" else walk
            offset += wide
        return walk


def _beside(centre: np.ndarray, yaw: np.ndarray, offset_m: float) -> np.ndarray:
    """A line (N, 3), m, to the right of another one."""
    beside: np.ndarray = centre + offset_m * np.stack([np.sin(yaw), -np.cos(yaw), 0.0 * yaw], axis=1)
    return beside
