"""The plan of a map: places of buildings, trees, lamps, rails and posts, from its frontages.

Objects are functions of the map and the seed alone, in a fixed order, so every tile finds the same ones.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash, unit_hashes
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
_TREES_OF_CELL = 70  # that could grow on 64 m by 64 m
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
        for n, (front, on_bridge) in enumerate(zip(frontages, self._on_bridge(frontages), strict=True)):
            town = front.town
            if front.fast or on_bridge:
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
        x, y, nx, ny = np.array([(f.x, f.y, f.nx, f.ny) for f in frontages]).reshape(-1, 4).T
        town = np.array([f.town for f in frontages], bool)
        railed = np.array([f.fast for f in frontages], bool) & ~town
        out = np.where(railed, 0.7, np.where(town, 0.8, 1.6))
        xs, ys = x + out * nx, y + out * ny
        clear = self._clear(xs, ys, np.where(railed, 0.5, 0.7))
        for n, (front, on_bridge) in enumerate(zip(frontages, self._on_bridge(frontages), strict=True)):
            slot = int(front.s // FRONTAGE_STEP_M)  # samples lie at odd metres: rounding would give even slots only
            if on_bridge:
                # Outside the border, and down past the edge of the slab.
                edge = front.x + 0.15 * front.nx, front.y + 0.15 * front.ny
                self._add(PlanKind.PARAPET, *edge, front.z - 0.95, front.yaw, FRONTAGE_STEP_M + 0.15, 0.3, 1.9)
                if slot % 10 == 5:
                    self._pillar(front)
            elif clear[n] and railed[n]:
                if not self._near_map_rail(xs[n], ys[n]):
                    self._add(PlanKind.RAIL, xs[n], ys[n], front.z - 0.1, front.yaw, FRONTAGE_STEP_M + 0.1, 0.2, 0.85)
            elif clear[n]:
                self._add_beside(front, slot, float(xs[n]), float(ys[n]))

    def _add_beside(self, front: Frontage, slot: int, x: float, y: float) -> None:
        """A lamp or a tree on a walkway, or a panel of a fence, if it is the turn of one."""
        town, u = front.town, unit_hash(self.seed, 22, *front.border, slot)
        lamp = town and slot % 14 == 3
        tree = town and slot % 7 == 6 and u < 0.75 and "tree" not in self.map.complete
        fence = not town and unit_hash(self.seed, 25, *front.border, slot // 16) < 0.2
        if not (lamp or tree or fence) or not self._apart(np.array([x, y, 0.0, 0.5, 0.5]), 0.2):
            return
        if lamp:
            yaw = float(np.arctan2(-front.ny, -front.nx))
            self._add(PlanKind.LAMP, x, y, self._height(x, y, front.z), yaw, 1.6, 0.16, 6.5)
        elif tree:
            size = 3.2 + 1.2 * u
            # Broad-leaved, with its crown above pedestrians and clear of vehicles.
            if self._highest_rank_around(x, y, front.z, 0.5 * size) < 2:
                z = self._height(x, y, front.z) - 0.1
                self._add(PlanKind.TREE, x, y, z, 0.0, size, size, 8.0 + 2.5 * u, 2 * (int(u * 1000) % 2), u)
        else:
            # A row of panels, each at its own height.
            x, y = x + 1.5 * front.nx, y + 1.5 * front.ny
            if self._free(np.array([x, y, front.yaw, FRONTAGE_STEP_M + 0.1, 0.4]), 0.6, 0.0):
                z = self._height(x, y, front.z) - 0.1
                self._add(PlanKind.FENCE, x, y, z, front.yaw, FRONTAGE_STEP_M + 0.1, 0.12, 1.2)

    def add_woodland(self, frontages: list[Frontage]) -> None:
        """Trees and bushes on open ground, in groups."""
        if not frontages:
            return
        cells = sorted(
            {(int(f.x // 64) + i, int(f.y // 64) + j) for f in frontages for i in (-1, 0, 1) for j in (-1, 0, 1)}
        )
        number = np.tile(np.arange(_TREES_OF_CELL), len(cells))
        cx, cy = np.repeat(np.array(cells), _TREES_OF_CELL, axis=0).T
        u = np.stack([unit_hashes(self.seed, 23, cx, cy, number, k) for k in range(5)])
        x, y = 64.0 * (cx + u[0]), 64.0 * (cy + u[1])
        wood = unit_hashes(self.seed, 24, *(np.floor_divide(v, 24).astype(np.int64) for v in (x, y)))
        grows = u[2] <= 0.08 + 0.75 * np.maximum(wood - 0.45, 0.0)
        x, y, u = x[grows], y[grows], u[:, grows]
        grows = self._clear(x, y, 0.5 * (4.0 + 3.5 * u[3]) + 1.5)
        x, y, u = x[grows], y[grows], u[:, grows]
        size = 4.0 + 3.5 * u[3]
        box = np.stack([x, y, np.zeros(len(x)), np.full(len(x), 3.0), np.full(len(x), 3.0)], axis=1)
        ground = self.surface.terrain_height(x, y)
        for n in np.flatnonzero(self._off_lanes(box, 0.5 * size)):
            if not self._apart(box[n], 0.4):
                continue
            place, style, kind, wide = (x[n], y[n], ground[n] - 0.2, 0.0), u[3, n], u[4, n], size[n]
            if kind < 0.2:
                self._add(PlanKind.BUSH, *place, 0.4 * wide, 0.4 * wide, 1.6, 0, style)
            else:
                self._add(PlanKind.TREE, *place, wide, wide, 7.0 + 6.0 * style, int(kind * 10) % 3, style)

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

    def _on_bridge(self, frontages: list[Frontage]) -> np.ndarray:
        """Whether they (N) are high above the open ground, bool (N,)."""
        x, y, z = np.array([(f.x, f.y, f.z) for f in frontages]).reshape(-1, 3).T
        height: np.ndarray = z - self.surface.terrain_height(x, y)
        return height > 1.5

    def _clear(self, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Whether there is no lane of any deck within radii (N,), m, of places (N,), bool (N,)."""
        angle = np.linspace(0, 2 * np.pi, 9)[:-1]
        along, across = np.concatenate([[0.0], np.cos(angle)]), np.concatenate([[0.0], np.sin(angle)])
        rings = [radius[:, None], 0.5 * radius[:, None]]
        xs, ys = (np.hstack([at[:, None] + r * to for r in rings]) for at, to in ((x, along), (y, across)))
        return self._no_lane(xs, ys)

    def _highest_rank_around(self, x: float, y: float, z: float, radius: float) -> int:
        """Highest rank on a circle, m."""
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        return int(self._rank(x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(12, z)).max())

    def _near_map_rail(self, x: float, y: float) -> bool:
        """Whether the map itself has a rail nearby."""
        low, high = np.searchsorted(self._rails[:, 0], (x - _RAIL_GAP_M, x + _RAIL_GAP_M))
        return bool((np.abs(self._rails[low:high, 1] - y) < _RAIL_GAP_M).any())

    def _no_lane(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether places (N, M) are all off the lanes of every deck, bool (N,): nothing is planted under bridges."""
        flat = x.ravel(), y.ravel()
        highest = np.full(x.size, -1)
        for hint in (-1e3, 1e3):
            height = self.surface.height(*flat, np.full(x.size, hint))
            highest = np.maximum(highest, self._rank(*flat, height))
        none: np.ndarray = np.all(highest.reshape(x.shape) < 0, axis=1)
        return none

    def _free(self, box: np.ndarray, lanes_m: float, others_m: float) -> bool:
        """Whether there is no lane within `lanes_m` of a box (5,) x, y, yaw, length, width, and no building within
        `others_m`."""
        return self._apart(box, others_m) and bool(self._off_lanes(box[None], np.array([lanes_m]))[0])

    def _apart(self, box: np.ndarray, others_m: float) -> bool:
        """Whether no building is within `others_m` of a box (5,)."""
        grown = box + np.array([0, 0, 0, 2 * others_m, 2 * others_m])
        i, j = int(box[0] // 32), int(box[1] // 32)
        near = (other for a in (-1, 0, 1) for b in (-1, 0, 1) for other in self._boxes.get((i + a, j + b), ()))
        return not any(boxes_overlap(grown, other) for other in near)

    def _off_lanes(self, box: np.ndarray, lanes_m: np.ndarray) -> np.ndarray:
        """Whether no lane is within `lanes_m` (N,) of boxes (N, 5), bool (N,)."""
        c, s = np.cos(box[:, 2, None]), np.sin(box[:, 2, None])
        v, u = (w.ravel() for w in np.meshgrid(*2 * [np.linspace(-0.5, 0.5, 8)], indexing="ij"))
        u, v = u * (box[:, 3] + 2 * lanes_m)[:, None], v * (box[:, 4] + 2 * lanes_m)[:, None]
        return self._no_lane(box[:, 0, None] + c * u - s * v, box[:, 1, None] + s * u + c * v)

    def _reserve_footprint(self, box: np.ndarray) -> None:
        """Keep a box free, in all cells of 32 m that it may reach into, but its neighbours, which searches look at."""
        x, y, r = box[0], box[1], max(0.5 * float(np.hypot(box[3], box[4])) - 32.0, 0.0)
        for i in range(int((x - r) // 32), int((x + r) // 32) + 1):
            for j in range(int((y - r) // 32), int((y + r) // 32) + 1):
                self._boxes.setdefault((i, j), []).append(box)
