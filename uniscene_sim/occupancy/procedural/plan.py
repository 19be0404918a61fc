"""The plan of a map: places of buildings, trees, lamps, rails and posts, from its frontages.

Objects are functions of the map and the seed alone, in a fixed order, so every tile finds the same ones.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.geometry import boxes_overlap
from uniscene_sim.maps.elements import FRONTAGE_STEP_M, Frontage
from uniscene_sim.maps.signals import signal_heads
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["PART_VARIANT", "PLAN_DTYPE", "PlanKind", "plan_map"]


class PlanKind(IntEnum):
    """Kinds of planned objects."""

    BUILDING, TREE, BUSH, LAMP, HEDGE, FENCE, RAIL, POST, SIGN, PILLAR, PARAPET, BEAM = range(12)


#: An object: centre of its foot (m, map frame), heading (rad), length (along), width (across) and height (m); random
#: style in [0, 1) and variant.
PLAN_DTYPE = np.dtype(
    [("kind", np.int64), ("x", float), ("y", float), ("z", float), ("yaw", float), ("length", float), ("width", float),
     ("height", float), ("style", float), ("variant", np.int64)]
)  # fmt: skip

#: Variants from here on are parts of a larger house: they have level roofs without edges, so that they join.
PART_VARIANT = 1000
_RAIL_GAP_M = 6.0  # no rail is planned this near to one of the map


def plan_map(static_map: StaticMap, seed: int) -> np.ndarray:
    """All objects of a map (N,) PLAN_DTYPE."""
    planner = _Planner(static_map, seed)
    frontages = static_map.frontages()
    planner.add_posts()
    planner.add_map_objects()
    if "building" not in static_map.complete:
        planner.add_buildings(frontages)
    planner.add_roadside(frontages)
    if "tree" not in static_map.complete:
        planner.add_woodland(frontages)
    return np.array(planner.out, dtype=PLAN_DTYPE) if planner.out else np.zeros(0, PLAN_DTYPE)


class _Planner:
    def __init__(self, static_map: StaticMap, seed: int):
        self.map, self.seed, self.surface = static_map, seed, static_map.surface
        self.out: list[tuple[float, ...]] = []
        self._boxes: dict[tuple[int, int], list[np.ndarray]] = {}
        self._rails = np.array([o.position[:2] for o in static_map.objects if o.kind == "guard_rail"]).reshape(-1, 2)
        self._rails = self._rails[np.argsort(self._rails[:, 0], kind="stable")]

    def add_posts(self) -> None:
        """Poles of traffic lights, and signs."""
        for head in signal_heads(self.map):
            x, y, z = head["pos"]
            yaw = head["rpy"][2]
            self._add(PlanKind.POST, x - 0.3 * np.cos(yaw), y - 0.3 * np.sin(yaw), z - 3.0, yaw, 0.16, 0.16, 4.1)
        for signal in self.map.signals:
            if signal.kind in ("stop", "yield", "speed"):
                variant = ("stop", "yield", "speed").index(signal.kind)
                x, y, z = (float(v) for v in signal.position)
                if self._rank(np.array([x]), np.array([y]), np.array([z]))[0] < 2:
                    self._add(PlanKind.SIGN, x, y, self._height(x, y, z), signal.yaw, 0.1, 0.7, 2.5, variant)

    def add_map_objects(self) -> None:
        """Objects of the map itself, except where their foot would block a driving lane."""
        u, v = (w.ravel() for w in np.meshgrid(np.linspace(-0.5, 0.5, 7), np.linspace(-0.5, 0.5, 5)))
        for placed in self.map.objects:
            if placed.kind not in ("pole", "tree", "building", "sign", "guard_rail", "wall"):
                continue
            (x, y, z), (length, width, height) = (float(w) for w in placed.position), placed.size
            c, s = np.cos(placed.yaw), np.sin(placed.yaw)
            px, py = x + c * u * length - s * v * width, y + s * u * length + c * v * width
            if self._rank(px, py, np.full(len(px), z)).max() >= 3:
                continue
            ground = self._height(x, y, z)
            # All parts of a building look alike.
            style = unit_hash(self.seed, 26, *((placed.group,) if placed.group else (round(10 * x), round(10 * y))))
            if placed.kind == "guard_rail":
                kind = PlanKind.RAIL if height >= 0.5 else PlanKind.BEAM
                self._add(kind, x, y, z - (0.1 if kind == PlanKind.RAIL else 0.0), placed.yaw, length, max(width, 0.1),
                          max(height, 0.1))  # fmt: skip
            elif placed.kind == "wall":
                foot = min(z, ground - 0.1) if z < ground + 0.5 else z  # on sloping ground, too
                self._add(PlanKind.PARAPET, x, y, foot, placed.yaw, length, max(width, 0.1), z + height - foot)
            elif placed.kind == "pole":
                self._add(PlanKind.POST, x, y, min(z, ground + 1.0), 0.0, max(length, 0.1), max(width, 0.1), height)
            elif placed.kind == "sign":
                self._add(PlanKind.SIGN, x, y, ground, placed.yaw, 0.1, 0.7, max(height, 2.0), 2)
            elif placed.kind == "tree":
                size = max(length, width)
                if height < 3.0:
                    self._add(PlanKind.BUSH, x, y, ground - 0.2, 0.0, size / 1.2, size / 1.2, height, 0, style)
                else:
                    self._add(PlanKind.TREE, x, y, ground - 0.2, 0.0, size, size, height, int(30 * style), style)
            else:
                self._reserve_footprint(np.array([x, y, placed.yaw, length, width]))
                foot = float(self.surface.height(px, py, np.full(len(px), z)).min()) - 0.4
                variant = int(1000 * style) + (PART_VARIANT if placed.group else 0)
                self._add(PlanKind.BUILDING, x, y, foot, placed.yaw, length, width, height, variant, style)

    def add_buildings(self, frontages: list[Frontage]) -> None:
        """Rows of houses along walkways, detached ones along slow roads, none along fast ones."""
        for n, front in enumerate(frontages):
            town = front.town
            if front.fast or self._on_bridge(front):
                continue
            u = [unit_hash(self.seed, 21, *front.border, round(front.s), k) for k in range(8)]
            if town:
                width, depth, setback = 9.0 + 7.0 * u[0], 9.0 + 4.0 * u[1], 1.8 + (0.0 if u[2] < 0.7 else 2.5)
                storeys, chance = 2 + int(4.2 * u[3] * u[3] + 0.8 * u[4]), 1.0
            else:
                width, depth, setback = 9.0 + 4.0 * u[0], 8.0 + 3.0 * u[1], 7.0 + 6.0 * u[2]
                storeys, chance = 1 + int(1.6 * u[3]), 0.05
            if u[5] > chance:
                continue
            distance = setback + 0.5 * depth
            x, y = front.x + distance * front.nx, front.y + distance * front.ny
            # The front faces the road: the building's own x axis points to it.
            yaw = float(np.arctan2(-front.ny, -front.nx))
            box = np.array([x, y, yaw, depth, width])
            if not self._free(box, 1.5 if town else 4.0, 0.05 if town else 6.0):
                continue
            corner = [(a, b) for a in (-0.5, 0.0, 0.5) for b in (-0.5, 0.0, 0.5)]
            c, s = np.cos(yaw), np.sin(yaw)
            px = np.array([x + c * a * depth - s * b * width for a, b in corner])
            py = np.array([y + s * a * depth + c * b * width for a, b in corner])
            heights = self.surface.height(px, py, np.full(len(px), front.z))
            if heights.max() - heights.min() > 3.5:
                continue
            self._reserve_footprint(box)
            self._add(
                PlanKind.BUILDING,
                x,
                y,
                float(heights.min()) - 0.4,
                yaw,
                depth,
                width,
                3.1 * storeys + 0.9,
                int(1000 * u[6]),
                u[7],
            )
            x, y = front.x + 1.6 * front.nx, front.y + 1.6 * front.ny
            if n % 5 == 0 and not town and self._free(np.array([x, y, front.yaw, 5.0, 0.8]), 0.3, 0.0):
                self._add(PlanKind.HEDGE, x, y, front.z - 0.2, front.yaw, 5.0, 0.8, 1.4)

    def add_roadside(self, frontages: list[Frontage]) -> None:
        """Lamps and trees along walkways, rails along fast roads, parapets and pillars along bridges."""
        for front in frontages:
            town = front.town
            slot = int(front.s // FRONTAGE_STEP_M)  # samples lie at odd metres: rounding would give even slots only
            u = unit_hash(self.seed, 22, *front.border, slot)
            if self._on_bridge(front):
                # Outside the border, and down past the edge of the slab.
                x, y = front.x + 0.15 * front.nx, front.y + 0.15 * front.ny
                self._add(PlanKind.PARAPET, x, y, front.z - 0.95, front.yaw, FRONTAGE_STEP_M + 0.15, 0.3, 1.9)
                if slot % 10 == 5:
                    self._pillar(front)
                continue
            out = 0.8 if town else 1.6
            x, y = front.x + out * front.nx, front.y + out * front.ny
            if front.fast and not town:
                x, y = front.x + 0.7 * front.nx, front.y + 0.7 * front.ny
                if self._clear(x, y, front.z, 0.5) and not self._near_map_rail(x, y):
                    self._add(PlanKind.RAIL, x, y, front.z - 0.1, front.yaw, FRONTAGE_STEP_M + 0.1, 0.2, 0.85)
                continue
            if not self._clear(x, y, front.z, 0.7) or not self._free(np.array([x, y, 0.0, 0.5, 0.5]), 0.6, 0.2):
                continue
            z = self._height(x, y, front.z)
            if town and slot % 14 == 3:
                yaw = float(np.arctan2(-front.ny, -front.nx))
                self._add(PlanKind.LAMP, x, y, z, yaw, 1.6, 0.16, 6.5)
            elif town and slot % 7 == 6 and u < 0.75 and "tree" not in self.map.complete:
                size = 3.2 + 1.2 * u
                # Broad-leaved, with its crown above pedestrians and clear of vehicles.
                if self._highest_rank_around(x, y, front.z, 0.5 * size) < 2:
                    self._add(PlanKind.TREE, x, y, z - 0.1, 0.0, size, size, 8.0 + 2.5 * u, 2 * (int(u * 1000) % 2), u)
            elif not town and unit_hash(self.seed, 25, *front.border, slot // 16) < 0.2:
                # A row of panels, each at its own height.
                x, y = x + 1.5 * front.nx, y + 1.5 * front.ny
                if self._free(np.array([x, y, front.yaw, FRONTAGE_STEP_M + 0.1, 0.4]), 0.6, 0.0):
                    z = self._height(x, y, front.z)
                    self._add(PlanKind.FENCE, x, y, z - 0.1, front.yaw, FRONTAGE_STEP_M + 0.1, 0.12, 1.2)

    def add_woodland(self, frontages: list[Frontage]) -> None:
        """Trees and bushes on open ground, in groups."""
        if not frontages:
            return
        cells = sorted(
            {(int(f.x // 64) + i, int(f.y // 64) + j) for f in frontages for i in (-1, 0, 1) for j in (-1, 0, 1)}
        )
        for cx, cy in cells:
            for n in range(70):
                u = [unit_hash(self.seed, 23, cx, cy, n, k) for k in range(5)]
                x, y = 64.0 * (cx + u[0]), 64.0 * (cy + u[1])
                wood = unit_hash(self.seed, 24, int(x // 24), int(y // 24))
                if u[2] > 0.08 + 0.75 * max(wood - 0.45, 0.0):
                    continue
                size = 4.0 + 3.5 * u[3]
                z = float(self.surface.terrain_height(np.array([x]), np.array([y]))[0])
                if not self._clear(x, y, z, 0.5 * size + 1.5) or not self._free(
                    np.array([x, y, 0.0, 3.0, 3.0]), 0.5 * size, 0.4
                ):
                    continue
                if u[4] < 0.2:
                    self._add(PlanKind.BUSH, x, y, z - 0.2, 0.0, 0.4 * size, 0.4 * size, 1.6, 0, u[3])
                else:
                    self._add(PlanKind.TREE, x, y, z - 0.2, 0.0, size, size, 7.0 + 6.0 * u[3], int(u[4] * 10) % 3, u[3])

    def _pillar(self, front: Frontage) -> None:
        x, y = front.x - 1.2 * front.nx, front.y - 1.2 * front.ny
        ground = float(self.surface.terrain_height(np.array([x]), np.array([y]))[0])
        dx, dy = (v.ravel() for v in np.meshgrid([-1.5, 0.0, 1.5], [-1.5, 0.0, 1.5]))
        # Lanes of every deck below this one; the query covers 2 m to either side of a height.
        levels = np.arange(ground, front.z - 2.5, 2.0)
        if front.z - ground > 3.5 and all(self._rank(x + dx, y + dy, np.full(9, z)).max() < 0 for z in levels):
            self._add(PlanKind.PILLAR, x, y, ground - 0.5, front.yaw, 1.0, 1.0, front.z - ground - 0.3)

    def _add(self, kind: PlanKind, x: float, y: float, z: float, yaw: float, length: float, width: float, height: float,
             variant: int = 0, style: float = 0.5) -> None:  # fmt: skip
        self.out.append((int(kind), x, y, z, yaw, length, width, height, style, variant))

    def _rank(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return self.surface.rank(x, y, z)

    def _height(self, x: float, y: float, hint: float) -> float:
        return float(self.surface.height(np.array([x]), np.array([y]), np.array([hint]))[0])

    def _on_bridge(self, front: Frontage) -> bool:
        terrain = self.surface.terrain_height(np.array([front.x]), np.array([front.y]))[0]
        return bool(front.z - terrain > 1.5)

    def _clear(self, x: float, y: float, z: float, radius: float) -> bool:
        """Whether there is no lane of any deck within a radius, m."""
        angle = np.linspace(0, 2 * np.pi, 9)[:-1]
        xs = np.concatenate([[x], x + radius * np.cos(angle), x + 0.5 * radius * np.cos(angle)])
        ys = np.concatenate([[y], y + radius * np.sin(angle), y + 0.5 * radius * np.sin(angle)])
        return bool(self._rank_any(xs, ys).max() < 0)

    def _highest_rank_around(self, x: float, y: float, z: float, radius: float) -> int:
        """Highest rank on a circle, m."""
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        return int(self._rank(x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(12, z)).max())

    def _near_map_rail(self, x: float, y: float) -> bool:
        """Whether the map itself has a rail nearby."""
        low, high = np.searchsorted(self._rails[:, 0], (x - _RAIL_GAP_M, x + _RAIL_GAP_M))
        return bool((np.abs(self._rails[low:high, 1] - y) < _RAIL_GAP_M).any())

    def _rank_any(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Highest rank on any deck, int (N,): nothing is planted under bridges either."""
        low = self.surface.height(x, y, np.full(len(x), -1e3))
        high = self.surface.height(x, y, np.full(len(x), 1e3))
        highest: np.ndarray = np.maximum(self._rank(x, y, low), self._rank(x, y, high))
        return highest

    def _free(self, box: np.ndarray, lanes_m: float, others_m: float) -> bool:
        """Whether there is no lane within `lanes_m` of a box (5,) x, y, yaw, length, width, and no building within
        `others_m`."""
        grown = box + np.array([0, 0, 0, 2 * others_m, 2 * others_m])
        i, j = int(box[0] // 32), int(box[1] // 32)
        for a in (-1, 0, 1):
            for b in (-1, 0, 1):
                if any(boxes_overlap(grown, other) for other in self._boxes.get((i + a, j + b), ())):
                    return False
        if box[3] < 1.0:
            return True
        c, s = np.cos(box[2]), np.sin(box[2])
        u = np.linspace(-0.5, 0.5, 8) * (box[3] + 2 * lanes_m)
        v = np.linspace(-0.5, 0.5, 8) * (box[4] + 2 * lanes_m)
        uu, vv = (w.ravel() for w in np.meshgrid(u, v))
        return bool(self._rank_any(box[0] + c * uu - s * vv, box[1] + s * uu + c * vv).max() < 0)

    def _reserve_footprint(self, box: np.ndarray) -> None:
        """Keep a box free, in all cells of 32 m that it may reach into, but its neighbours, which searches look at."""
        x, y, r = box[0], box[1], max(0.5 * float(np.hypot(box[3], box[4])) - 32.0, 0.0)
        for i in range(int((x - r) // 32), int((x + r) // 32) + 1):
            for j in range(int((y - r) // 32), int((y + r) // 32) + 1):
                self._boxes.setdefault((i, j), []).append(box)
