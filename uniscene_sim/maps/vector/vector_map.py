"""`VectorMap`: a static map of lanes, signals, crossings and placed objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.elements import Frontage, RoadNetwork, Route
from uniscene_sim.maps.frame_origin import network_near_origin
from uniscene_sim.maps.recorded.solid_cells import SolidCells
from uniscene_sim.maps.vector.content import content_hash
from uniscene_sim.maps.vector.frontages import lane_frontages
from uniscene_sim.maps.vector.lane_graph import LaneGraph
from uniscene_sim.maps.vector.layout_raster import rasterise_lanes
from uniscene_sim.maps.vector.npz_file import read_map, save_map
from uniscene_sim.maps.vector.routing import plan_route
from uniscene_sim.maps.vector.surface import SurfaceModel

__all__ = ["VectorMap"]


@dataclass(frozen=True)
class VectorMap(RoadNetwork):
    """A static map of lanes. Made from OpenDRIVE by `maps.opendrive.reader`, shipped as `.npz`."""

    @cached_property
    def ref(self) -> str:
        """Identity: that of the source file and its reader or, for a map made in memory, of its content."""
        return self.source_ref or content_hash(self)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max of all lanes' borders, m."""
        xy = np.concatenate([lane.border(side)[:, :2] for lane in self.lanes for side in (1, -1)])
        low, high = xy.min(axis=0), xy.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @cached_property
    def graph(self) -> LaneGraph:
        """Lanes as flat arrays with a spatial index."""
        return LaneGraph.build(self.lanes)

    @cached_property
    def surface(self) -> SurfaceModel:
        """Heights, paint and polygons of the ground."""
        return SurfaceModel(self, self.graph)

    @property
    def complete(self) -> frozenset[str]:
        """Kinds of which plans of streets know every one; none of OpenDRIVE, whose files seldom do."""
        return frozenset(self.complete_kinds)

    @property
    def solids(self) -> SolidCells | None:
        """None: a plan of streets holds objects."""
        return None

    def frontages(self) -> list[Frontage]:
        """Sides of lanes with open ground beyond, every 2 m."""
        return lane_frontages(self, self.graph, self.surface)

    def road_points(self) -> np.ndarray:
        """Points (N, 2), m, of the centre lines of all driving lanes, about a metre apart."""
        centres = [lane.centre[:, :2] for lane in self.lanes if lane.kind == "driving"]
        return np.concatenate(centres) if centres else np.zeros((0, 2))

    def nearest_lane(
        self, x: float, y: float, z: float | None = None, yaw: float | None = None, kinds: Sequence[str] = ("driving",)
    ) -> tuple[int, float, float]:
        """The lane at or nearest to a place, see `StaticMap.nearest_lane`.

        Args:
            x, y: place, m.
            z: height, m, which distinguishes decks; None ignores it.
            yaw: heading, rad, in favour of lanes of like heading; None ignores it.
            kinds: kinds of lanes to search.

        Returns:
            Index of the lane, arc length on it and offset to its left, m; (-1, 0, 0) if the map has no such lane.
        """
        return self.graph.nearest(x, y, z, yaw, kinds)

    def lane_point(self, lane: int, s: float) -> tuple[float, float, float, float]:
        """x, y, z (m) and yaw (rad) on the centre line of a lane at arc length `s`, m, clipped to the lane."""
        return self.graph.point(lane, s)

    def route(
        self, start_lane: int, start_s: float = 0.0, goal_lane: int | None = None, length_m: float = 300.0
    ) -> Route:
        """Route from a place on a lane.

        Args:
            start_lane: index of the first lane.
            start_s: arc length on it, m.
            goal_lane: lane at whose end the route ends; None goes as straight ahead as the map allows.
            length_m: length without a goal.

        Raises:
            InputError: no such lane, or no route to the goal.
        """
        return plan_route(self, start_lane, start_s, goal_lane, length_m)

    def rasterise(
        self,
        bev_pose_xyyaw: tuple[float, float, float],
        shape: tuple[int, int],
        resolution_m: float,
        z_hint: float | None = None,
        schema: LayoutSchema | None = None,
    ) -> BevLayout:
        """Multi-hot raster of the static map, without agents.

        Args:
            bev_pose_xyyaw: x, y (m) and yaw (rad) of the raster's centre in the map frame.
            shape: cells (X, Y).
            resolution_m: size of a cell.
            z_hint: height of the deck to draw, m; None draws all.
            schema: channels; None is the default.
        """
        pose, triangles = bev_pose_xyyaw, self.surface.triangles
        return rasterise_lanes(self, triangles, pose, shape, resolution_m, z_hint, schema or LayoutSchema())

    def surface_height(self, x: np.ndarray, y: np.ndarray, z_hint: np.ndarray) -> np.ndarray:
        """Height (N,), m, of the ground at places (N,) on the deck nearest to `z_hint` (N,)."""
        return self.surface.height(x, y, z_hint)

    def save(self, path: str | Path) -> None:
        """Write `.npz` (no pickle) with the identity of the map, completely or not at all."""
        save_map(self, path, self.ref)

    @classmethod
    def load(cls, path: str | Path) -> VectorMap:
        """Read `.npz`; InputError if it is damaged."""
        return cls(**vars(network_near_origin(read_map(path))))
