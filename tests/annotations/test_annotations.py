"""Annotations: held to plain references, to images of the same cameras, and to what the layout says."""

import hashlib
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from uniscene_sim.annotations.annotator import Annotator
from uniscene_sim.annotations.boxes import amodal_box, boxes_in, posed_agents, set_visibility
from uniscene_sim.annotations.draw import flow_rgb
from uniscene_sim.annotations.silhouettes import unoccluded_extent
from uniscene_sim.assembly import assemble
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.frames import BOX_DTYPE
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.taxonomy import EGO_ID, AgentClass, Material, OccClass
from uniscene_sim.tile import TILE_M, Tile
from uniscene_sim.tracing.agents import template_arrays
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.tracing.depth_images import are_unoccluded
from uniscene_sim.tracing.kernels import trace_agent
from uniscene_sim.tracing.slabs import Ray
from uniscene_sim.tracing.templates.template_set import built_in_templates
from uniscene_sim.world.scenario_source import ScenarioSource

MOUNT = Pose(1.5, 0.1, 1.6, roll=0.02, pitch=0.05, yaw=-0.1)
PIN = CameraSpec("pin", 160, 100, 90.0, 92.0, 80.0, 52.0, MOUNT, max_range_m=60.0)
BROWN = CameraSpec("brown", 160, 100, 90.0, 90.0, 80.0, 50.0, MOUNT, model="brown_conrady",
                   distortion=(-0.25, 0.06, 0.001, -0.002, -0.004), max_range_m=60.0)  # fmt: skip
FISHEYE = CameraSpec("fish", 150, 150, 44.0, 44.0, 75.0, 75.0, replace(MOUNT, x=3.7), model="fisheye",
                     distortion=(0.02, -0.006, 0.001), max_range_m=60.0, ego_visible=True)  # fmt: skip
CAMERAS = (PIN, BROWN, FISHEYE)
LIDAR = LidarSpec("top", Pose(0.9, 0.0, 1.8), tuple(np.radians(np.linspace(-20.0, 5.0, 24))), 720, max_range_m=60.0)
RIG = SensorRig("synthetic", CAMERAS, (LIDAR,))
CAR_M, VAN_M, MAN_M = (4.5, 1.8, 1.5), (8.0, 2.5, 3.0), (0.6, 0.6, 1.8)
ROOT = Path(__file__).parents[2]
NO_LANES = VectorMap("none", ())


class Plain:
    """A flat world of checkered ground, as a store of tiles."""

    def get(self, ix: int, iy: int) -> Tile:
        paint = np.where(np.add.outer(np.arange(640) // 10, np.arange(640) // 10) % 2, Material.ASPHALT, Material.GRASS)
        return Tile(
            (ix, iy), -3.2, np.full((20, 20, 24), -1, np.int32), np.zeros((0, 8, 8, 8), np.uint8),
            np.zeros((0, 8, 8, 8), np.int32), np.zeros(0, np.uint64), np.zeros((1, 321, 321), np.float32),
            paint[None].astype(np.uint8),
        )  # fmt: skip

    def around(self, x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
        low, high = (int((v - radius_m) // TILE_M) for v in (x, y)), (int((v + radius_m) // TILE_M) for v in (x, y))
        (x0, y0), (x1, y1) = low, high
        return [(i, j) for i in range(x0, x1 + 1) for j in range(y0, y1 + 1)]


@pytest.fixture(scope="module")
def atlas() -> TileAtlas:
    atlas = TileAtlas(Plain())
    atlas.update(0.0, 0.0, 80.0)
    return atlas


def layout(time_s: float, *agents: tuple, ego=(0.0, 0.0, 0.0)) -> LayoutFrame:
    """A moment: agents are (id, class, size, position, velocity, yaw, yaw rate), ego is (speed, yaw, yaw rate), all as
    they are at time 0."""
    rows = np.zeros(len(agents), AGENT_DTYPE)
    for row, (number, cls, size, pos, vel, yaw, rate) in zip(rows, agents, strict=True):
        row["id"], row["cls"], row["size"], row["vel"], row["colour"] = number, cls, size, vel, 77 * number
        row["pos"] = np.add(pos, np.multiply(vel, time_s))
        row["rpy"] = 0.0, 0.0, yaw + rate * time_s
    speed, yaw, rate = ego
    pose = Pose(speed * time_s, 0.3 * speed * time_s, 0.0, roll=0.01 * time_s, yaw=yaw + rate * time_s)
    return LayoutFrame(
        1_000_000 + round(1e6 * time_s), pose, np.array([speed, 0.3 * speed, 0.0]), rate, 0.0, 0.0, EgoVehicle(), rows,
        np.zeros(0, np.uint8), np.zeros((0, 3)), "plain", 0,
    )  # fmt: skip


TRAFFIC = (
    (5, AgentClass.CAR, CAR_M, (14.0, 2.5, 0.0), (6.0, 1.0, 0.0), 0.3, 0.5),
    (6, AgentClass.TRUCK, VAN_M, (22.0, -4.0, 0.0), (0.0, 0.0, 0.0), 2.0, 0.0),
    (7, AgentClass.PEDESTRIAN, MAN_M, (8.0, -1.5, 0.0), (0.0, 1.4, 0.0), 1.57, 0.0),
)


def see(atlas, frames, rig=RIG, kinds=("flow", "boxes"), static_map=NO_LANES):
    """Sensors and their annotations at each of some moments 100 ms apart; each moment is (time, frame at a time)."""
    annotator, out = Annotator(rig, static_map, kinds), []
    for time_s, at in frames:
        history = tuple(at(time_s - 0.01 * k) for k in range(11, 0, -1))
        view = WorldView(at(time_s), history, atlas)
        cameras = RaycastCameras(smooth_edges=False).step(None, [view], rig.cameras)[1][0]
        sweeps = RaycastLidar().step(None, [view], rig.lidars)[1][0]
        out.append((view.frame, cameras, sweeps, annotator.annotate(view, cameras, sweeps)))
    return out


@pytest.fixture(scope="module")
def moving(atlas):
    """Two moments: a turning ego, a car that drives and turns, a van that stands, a person who walks."""

    def at(time_s):
        return layout(time_s, *TRAFFIC, ego=(5.0, 0.1, 0.4))

    return see(atlas, [(0.0, at), (0.1, at)])


def matrix_of(frame: LayoutFrame, number: int) -> np.ndarray:
    """(4, 4) map <- body of an instance id; the world where it is 0."""
    if number == 0:
        return np.eye(4)
    if number == EGO_ID:
        return frame.ego_pose.matrix
    row = frame.agents[frame.agents["id"] == number][0]
    return Pose(*row["pos"], *row["rpy"]).matrix


def reference_flow(then: LayoutFrame, now: LayoutFrame, spec: CameraSpec, image, u: int, v: int):
    """Optical and scene flow of one pixel, step by step through the map frame."""
    pixel = np.array([[u + 0.5, v + 0.5]])
    ray, seen = spec.unproject(pixel)
    if not seen[0]:
        return np.full(2, np.nan), np.full(3, np.nan)
    depth = float(image.depth[v, u])
    optical = [f.ego_pose.rotation @ spec.rotation_base_from_optical for f in (then, now)]
    origin = [f.ego_pose.compose(spec.pose).position for f in (then, now)]
    if np.isinf(depth):
        was, scene = optical[0].T @ (optical[1] @ ray[0]), np.full(3, np.nan)
    else:
        point = ray[0] * (depth if spec.model == "fisheye" else depth / ray[0, 2])
        in_map = optical[1] @ point + origin[1]
        number = int(image.instance[v, u])
        moved = matrix_of(then, number) @ np.linalg.inv(matrix_of(now, number)) @ [*in_map, 1.0]
        was = optical[0].T @ (moved[:3] - origin[0])
        scene = was - point
    back, seen = spec.project(was[None])
    return (back[0] - pixel[0] if seen[0] else np.full(2, np.nan)), scene


@pytest.mark.parametrize("spec", CAMERAS, ids=lambda s: s.model)
def test_flow_as_reference(moving, spec):
    (then, *_), (now, cameras, _, found) = moving
    image, got = cameras[spec.name], found.cameras[spec.name]
    assert {0, 5, 6, 7} <= set(np.unique(image.instance).tolist()) and np.isinf(image.depth).any()
    for v in range(0, spec.height, 3):
        for u in range(v % 5, spec.width, 5):
            flow, scene = reference_flow(then, now, spec, image, u, v)
            np.testing.assert_allclose(got.optical_flow[v, u], flow, atol=2e-5, rtol=1e-6, equal_nan=True)
            np.testing.assert_allclose(got.scene_flow[v, u], scene, atol=2e-6, rtol=1e-6, equal_nan=True)


def test_the_ego_does_not_flow(moving):
    _, (_, cameras, _, found) = moving
    own = cameras["fish"].instance == EGO_ID
    assert own.sum() > 100 and np.abs(found.cameras["fish"].optical_flow[own]).max() < 1e-4
    assert not found.cameras["fish"].occluded[own].any()


def test_the_first_image_has_no_flow(moving):
    (_, _, _, first), _ = moving
    for camera in first.cameras.values():
        assert np.isnan(camera.optical_flow).all() and np.isnan(camera.scene_flow).all() and camera.occluded.all()


def test_who_was_not_there_has_no_flow(atlas):
    """A body that has just entered, and another that took over its number."""
    car = (9, AgentClass.CAR, CAR_M, (12.0, 0.0, 0.0), (3.0, 0.0, 0.0), 0.0, 0.0)
    van = (9, AgentClass.TRUCK, VAN_M, (12.0, 0.0, 0.0), (3.0, 0.0, 0.0), 0.0, 0.0)
    for before in ((), (van,)):
        moments = [(0.0, lambda t, b=before: layout(t, *b)), (0.1, lambda t: layout(t, car))]
        (_, _, _, _), (_, cameras, _, found) = see(atlas, moments, kinds=("flow",))
        on = cameras["pin"].instance == 9
        assert on.sum() > 100
        assert np.isnan(found.cameras["pin"].optical_flow[on]).all() and found.cameras["pin"].occluded[on].all()
        ground = np.isfinite(cameras["pin"].depth) & ~on
        assert not np.isnan(found.cameras["pin"].optical_flow[ground]).any()


@pytest.mark.parametrize("spec", CAMERAS, ids=lambda s: s.model)
def test_the_previous_image_lies_where_flow_points(moving, spec):
    """Instances and colours found there are those of now; what is occluded is what they are not."""
    (_, before, _, _), (_, cameras, _, found) = moving
    old, new, got = before[spec.name], cameras[spec.name], found.cameras[spec.name]
    v, u = np.nonzero(~got.occluded)
    assert len(v) > 0.5 * new.depth.size
    at = got.optical_flow[v, u] + np.stack([u, v], axis=1) + 0.5
    i, j = at[:, 1].astype(int), at[:, 0].astype(int)
    assert (old.instance[i, j] == new.instance[v, u]).mean() > 0.98
    error = np.abs(old.rgb[i, j].astype(int) - new.rgb[v, u]).mean()
    stale = np.abs(old.rgb[v, u].astype(int) - new.rgb[v, u]).mean()
    assert error < 0.6 * stale


def test_what_a_body_uncovers_is_occluded(atlas):
    """The ground behind a car that drives across is new, the car is not."""
    car = (9, AgentClass.CAR, CAR_M, (9.0, 0.0, 0.0), (0.0, 12.0, 0.0), np.pi / 2, 0.0)
    at = lambda t: layout(t, car)  # noqa: E731
    (_, before, _, _), (_, cameras, _, found) = see(atlas, [(0.0, at), (0.1, at)], kinds=("flow",))
    old, new, occluded = before["pin"].instance, cameras["pin"].instance, found.cameras["pin"].occluded
    left_free = (old == 9) & (new == 0) & np.isfinite(cameras["pin"].depth)
    assert left_free.sum() > 100 and occluded[left_free].mean() > 0.95
    assert occluded[(old == 0) & (new == 0)].mean() < 0.02 and occluded[new == 9].mean() < 0.1


def test_optical_flow_is_scene_flow_projected(moving):
    _, (_, cameras, _, found) = moving
    for spec in CAMERAS:
        got, depth = found.cameras[spec.name], cameras[spec.name].depth.astype(np.float64)
        v, u = np.nonzero(np.isfinite(depth) & ~np.isnan(got.optical_flow[..., 0]))
        pixels = np.stack([u, v], axis=1) + 0.5
        rays, _ = spec.unproject(pixels)
        along = depth[v, u] / (1.0 if spec.model == "fisheye" else rays[:, 2])
        back, seen = spec.project(rays * along[:, None] + got.scene_flow[v, u])
        assert seen.all()
        np.testing.assert_allclose(back - pixels, got.optical_flow[v, u], atol=2e-4)


def test_points_have_the_velocity_of_their_body(moving):
    _, (now, _, sweeps, found) = moving
    sweep, flow = sweeps["top"], found.sweeps["top"].scene_flow
    sensor = now.ego_pose.compose(LIDAR.pose)
    assert flow.dtype == np.float32 and not flow[sweep.instance == 0].any()
    # Places are whole multiples of 2^-30 m, a sweep is made of poses 10 ms apart.
    np.testing.assert_allclose(flow[sweep.instance == 6], 0.0, atol=1e-6)
    for number, _, _, pos, vel, _, rate in (TRAFFIC[0], TRAFFIC[2]):
        on = sweep.instance == number
        assert on.sum() > 10
        at = sensor.apply(sweep.xyz[on])
        centre = np.add(pos, np.multiply(vel, 0.1 + sweep.time_s[on, None]))
        arm = (at - centre)[:, :2]
        wanted = np.array(vel) + rate * np.stack([-arm[:, 1], arm[:, 0], 0 * arm[:, 0]], axis=1)
        # the last 10 ms of a circle are a chord
        np.testing.assert_allclose(flow[on] @ sensor.rotation.T, wanted, atol=0.02)


def test_boxes_in_every_frame_are_the_layout(moving):
    _, (now, _, sweeps, found) = moving
    for box in found.boxes:
        row = now.agents[now.agents["id"] == box["id"]][0]
        centre = now.ego_pose.apply(box["centre"])
        np.testing.assert_allclose(centre, row["pos"] + [0, 0, row["size"][2] / 2], atol=1e-9)
        np.testing.assert_allclose(now.ego_pose.rotation @ box["velocity"], row["vel"], atol=1e-9)
        np.testing.assert_allclose(box["size"], row["size"])
        heading = now.ego_pose.rotation @ box["rotation"][:, 0]
        assert np.arctan2(heading[1], heading[0]) == pytest.approx(row["rpy"][2], abs=1e-9)
        for spec in CAMERAS:
            seen = found.cameras[spec.name].boxes
            other = seen[seen["id"] == box["id"]][0]
            rotation = now.ego_pose.rotation @ spec.rotation_base_from_optical
            np.testing.assert_allclose(
                rotation @ other["centre"] + now.ego_pose.compose(spec.pose).position, centre, atol=1e-9
            )
            np.testing.assert_allclose(rotation @ other["rotation"][:, 0], heading, atol=1e-9)
        assert box["num_lidar_pts"] == (sweeps["top"].instance == box["id"]).sum()
    assert set(found.boxes["id"]) == {5, 6, 7}, "all but the ego"


def test_counted_points_lie_in_their_box(moving):
    """Of a body that stands; the box is taken a voxel larger, for its shape may overhang it."""
    _, (_, _, sweeps, found) = moving
    box = found.sweeps["top"].boxes[found.sweeps["top"].boxes["id"] == 6][0]
    local = (sweeps["top"].xyz - box["centre"]) @ box["rotation"]
    inside = (np.abs(local) < box["size"] / 2 + 0.06).all(axis=1) & (local[:, 2] > -box["size"][2] / 2 + 0.1)
    assert box["num_lidar_pts"] > 50
    np.testing.assert_array_equal(np.flatnonzero(inside & (sweeps["top"].instance != 6)), [])
    assert inside[sweeps["top"].instance == 6].mean() > 0.9


def test_a_half_hidden_car(atlas):
    """A van hides part of a car: pixels alone are those of an image without the van."""
    car = (5, AgentClass.CAR, CAR_M, (20.0, 0.0, 0.0), (0, 0, 0), np.pi / 2, 0.0)
    for aside, level in ((6.5, 4), (3.9, 2), (0.0, 1)):
        van = (6, AgentClass.TRUCK, VAN_M, (12.0, aside, 0.0), (0, 0, 0), np.pi / 2, 0.0)
        ((_, with_van, _, found),) = see(atlas, [(0.0, lambda t, v=van: layout(t, car, v))], kinds=("boxes",))
        ((_, without, _, _),) = see(atlas, [(0.0, lambda t: layout(t, car))], kinds=("boxes",))
        for spec in CAMERAS:
            box = found.cameras[spec.name].boxes[found.cameras[spec.name].boxes["id"] == 5][0]
            visible, whole = ((images[spec.name].instance == 5).sum() for images in (with_van, without))
            assert (box["num_pixels"], box["num_pixels_alone"]) == (visible, whole) and whole > 30
            assert box["visibility"] == np.float32(visible / whole)
        front = found.cameras["pin"].boxes
        assert front["visibility_level"][front["id"] == 5] == level, front["visibility"]
        over_all = found.boxes[found.boxes["id"] == 5][0]
        totals = [
            sum(int(c.boxes[name][c.boxes["id"] == 5].sum()) for c in found.cameras.values())
            for name in ("num_pixels", "num_pixels_alone")
        ]
        assert over_all["visibility"] == np.float32(totals[0] / totals[1])


def test_levels_of_visibility():
    boxes = np.zeros(12, BOX_DTYPE)
    set_visibility(boxes, np.arange(12), np.array([0] + [10] * 11))
    np.testing.assert_allclose(boxes["visibility"], [0.0, *(0.1 * np.arange(1, 11)), 1.0], rtol=1e-6)
    assert boxes["visibility_level"].tolist() == [0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4]


place = st.tuples(st.floats(-12.0, 30.0), st.floats(-15.0, 15.0), st.floats(-3.14, 3.14))


def one_box(pos, yaw, size=VAN_M):
    frame = layout(0.0, (5, AgentClass.TRUCK, size, pos, (0, 0, 0), yaw, 0.0))
    return frame, posed_agents(frame)


def looking(frame, spec):
    rotation = frame.ego_pose.rotation @ spec.rotation_base_from_optical
    return rotation, frame.ego_pose.compose(spec.pose).position


@settings(max_examples=25)
@given(st.sampled_from(CAMERAS), place)
def test_pixels_alone_as_reference(spec, at):
    """Each pixel's ray, one after the other, against the one body; its box against slabs."""
    frame, posed = one_box((at[0], at[1], 0.0), at[2])
    rotation, position = looking(frame, spec)
    shapes, number = template_arrays(built_in_templates()), posed.template[0]
    count, extent = unoccluded_extent(posed, shapes, spec, rotation, position)
    u, v = np.meshgrid(np.arange(spec.width) + 0.5, np.arange(spec.height) + 0.5)
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    rays, seen = spec.unproject(pixels)
    rays = rays @ rotation.T
    hit = [
        seen[i] and trace_agent(shapes, number, posed.rotation[0], posed.position[0], posed.size[0],
                                Ray(*position, *rays[i]), spec.max_range_m)[0] < np.inf
        for i in range(len(rays))
    ]  # fmt: skip
    assert count[0] == np.sum(hit)
    with np.errstate(divide="ignore"):
        origin, direction = (position - posed.centre[0]) @ posed.rotation[0], rays @ posed.rotation[0]
        ends = np.stack([(side * posed.size[0] / 2 - origin) / direction for side in (-1, 1)])
    near, far = ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1)
    meets = seen & (np.maximum(near, 0.0) <= np.minimum(far, spec.max_range_m))
    if meets.any():
        assert extent[0].tolist() == [*pixels[meets].min(axis=0), *pixels[meets].max(axis=0)]
    else:
        assert not np.isfinite(extent).any()


@settings(max_examples=60)
@given(st.sampled_from(CAMERAS), place)
def test_amodal_box_as_reference(spec, at):
    """The box around a fine cloud of points on the solid's surface, clipped to the image."""
    frame, posed = one_box((at[0], at[1], 0.0), at[2])
    rotation, position = looking(frame, spec)
    boxes = boxes_in(rotation, position, frame, posed)
    if np.abs(boxes["rotation"][0].T @ boxes["centre"][0] / boxes["size"][0]).max() < 0.6:
        return  # within it
    _, extent = unoccluded_extent(posed, template_arrays(built_in_templates()), spec, rotation, position)
    got, _ = amodal_box(spec, boxes, extent)
    steps = np.linspace(-0.5, 0.5, 161)
    a, b = (m.ravel() for m in np.meshgrid(steps, steps))
    half = np.full_like(a, 0.5)
    faces = [np.stack(p, 1) for s in (-1, 1) for p in ((s * half, a, b), (a, s * half, b), (a, b, s * half))]
    cloud = boxes["centre"][0] + (np.concatenate(faces) * boxes["size"][0]) @ boxes["rotation"][0].T
    pixels, seen = spec.project(cloud)
    size = (spec.width, spec.height)
    if not seen.any():
        assert np.isnan(got).all() or np.isfinite(extent).all()
        return
    low, high = (np.clip(f(pixels[seen], axis=0), 0, size) for f in (np.min, np.max))
    if (high - low).min() < 0.5:
        return  # touches the image at most
    away = np.linalg.norm(cloud[seen], axis=1).min()
    slack = 0.05 + 1.5 * spec.fx * 8.0 / 160 / away  # how far points of the cloud lie apart, in px
    np.testing.assert_allclose(got[0], [*low, *high], atol=slack)
    if spec.model == "pinhole":
        assert (got[0][:2] <= low + 1e-3).all() and (got[0][2:] >= high - 1e-3).all()


def test_amodal_boxes_of_what_is_all_around():
    """A wall that passes the camera, of which no pixel is told; another that holds all that a lens sees."""
    nothing = np.array([[np.inf, np.inf, -np.inf, -np.inf]])
    frame, posed = one_box((10.9, 1.0, 0.0), 0.0, (40.0, 0.2, 1.0))
    boxes = boxes_in(*looking(frame, PIN), frame, posed)
    got, cut = amodal_box(PIN, boxes, nothing)
    assert got[0, 0] == 0.0 and 40.0 < got[0, 1] < 90.0 and got[0, 2] < 90.0 and got[0, 3] == PIN.height and cut
    frame, posed = one_box((4.0, 0.0, -200.0), 0.0, (1.0, 400.0, 400.0))
    rotation, position = looking(frame, BROWN)
    boxes = boxes_in(rotation, position, frame, posed)
    _, extent = unoccluded_extent(posed, template_arrays(built_in_templates()), BROWN, rotation, position)
    got, cut = amodal_box(BROWN, boxes, extent)
    np.testing.assert_allclose(got[0], [0.0, 0.0, BROWN.width, BROWN.height], atol=0.5)
    assert cut and np.isnan(amodal_box(BROWN, boxes, nothing)[0]).all()


def test_modal_boxes_are_tight(moving):
    _, (_, cameras, _, found) = moving
    for spec in CAMERAS:
        for box in found.cameras[spec.name].boxes:
            v, u = np.nonzero(cameras[spec.name].instance == box["id"])
            assert len(v) == box["num_pixels"]
            if len(v):
                assert box["bbox"].tolist() == [u.min(), v.min(), u.max() + 1, v.max() + 1]
                grown = box["bbox_amodal"] + (-1.0, -1.0, 1.0, 1.0)
                assert (grown[:2] <= box["bbox"][:2]).all() and (grown[2:] >= box["bbox"][2:]).all()
            else:
                assert np.isnan(box["bbox"]).all()


def test_truncation_is_what_a_wider_image_shows(atlas):
    """Cars at the edge of an image, against the same image with a wide rim added."""
    narrow = replace(PIN, pose=Pose(1.5, 0.0, 1.6), fx=300.0, fy=300.0)
    wide = replace(narrow, name="wide", width=narrow.width + 400, cx=narrow.cx + 200)
    rig = SensorRig("two", (narrow, wide))
    for aside, share in ((0.0, 0.0), (6.0, 0.5), (7.4, 0.9)):
        car = (5, AgentClass.CAR, CAR_M, (25.0, aside, 0.0), (0, 0, 0), np.pi / 2, 0.0)
        ((_, cameras, _, found),) = see(atlas, [(0.0, lambda t, c=car: layout(t, c))], rig, kinds=("boxes",))
        cut, whole = ((cameras[name].instance == 5).sum() for name in ("pin", "wide"))
        assert found.cameras["wide"].boxes["truncation"][0] == 0.0 and whole > 500
        got = found.cameras["pin"].boxes["truncation"][0]
        assert got == pytest.approx(1.0 - cut / whole, abs=0.03) and abs(got - share) < 0.25


def test_hidden_by_depth():
    """One wall, half of it near: places before it are in sight, places behind it and outside the image are not."""
    depth = np.full((10, 20), 30.0, np.float32)
    depth[:, :10] = 5.0
    pixels = np.array([[4.0, 5.0], [4.0, 5.0], [15.0, 5.0], [15.0, 5.0], [-0.1, 5.0], [15.0, 10.0], [19.9, 9.9]])
    own = np.array([5.06, 5.1, 30.3, 31.0, 1.0, 1.0, 1.0])
    assert are_unoccluded(depth, pixels, own, 0.01).tolist() == [True, False, True, False, False, False, True]


def straight_lane(index: int, y: float, yaw: float = 0.0, **more) -> Lane:
    x = np.arange(-20.0, 81.0)[:: -1 if yaw else 1]
    centre = np.stack([x, np.full_like(x, y), 0 * x], axis=1)
    return Lane(index, ("1", 0, -1 - index), "driving", centre, 0 * x + yaw, np.full_like(x, 3.5), **more)


LANES = VectorMap(
    "three",
    (
        straight_lane(0, 0.0, left_mark="solid-yellow", right_mark="broken", right=1, opposite=2),
        straight_lane(1, -3.5, left_mark="broken", right_mark="solid", left=0),
        straight_lane(2, 3.5, np.pi, left_mark="solid-yellow", right_mark="none", opposite=0),
    ),
)


@pytest.mark.parametrize("spec", CAMERAS, ids=lambda s: s.model)
def test_lanes_lie_on_the_ground_where_the_map_says(atlas, spec):
    rig = SensorRig("one", (spec,))
    ((frame, _, _, found),) = see(atlas, [(0.0, layout)], rig, ("lanes",), LANES)
    lines = found.cameras[spec.name].lanes
    wanted = {(0, "left", "solid-yellow"): 1.75, (0, "right", "broken"): -1.75, (1, "right", "solid"): -5.25,
              (0, "centre", "none"): 0.0, (1, "centre", "none"): -3.5,
              (2, "centre", "none"): 3.5, (2, "right", "none"): 5.25}  # fmt: skip
    assert {(line.lane, line.kind, line.mark) for line in lines} == wanted.keys(), "a shared border once"
    rotation, position = looking(frame, spec)
    for line in lines:
        at = line.xyz @ rotation.T + position
        np.testing.assert_allclose(at[:, 1], wanted[line.lane, line.kind, line.mark], atol=1e-4)
        np.testing.assert_allclose(at[:, 2], 0.0, atol=1e-4)
        assert (np.diff(at[:, 0]) * (-1 if line.lane == 2 else 1) > 0).all() and np.linalg.norm(
            line.xyz, axis=1
        ).max() <= spec.max_range_m + 1e-3
        pixels, seen = spec.project(line.xyz)
        assert seen.all() and (line.pixels >= 0).all() and (line.pixels <= (spec.width, spec.height)).all()
        np.testing.assert_allclose(line.pixels, pixels, atol=1e-3)
    if not spec.ego_visible:
        # the centre line begins at the edge of the image or of the range, not half a metre inside
        centre = next(line for line in lines if line.kind == "centre" and line.lane == 0)
        assert centre.pixels[0, 1] == pytest.approx(spec.height, abs=0.5)
        assert np.linalg.norm(centre.xyz[-1]) == pytest.approx(spec.max_range_m, abs=0.01)


def test_lanes_are_split_where_a_car_hides_them(atlas):
    car = (5, AgentClass.BUS, VAN_M, (15.0, 0.0, 0.0), (0, 0, 0), np.pi / 2, 0.0)
    rig = SensorRig("one", (replace(PIN, pose=Pose(1.5, 0.0, 4.5, pitch=0.25)),))
    at = lambda t: layout(t, car)  # noqa: E731
    ((frame, cameras, _, found),) = see(atlas, [(0.0, at)], rig, ("lanes",), LANES)
    pieces = [line for line in found.cameras["pin"].lanes if (line.lane, line.kind) == (0, "centre")]
    assert len(pieces) == 2
    rotation, position = looking(frame, rig.cameras[0])
    ends = np.array([(line.xyz @ rotation.T + position)[[0, -1], 0] for line in pieces])
    # The near piece ends under the nearer side; the far one begins where the sight over the roof meets the ground.
    assert 13.7 < ends[0, 1] < 15.5
    assert ends[1, 0] == pytest.approx(1.5 + (15.0 + 1.25 - 1.5) * 4.5 / (4.5 - 3.0), rel=0.15)
    hidden = np.stack([np.linspace(ends[0, 1], ends[1, 0], 102)[1:-1], np.zeros(100), np.zeros(100)], axis=1)
    bus = cameras["pin"].instance == 5
    inner = ndimage.binary_erosion(bus, np.ones((3, 3)))  # pieces end within a pixel of what hides them

    def share(mask, points):
        u, v = rig.cameras[0].project((points - position) @ rotation)[0].astype(int).T
        return mask[v, u].mean()

    assert share(bus, hidden) == 1.0
    for line in pieces:
        assert share(inner, line.xyz[1:-1] @ rotation.T + position) == 0.0


def test_kerbs_hide_no_lanes(atlas):
    for height, pieces in ((0.12, 1), (0.5, 2)):
        bar = (5, AgentClass.BARRIER, (4.0, 0.3, height), (10.0, 0.0, 0.0), (0, 0, 0), np.pi / 2, 0.0)
        ((_, cameras, _, found),) = see(
            atlas, [(0.0, lambda t, b=bar: layout(t, b))], SensorRig("one", (PIN,)), ("lanes",), LANES
        )
        assert (cameras["pin"].instance == 5).any()
        lines = found.cameras["pin"].lanes
        assert sum((line.lane, line.kind) == (0, "centre") for line in lines) == pieces


def simulate(annotations, scenario="cut_in", ticks=3, rig="rl", **options):
    simulator = assemble(ScenarioSource.open(scenario), load_rig(rig), annotations=annotations,
                         window_grid=None, bev_schema=None, **options)  # fmt: skip
    return simulator, [simulator.reset(), *(simulator.step() for _ in range(ticks))]


@pytest.fixture(scope="module")
def street():
    rig = load_rig("nuscenes-small")
    front = SensorRig("front", tuple(c for c in rig.cameras if c.name == "CAM_FRONT"), rig.lidars)
    source = ScenarioSource.open("cut_in")
    simulator = assemble(source, front, annotations=("flow", "boxes", "lanes"), window_grid=None, bev_schema=None)
    return simulator, [simulator.reset(), *(simulator.step() for _ in range(5))]


def test_painted_lines_are_seen_along_their_lanes(street):
    """Yellow lines divide the road in the image's semantics; along lane centres there are none."""
    _, frames = street
    frame = frames[-1]
    image, lanes = frame.cameras["CAM_FRONT"], frame.annotations.cameras["CAM_FRONT"].lanes
    divider = np.pad(image.semantic == OccClass.ROAD_DIVIDER, 6)

    def share(lines):
        near = np.concatenate([line.pixels[line.xyz[:, 2] < 25.0] for line in lines]).astype(int)
        assert len(near) > 20
        return np.mean([divider[v : v + 13, u : u + 13].any() for u, v in near])

    assert share([line for line in lanes if line.mark == "solid_solid-yellow"]) > 0.97
    assert share([line for line in lanes if line.kind == "centre"]) < 0.2


def test_a_street_seen_again(street):
    """On the real thing: flow leads to the same instances and colours, boxes count the sweep's points."""
    _, frames = street
    old, new = (f.cameras["CAM_FRONT"] for f in frames[-2:])
    got = frames[-1].annotations.cameras["CAM_FRONT"]
    v, u = np.nonzero(~got.occluded)
    at = got.optical_flow[v, u] + np.stack([u, v], axis=1) + 0.5
    i, j = at[:, 1].astype(int), at[:, 0].astype(int)
    assert (old.instance[i, j] == new.instance[v, u]).mean() > 0.99
    errors = [np.abs(old.rgb[a, b].astype(int) - new.rgb[v, u]).mean() for a, b in ((i, j), (v, u))]
    assert errors[0] < 0.75 * errors[1]
    boxes, sweep = frames[-1].annotations.boxes, frames[-1].sweeps["LIDAR_TOP"]
    counted = dict(zip(boxes["id"].tolist(), boxes["num_lidar_pts"].tolist(), strict=True))
    assert all(counted[n] == (sweep.instance == n).sum() for n in set(sweep.instance.tolist()) - {0})


def test_only_what_is_asked_for():
    simulator, frames = simulate((), ticks=1)
    assert frames[-1].annotations is None and "annotations" not in simulator.stages_ms
    for kind, names in (
        ("flow", {"optical_flow", "scene_flow", "occluded"}),
        ("boxes", {"boxes"}),
        ("lanes", {"lanes"}),
    ):
        request = replace(simulator.request, annotations=frozenset({kind}))
        simulator.reset(request)
        annotated = simulator.step(request=request)
        assert annotated.digests == frames[-1].digests and "annotations" in simulator.stages_ms
        found = annotated.annotations
        camera, sweep = found.cameras["front"], found.sweeps["lidar"]
        assert {f.name for f in fields(camera) if getattr(camera, f.name) is not None} == names
        assert {f.name for f in fields(sweep) if getattr(sweep, f.name) is not None} == names & {"scene_flow", "boxes"}
        assert (found.boxes is not None) == (kind == "boxes")


def test_a_reset_forgets(street):
    simulator, _ = street
    again = simulator.reset().annotations.cameras["CAM_FRONT"]
    assert np.isnan(again.optical_flow).all() and len(again.lanes) > 10


def test_flow_spans_the_period_of_its_own_camera():
    rig = load_rig("rl")
    slow = replace(rig.cameras[0], name="slow", period_us=200_000)
    source = ScenarioSource.open("cut_in")
    simulator = assemble(source, SensorRig("two", (*rig.cameras, slow)), annotations=("flow",), window_grid=None)
    frames = [simulator.reset(), *(simulator.step() for _ in range(4))]
    assert set(frames[-2].annotations.cameras) == {"front"}
    road = frames[-1].cameras["front"].semantic == OccClass.DRIVEABLE_SURFACE
    length = [
        np.linalg.norm(frames[-1].annotations.cameras[n].scene_flow[road], axis=1).mean() for n in ("front", "slow")
    ]
    assert length[1] == pytest.approx(2 * length[0], rel=0.05) and length[0] > 0.3


def test_painted_maps_have_no_lanes(tmp_path):
    _, y = np.mgrid[0:120:0.5, 0:60:0.5]
    road = abs(y - 30) < 5
    PaintedMap("street", ("drivable_area",), road[None], resolution_m=0.5).save(tmp_path / "street.npz")
    file = tmp_path / "street.yaml"
    file.write_text('{"map": "street.npz", "duration_s": 2, "ego": {"spawn": {"x": 20, "y": 30}, "speed_mps": 5}}')
    source = ScenarioSource.open(str(file))
    simulator = assemble(source, load_rig("rl"), annotations=("flow", "boxes", "lanes"))
    simulator.reset()
    assert simulator.step().annotations.cameras["front"].lanes == ()


def hashed(value, sha=None):
    """SHA-256 of everything in a record, however deep."""
    top = sha is None
    sha = hashlib.sha256() if top else sha
    if isinstance(value, np.ndarray):
        sha.update(np.ascontiguousarray(value).tobytes())
    elif is_dataclass(value):
        for f in fields(value):
            hashed(getattr(value, f.name), sha)
    elif isinstance(value, dict | tuple):
        for item in value.items() if isinstance(value, dict) else value:
            hashed(item, sha)
    else:
        sha.update(repr(value).encode())
    return sha.hexdigest() if top else ""


def test_threads_do_not_matter():
    _, frames = simulate(("flow", "boxes", "lanes"))
    wanted = "print([hashed(f.annotations) for f in simulate(('flow', 'boxes', 'lanes'))[1]])"
    code = f"from tests.annotations.test_annotations import hashed, simulate\n{wanted}"
    for threads in ("1", "2"):
        env = {"NUMBA_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=ROOT, timeout=300
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip() == str([hashed(f.annotations) for f in frames])


def test_unknown_annotations_are_refused(tmp_path, capsys, monkeypatch):
    with pytest.raises(InputError, match="annotations: no annotation 'flo'; expected some of flow, boxes, lanes"):
        simulate(("flo",))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "cut_in", "--rig", "rl", "--annotations", "boxes,lines"]) == 2
    err = capsys.readouterr().err.strip()
    assert "'lines'" in err and "\n" not in err and not list(tmp_path.iterdir())


def test_the_command_line_draws_them(tmp_path):
    sheets = []
    for extra in ([], ["--annotations", "boxes,lanes"], ["--annotations", "flow"]):
        out = tmp_path / str(len(sheets))
        assert main(["run", "cut_in", "--rig", "rl", "--ticks", "2", "--out", str(out), *extra]) == 0
        sheets.append(np.asarray(Image.open(out / "contact_sheet.png")).astype(int))
    for sheet in sheets[1:]:
        changed = (sheet != sheets[0]).any(axis=2)
        assert changed.sum() > 1000 and not changed[:30].any(), "the camera's panel changes, the header does not"


def test_the_colours_of_flow():
    flow = np.array([[[0, 0], [4, 0], [-4, 0], [0, 4], [0, -4], [2, 0], [np.nan, np.nan]]], np.float32)
    still, right, left, down, up, half, unknown = flow_rgb(flow, 4.0)[0].tolist()
    assert still == [255, 255, 255] and unknown == [0, 0, 0] and right == [255, 0, 0] and left == [0, 255, 255]
    assert half == [255, 128, 128]
    assert down[1] > down[2] and up[2] > up[1], "down is yellowish green, up is violet"
