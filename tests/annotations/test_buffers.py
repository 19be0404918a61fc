"""Exact buffers: held to the brute-force tracer, to closed forms, to images of `raycast`, and to each other."""

from dataclasses import fields, replace

import numpy as np
import pytest

from uniscene_sim.assembly import assemble
from uniscene_sim.camera.raycast.engine import PlainCameras
from uniscene_sim.frames import CameraBuffers, CameraFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.simulator import Simulator
from uniscene_sim.taxonomy import EGO_ID, GROUND_CLASSES, IS_ROAD_MARKING, MATERIAL_LABEL, Material, OccClass
from uniscene_sim.tile import TILE_M
from uniscene_sim.tracing.agents import agent_motion, pose_agents, template_arrays
from uniscene_sim.tracing.buffers import camera_buffers, coordinates_of, pluecker_rays
from uniscene_sim.tracing.reference import agent_hit, cell_boxes, paint_at_point, world_hit
from uniscene_sim.tracing.templates.template_set import built_in_templates
from uniscene_sim.world.scenario_source import ScenarioSource

MOUNT = Pose(1.5, 0.1, 1.6, roll=0.02, pitch=0.05, yaw=-0.1)
PIN = CameraSpec("pin", 160, 100, 90.0, 92.0, 80.0, 52.0, MOUNT, max_range_m=60.0)
BROWN = CameraSpec("brown", 160, 100, 90.0, 90.0, 80.0, 50.0, MOUNT, model="brown_conrady",
                   distortion=(-0.25, 0.06, 0.001, -0.002, -0.004), max_range_m=60.0)  # fmt: skip
#: Its picture has corners beyond the image circle, and shows the bonnet.
FISHEYE = CameraSpec("fish", 150, 150, 20.0, 20.0, 75.0, 75.0, replace(MOUNT, x=3.7), model="fisheye",
                     distortion=(0.02, -0.006, 0.001), max_range_m=60.0, ego_visible=True)  # fmt: skip
CAMERAS = (PIN, BROWN, FISHEYE)
RIG = SensorRig("three lenses", CAMERAS)
TRACED = ("tiles", "window", "window+tiles")
each_lens = pytest.mark.parametrize("spec", CAMERAS, ids=lambda s: s.model)


@pytest.fixture(scope="module", params=TRACED)
def traced(request):
    """A world whose rays go through tiles or a window, and its second frame."""
    kinds = ("flow", "buffers")
    world = assemble(
        ScenarioSource.open("cut_in"), RIG, camera="raycast-plain", trace=request.param, bev_schema=None,
        annotations=kinds,
    )  # fmt: skip
    world.reset()
    return world, world.step()


@pytest.fixture(scope="module")
def street():
    """A world of tiles, its view, and its second frame."""
    world = assemble(
        ScenarioSource.open("crossing_pedestrian"), RIG, camera="raycast-plain", window_grid=None, bev_schema=None,
        annotations=("buffers",),
    )  # fmt: skip
    world.reset()
    return world, world.step()


def buffers_of(frame, spec):
    return frame.annotations.cameras[spec.name].buffers


def rays_in_map(frame, spec):
    """Origin (3,), unit directions (H, W, 3) and whether the lens has each (H, W), without the kernels of buffers."""
    v, u = np.mgrid[: spec.height, : spec.width] + 0.5
    rays, seen = spec.unproject(np.stack([u.ravel(), v.ravel()], axis=1))
    pose = frame.layout.ego_pose
    directions = rays @ (pose.rotation @ spec.rotation_base_from_optical).T
    shape = spec.height, spec.width
    return pose.compose(spec.pose).position, directions.reshape(*shape, 3), seen.reshape(shape)


@each_lens
def test_they_are_what_the_ray_caster_shows(traced, spec):
    _, frame = traced
    image, found = frame.cameras[spec.name], frame.annotations.cameras[spec.name]
    for name in ("depth", "semantic", "instance", "stamp_us"):
        np.testing.assert_array_equal(getattr(found.buffers, name), getattr(image, name))
    np.testing.assert_array_equal(found.buffers.motion, found.optical_flow)
    assert np.isfinite(found.buffers.motion).mean() > 0.3


@each_lens
def test_coordinates_lie_on_the_rays(traced, spec):
    _, frame = traced
    found = buffers_of(frame, spec)
    origin, rays, _ = rays_in_map(frame, spec)
    hit = np.isfinite(found.depth)
    on = found.coordinates[hit].astype(np.float64) + found.origin - origin
    distance = np.linalg.norm(on, axis=1)
    np.testing.assert_allclose(on, distance[:, None] * rays[hit], atol=2e-5)
    forward = frame.layout.ego_pose.rotation @ spec.rotation_base_from_optical[:, 2]
    depth = distance if spec.model == "fisheye" else on @ forward
    np.testing.assert_allclose(depth, found.depth[hit], atol=2e-5)
    assert not (found.origin % TILE_M).any() and np.abs(found.coordinates[hit]).max() < 60.0 + TILE_M
    np.testing.assert_array_equal(
        found.coordinates, coordinates_of(found.depth, frame.layout.ego_pose, spec), "they follow from depth"
    )


@each_lens
def test_normals_are_of_unit_length_and_face_the_camera(traced, spec):
    _, frame = traced
    found = buffers_of(frame, spec)
    _, rays, _ = rays_in_map(frame, spec)
    hit = np.isfinite(found.depth)
    np.testing.assert_allclose(np.linalg.norm(found.normals[hit], axis=1), 1.0, atol=1e-6)
    assert (found.normals[hit] * rays[hit]).sum(axis=1).max() < 1e-6


@each_lens
def test_sky_and_what_the_lens_does_not_see_are_defined(traced, spec):
    _, frame = traced
    found = buffers_of(frame, spec)
    _, _, seen = rays_in_map(frame, spec)
    empty = np.isinf(found.depth)
    assert empty.mean() > 0.02 and not (~seen & ~empty).any()
    assert np.isnan(found.coordinates[empty]).all() and not np.isnan(found.coordinates[~empty]).any()
    assert not found.normals[empty].any() and not found.instance[empty].any()
    assert (found.semantic[empty] == OccClass.FREE).all()
    assert (found.material[empty] == Material.NONE).all() and (found.paint[empty] == Material.NONE).all()
    assert not found.rays[~seen].any() and (spec.model != "fisheye" or not seen.all())


@each_lens
def test_rays_are_pluecker_coordinates_in_base_link(spec):
    rays = pluecker_rays(spec).astype(np.float64)
    direction, moment = rays[..., :3], rays[..., 3:]
    v, u = np.mgrid[: spec.height, : spec.width] + 0.5
    ahead, seen = (direction @ spec.rotation_base_from_optical).reshape(-1, 3), direction.any(axis=2).ravel()
    pixels, _ = spec.project(ahead[seen])
    np.testing.assert_allclose(pixels, np.stack([u.ravel(), v.ravel()], axis=1)[seen], atol=1e-3)
    assert np.abs((direction * moment).sum(axis=2)).max() < 1e-6
    np.testing.assert_allclose(moment, np.cross(spec.pose.position, direction), atol=1e-6)
    for far in (0.0, 30.0):  # any point of the line has that moment
        point = spec.pose.position + far * direction
        np.testing.assert_allclose(moment, np.cross(point, direction), atol=4e-6)
    assert pluecker_rays(spec) is pluecker_rays(replace(spec)), "they are made once"


@pytest.mark.slow
def test_what_they_meet_is_what_the_brute_force_tracer_meets(street):
    """Of a camera with a short range: depth, material and paint of rays against every box, patch and voxel."""
    world, frame = street
    near = replace(PIN, max_range_m=15.0)
    found = camera_buffers(world.current_view(), near)
    origin, rays, _ = rays_in_map(frame, near)
    boxes = {i: cell_boxes(world.store.get(*i)) for i in world.store.around(*origin[:2], 15.0)}
    tiles = [world.store.get(*i) for i in boxes]
    templates = built_in_templates()
    agents = pose_agents(frame.layout, agent_motion(frame.layout, (), 0.0), templates)
    forward = frame.layout.ego_pose.rotation @ near.rotation_base_from_optical[:, 2]
    materials = set()
    for v in range(3, 100, 19):
        for u in range(5, 160, 31):
            t, material = world_hit(tiles, boxes, origin, rays[v, u])
            on_agent, other, row = agent_hit(agents, template_arrays(templates), origin, rays[v, u])
            if on_agent < t:
                t, material = on_agent, other
            if t > 15.0:
                assert np.isinf(found.depth[v, u])
                continue
            materials.add(material)
            assert found.depth[v, u] == pytest.approx(t * (rays[v, u] @ forward), rel=1e-6)
            assert found.material[v, u] == material
            assert found.instance[v, u] == (agents.id[row] if on_agent <= t and row >= 0 else 0)
    assert len(materials) >= 3


def test_ground_has_its_slope_as_normal_and_its_paint(street):
    """The normal is that of the plane through neighbouring coordinates, the paint that of the tile below."""
    world, frame = street
    found = buffers_of(frame, PIN)
    ground = np.isin(found.semantic, GROUND_CLASSES) & (found.paint != Material.NONE)
    assert ground.mean() > 0.3 and (found.paint[ground] == found.material[ground]).all()
    assert IS_ROAD_MARKING[found.paint[ground]].any()
    np.testing.assert_array_equal(MATERIAL_LABEL[found.paint[ground]], found.semantic[ground])
    for v, u in np.argwhere(ground)[::97]:
        at = found.coordinates[v, u].astype(np.float64) + found.origin
        index = np.floor(at[:2] / TILE_M).astype(int)
        tile = world.store.get(*index.tolist())
        heights = np.abs(tile.ground[:, *((at[:2] - index * TILE_M) / 0.2).astype(int)] - at[2])
        assert paint_at_point(tile, int(np.nanargmin(heights)), at[:2] - index * TILE_M) == found.paint[v, u]
    below, beside = found.coordinates[1:, :-1], found.coordinates[:-1, 1:]
    here = found.coordinates[:-1, :-1]
    across = np.cross(beside - here, below - here)
    across /= -np.linalg.norm(across, axis=2, keepdims=True)
    flat = ground[:-1, :-1] & ground[1:, :-1] & ground[:-1, 1:] & (found.depth[:-1, :-1] < 8.0)
    turned = np.degrees(np.arccos(np.clip((across * found.normals[:-1, :-1]).sum(axis=2)[flat], -1.0, 1.0)))
    assert flat.sum() > 500 and np.median(turned) < 0.5


def test_a_window_has_the_paint_of_the_layout(traced):
    """Where a window's voxels show ground, the lines are the layout's, finer than voxels."""
    world, frame = traced
    if world.trace == "tiles":
        return
    found = buffers_of(frame, PIN)
    on_tiles = camera_buffers(world.current_view(), PIN)
    both = np.isin(found.semantic, GROUND_CLASSES) & np.isin(on_tiles.semantic, GROUND_CLASSES)
    assert (found.paint[both] != Material.NONE).all() and both.mean() > 0.2
    lines = IS_ROAD_MARKING[found.paint] & both
    assert lines.sum() > 20 and not set(np.unique(found.paint[lines])) <= set(range(OccClass.FREE)), "of materials"
    # voxels lie up to half a voxel above the ground, so a line is seen a little nearer
    near = both & (on_tiles.depth < 8.0)
    assert (IS_ROAD_MARKING[found.paint] == IS_ROAD_MARKING[on_tiles.paint])[near].mean() > 0.9


def test_the_ego_is_in_the_buffers_of_a_camera_that_sees_it(street):
    _, frame = street
    own = buffers_of(frame, FISHEYE).instance == EGO_ID
    assert own.sum() > 100 and (buffers_of(frame, FISHEYE).semantic[own] == OccClass.CAR).all()
    assert not (buffers_of(frame, PIN).instance == EGO_ID).any()


def test_nothing_is_made_unless_it_is_requested(street):
    world, _ = street
    plain = world.step(request=replace(world.request, annotations=frozenset(["boxes"])))
    assert plain.annotations.cameras["pin"].buffers is None
    assert world.step(request=replace(world.request, annotations=frozenset())).annotations is None


class _DrawnCameras:
    """A generator that is told the buffers of what it draws, and whose images have no depth of their own."""

    name, coupling, chunk, latency_ticks = "drawn", "independent", 1, 0

    def __init__(self):
        self.told = {}

    def step(self, state, views, specs):
        return state, [{spec.name: self._draw(view, spec) for spec in specs} for view in views]

    def _draw(self, view, spec):
        told = self.told[view.frame.stamp_us, spec.name] = camera_buffers(view, spec)
        blank = np.zeros(told.depth.shape, np.uint8)
        return CameraFrame(
            (127.5 * (1.0 + told.normals)).astype(np.uint8), blank + np.float32(5.0), blank, blank.astype(np.uint16),
            view.frame.stamp_us,
        )  # fmt: skip


@pytest.mark.parametrize("trace", TRACED)
def test_a_generator_is_told_what_the_annotation_says_whatever_it_draws(trace):
    made = assemble(
        ScenarioSource.open("cut_in"), RIG, camera="raycast-plain", trace=trace, bev_schema=None,
        annotations=("buffers",),
    )  # fmt: skip
    engine = _DrawnCameras()
    worlds = made, Simulator(
        ScenarioSource.open("cut_in"), RIG, made.store, made.engines | {"camera": engine}, trace=trace,
        request=made.request,
    )  # fmt: skip
    for world in worlds:
        world.reset()
    traced, drawn = (world.step() for world in worlds)
    for spec in CAMERAS:
        exact, judged = buffers_of(traced, spec), buffers_of(drawn, spec)
        told = engine.told[drawn.stamp_us, spec.name]
        assert told.motion is None and (drawn.cameras[spec.name].depth == 5.0).all()
        for field in fields(CameraBuffers):
            np.testing.assert_array_equal(getattr(judged, field.name), getattr(exact, field.name))
            if field.name != "motion":
                np.testing.assert_array_equal(getattr(told, field.name), getattr(exact, field.name))


class _LateCameras(PlainCameras):
    """What it gives comes two ticks after it was seen."""

    name = "late"
    latency_ticks = 2


@pytest.mark.parametrize("trace", TRACED)
def test_late_images_have_buffers_of_their_own_moment(trace):
    made = assemble(
        ScenarioSource.open("cut_in"), RIG, camera="raycast-plain", trace=trace, bev_schema=None,
        annotations=("buffers",),
    )  # fmt: skip
    engines = made.engines | {"camera": _LateCameras()}
    world = Simulator(made.source, made.rig, made.store, engines, trace=trace, request=made.request)
    world.reset()
    frames = [world.step() for _ in range(4)]
    late = [f for f in frames if f.cameras and f.cameras["pin"].stamp_us < f.stamp_us]
    assert len(late) == 2
    for frame in [*late, *world.flush()]:
        for spec in CAMERAS:
            image, found = frame.cameras[spec.name], buffers_of(frame, spec)
            assert found.stamp_us == image.stamp_us
            for name in ("depth", "semantic", "instance"):
                np.testing.assert_array_equal(getattr(found, name), getattr(image, name))
