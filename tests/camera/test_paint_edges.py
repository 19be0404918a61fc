"""Lines and kerbs in images lie where their geometry is, at any angle and resolution."""

from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.camera.raycast.engine import PlainCameras, RaycastCameras
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.world.scenario_source import ScenarioSource

WIDTH_M = 4.0
ROAD, ROAD_DIVIDER = OccClass.DRIVEABLE_SURFACE, OccClass.ROAD_DIVIDER


class Line:
    """A road along a straight line at an angle through (30, 30); left of its axis is positive."""

    def __repr__(self) -> str:
        return f"line-{np.degrees(self.yaw):.0f}"

    def __init__(self, degrees: float):
        self.yaw = np.radians(degrees)

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.array([30.0, 30.0]) + s[:, None] * [np.cos(self.yaw), np.sin(self.yaw)], np.full(len(s), self.yaw)

    def left_of(self, xy: np.ndarray) -> np.ndarray:
        return (xy - 30.0) @ [-np.sin(self.yaw), np.cos(self.yaw)]


class Arc:
    """A road that turns left along a circle that touches (30, 30)."""

    def __repr__(self) -> str:
        return f"arc-{self.radius:.0f}"

    def __init__(self, radius_m: float):
        self.radius = radius_m

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = s / self.radius
        return np.array([30.0, 30.0]) + self.radius * np.stack([np.sin(a), 1 - np.cos(a)], 1), a

    def left_of(self, xy: np.ndarray) -> np.ndarray:
        return self.radius - np.hypot(xy[:, 0] - 30.0, xy[:, 1] - 30.0 - self.radius)


def road(axis: Line | Arc) -> VectorMap:
    """A lane with a yellow line on its left, an edge line on its right, and a walkway to the right of that."""
    s = np.linspace(-12.0, 12.0, 25)
    lanes = []
    for kind, left, marks in (("driving", 0.0, ("solid-yellow", "solid")), ("sidewalk", -WIDTH_M, ("none", "none"))):
        centre, yaw = axis.at(s)
        centre = centre + left * np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
        lanes.append(
            Lane(len(lanes), ("1", 0, -1 - len(lanes)), kind, np.column_stack([centre, 0 * s]), yaw,
                 np.full(len(s), WIDTH_M), *marks, junction="7")
        )  # fmt: skip
    return VectorMap("road", tuple(lanes))


@pytest.fixture(scope="module")
def frame():
    source = ScenarioSource.open("cut_in")
    source.reset()
    moment = source.step(source.driver_control(), 100_000)[-1]
    return replace(moment, ego_pose=Pose(30.0, 30.0, 0.0), agents=moment.agents[:0])


def image(frame, world, pose: Pose, focal_px: float, engine):
    spec = CameraSpec("c", 240, 135, focal_px, focal_px, 120.0, 67.5, pose, max_range_m=40.0)
    atlas = TileAtlas(TileStore(ProceduralOccupancy(world, 1)))
    atlas.update(30.0, 30.0, 40.0)
    return spec, engine().step([None], [WorldView(frame, (), atlas)], [spec])[1][0]["c"]


def places(spec: CameraSpec, picture) -> np.ndarray:
    """Places (N, 2) on the ground of all pixels, m, map frame."""
    v, u = np.indices(picture.depth.shape)
    across = np.stack([(u + 0.5 - spec.cx) / spec.fx, (v + 0.5 - spec.cy) / spec.fy, np.ones(u.shape)], axis=-1)
    points = picture.depth[..., None] * across @ spec.rotation_base_from_optical.T
    return 30.0 + (points + spec.pose.position)[..., :2].reshape(-1, 2)


def deviation(picture, left_m: np.ndarray, classes) -> float:
    """Largest distance, m, of pixels on the wrong side of the true border from it.

    Args:
        picture: the image.
        left_m: how far each pixel's place lies left of the border, float64 (N,).
        classes: that lie left of it.
    """
    left, seen = np.isin(picture.semantic.ravel(), classes), np.abs(left_m) < 0.06
    assert seen.sum() > 200 and 0.1 < left[seen].mean() < 0.9
    wrong = seen & (left != (left_m > 0))
    return float(np.abs(left_m[wrong]).max(initial=0.0))


def looks(x: float, y: float, yaw: float) -> tuple[Pose, Pose]:
    """A camera 10 m above a place relative to (30, 30), and one 10 m before it, as high as in a car."""
    back = np.sqrt(100 - 1.6**2)
    ahead = Pose(x - back * np.cos(yaw), y - back * np.sin(yaw), 1.6, 0.0, np.arcsin(0.16), yaw)
    return Pose(x, y, 10.0, 0.0, np.pi / 2, 0.3), ahead


@pytest.mark.parametrize("axis", [Line(17.0), Line(45.0), Line(88.0), Arc(30.0), Arc(8.0)], ids=repr)
def test_edges_at_ten_metres_deviate_by_less_than_five_millimetres(frame, axis):
    world = road(axis)
    _, (yaw,) = axis.at(np.zeros(1))
    for border_m, classes in ((0.5 * WIDTH_M - 0.14, (ROAD_DIVIDER,)), (-0.5 * WIDTH_M, (ROAD, ROAD_DIVIDER))):
        for pose in looks(-border_m * np.sin(yaw), border_m * np.cos(yaw), yaw + 0.2):
            spec, picture = image(frame, world, pose, 2500.0, PlainCameras)
            assert deviation(picture, axis.left_of(places(spec, picture)) - border_m, classes) < 0.005


def test_edges_of_painted_areas_are_those_of_the_map(frame):
    x, y = np.meshgrid(0.25 + 0.5 * np.arange(120), 0.25 + 0.5 * np.arange(120), indexing="ij")
    left = Line(17.0).left_of(np.stack([x, y], axis=-1))
    cells = np.stack([np.abs(left + 5.0) < 5.0, (left > 0.0) & (left < 4.0)])
    world = PaintedMap("slanting", ("drivable_area", "walkway"), cells, 0.5)
    for pose in looks(0.0, 0.0, 0.5):
        spec, picture = image(frame, world, pose, 2500.0, PlainCameras)
        at = places(spec, picture)
        assert deviation(picture, world.surface.road.at(at[:, 0], at[:, 1]), (ROAD,)) < 0.005


def test_pixels_on_an_edge_show_the_mean_of_both_sides(frame):
    """A yellow line of 14 cm: where it is less than two pixels wide, its pixels add up to what it covers."""
    axis = Line(17.0)
    border_m = 0.5 * WIDTH_M - 0.07
    above, _ = looks(-border_m * np.sin(axis.yaw), border_m * np.cos(axis.yaw), 0.0)
    fine_spec, fine = image(frame, road(axis), above, 1500.0, RaycastCameras)
    spec, coarse = image(frame, road(axis), above, 120.0, RaycastCameras)
    assert fine_spec.pose == spec.pose
    near = [np.abs(axis.left_of(places(s, p)) - border_m) < 0.25 for s, p in ((fine_spec, fine), (spec, coarse))]
    light = [(p.rgb.reshape(-1, 3)[n] / 255.0) ** 2.2 for n, p in zip(near, (fine, coarse), strict=True)]
    np.testing.assert_allclose(light[0].mean(axis=0), light[1].mean(axis=0), rtol=0.1)  # tones are compressed
    red = light[1][:, 0]
    low, high = np.quantile(red, (0.05, 0.95))
    between = (red > low + 0.2 * (high - low)) & (red < high - 0.2 * (high - low))
    assert between.mean() > 0.08
