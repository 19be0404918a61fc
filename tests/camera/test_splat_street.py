"""A street as splats: what it shows is what rays find; the same each time, on any threads, wherever one was before."""

from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy.ndimage import binary_erosion, median_filter

from uniscene_sim.assembly import assemble
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.camera.splat.engine import SplatCameras
from uniscene_sim.camera.splat.world import SplatWorld
from uniscene_sim.camera.weather import sky_of
from uniscene_sim.frames import CameraFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import Light, Style
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.taxonomy import AgentClass, OccClass
from uniscene_sim.tracing.occlusion import occluded
from uniscene_sim.tracing.slabs import Ray
from uniscene_sim.world.scenario_source import ScenarioSource

FAR_M = 40.0
FRONT = CameraSpec("front", 100, 56, 62.0, 62.0, 50.0, 28.0, Pose(1.7, 0.0, 1.5), max_range_m=FAR_M)
LEFT = replace(FRONT, name="left", pose=Pose(1.0, 0.5, 1.5, yaw=1.6))
RIGHT = replace(FRONT, name="right", pose=Pose(1.0, -0.5, 1.5, yaw=-2.2))
FISHEYE = CameraSpec("fish", 80, 80, 24.0, 24.0, 40.0, 40.0, Pose(1.5, 0.0, 1.7), model="fisheye",
                     distortion=(0.02, -0.006, 0.001, -0.0002), max_range_m=FAR_M)  # fmt: skip
BROWN = CameraSpec("brown", 100, 60, 58.0, 58.0, 50.0, 30.0, Pose(1.5, 0.0, 1.7), model="brown_conrady",
                   distortion=(-0.2, 0.03, 0.001, -0.002), max_range_m=FAR_M)  # fmt: skip


@pytest.fixture(scope="module")
def view() -> WorldView:
    simulator = assemble(ScenarioSource.open("cut_in"), SensorRig("r", (FRONT,)), window_grid=None, bev_schema=None)
    simulator.reset()
    for _ in range(3):
        frame = simulator.step()
    return WorldView(frame.layout, (), simulator.atlas)


@pytest.fixture(scope="module")
def engine() -> SplatCameras:
    return SplatCameras()


def seen(engine: RaycastCameras, view: WorldView, *specs: CameraSpec) -> list[CameraFrame]:
    return list(engine.step(None, [view], specs or (FRONT,))[1][0].values())


def moved(view: WorldView, ahead: float, left: float = 0.0, yaw: float = 0.0) -> WorldView:
    pose = view.frame.ego_pose
    at = pose.apply(np.array([ahead, left, 0.0]))
    return replace(view, frame=replace(view.frame, ego_pose=replace(pose, x=at[0], y=at[1], yaw=pose.yaw + yaw)))


def styled(view: WorldView, style: Style) -> WorldView:
    return replace(view, frame=replace(view.frame, style=style))


def equal(a: CameraFrame, b: CameraFrame) -> bool:
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for k in ("rgb", "depth", "semantic", "instance"))


def depth_errors(found: list[CameraFrame], true: list[CameraFrame]) -> np.ndarray:
    """Of all pixels that rays find something at within range; those without a depth are infinite."""
    ours, rays = (np.concatenate([f.depth.ravel() for f in frames]) for frames in (found, true))
    hit = np.isfinite(rays)
    assert hit.sum() > 2000
    return np.abs(ours[hit] - rays[hit])


def test_depth_and_labels_are_those_of_rays(view, engine):
    specs = [spec.scaled(4) for spec in (FRONT, LEFT, RIGHT)]  # of 400 x 224: splats are as fine as pixels need
    found, true = seen(engine, view, *specs), seen(RaycastCameras(), view, *specs)
    error = depth_errors(found, true)
    assert np.median(error) <= 0.10 and (error <= 0.4).mean() >= 0.94
    ours, rays = (np.concatenate([f.semantic.ravel() for f in frames]) for frames in (found, true))
    shared, either = 0, 0
    for label in np.flatnonzero(np.bincount(rays) > 0.01 * len(rays)):
        shared += np.sum((ours == label) & (rays == label))
        either += np.sum((ours == label) | (rays == label))
    assert shared / either >= 0.85


@pytest.mark.parametrize("spec", [FISHEYE, BROWN], ids=lambda s: s.model)
def test_depth_is_that_of_rays_through_other_lenses(view, engine, spec):
    finer = spec.scaled(2)
    error = depth_errors(seen(engine, view, finer), seen(RaycastCameras(), view, finer))
    assert np.median(error) <= 0.12 and (error <= 0.4).mean() >= 0.87


def test_instances_are_where_rays_meet_agents(view, engine):
    (ours,), (rays,) = seen(engine, view), seen(RaycastCameras(), view)
    agents = rays.instance > 0
    assert agents.sum() > 40
    assert (ours.instance[agents] == rays.instance[agents]).mean() > 0.8
    assert (ours.instance[~agents] == 0).mean() > 0.97


def test_the_same_each_time_wherever_one_was_before(view, engine):
    """Light is found for the levels of detail that are needed: what was needed elsewhere changes nothing."""
    fresh, specs = SplatCameras(), (FRONT, LEFT, RIGHT)
    first = seen(fresh, view, *specs)
    for ahead, left, yaw in ((6.0, 0.0, 0.5), (-9.0, 3.0, 2.0), (-30.0, 20.0, 0.0), (0.0, -30.0, 1.0)):
        seen(fresh, moved(view, ahead, left, yaw), *specs)
        again = seen(fresh, view, *specs)
        assert all(map(equal, first, again)), (ahead, left)
    assert all(map(equal, first, seen(engine, view, *specs)))


@pytest.mark.parametrize("focal_px", [31.0, 62.0, 125.0])
def test_all_levels_that_an_eye_may_take_are_lit(view, focal_px):
    """Of chunks as tall as houses, which are nearer than their tile is in the plane."""
    sun, level_px, far_m = sky_of(view.frame.style).sun, 6.0, 100.0
    centre = view.frame.ego_pose.apply(np.array([-10.0, 0.0, 12.0]))
    given = SplatWorld(view.atlas.store).patches(view.atlas, sun, centre, 0.0, far_m, level_px, focal_px)
    all_lit = SplatWorld(view.atlas.store).patches(view.atlas, sun, centre, 0.0, far_m, 1e-6, focal_px)
    assert len(given) > 1
    for (patch, place), (lit, _) in zip(given, all_lit, strict=True):
        there = np.flatnonzero(patch.bounds[:, 3] >= 0.0)
        away = np.linalg.norm(patch.bounds[there, :3] + place.shift - centre, axis=1) - patch.bounds[there, 3]
        levels = np.searchsorted(patch.level_m[1:] * focal_px, level_px * np.maximum(away, 0.1), side="right")
        for c, level in zip(there, levels, strict=True):
            rows = slice(patch.first[level, c], patch.first[level, c + 1])
            assert np.array_equal(patch.light[rows], lit.light[rows]), (c, level)


def test_each_world_of_a_batch_is_as_alone(view, engine):
    other = moved(view, 5.0, 1.0, 0.3)
    (a,), (b,) = seen(engine, view), seen(engine, other)
    assert not equal(a, b)
    for views, expected in (([view, other], [a, b]), ([other, view], [b, a])):
        found = engine.step(None, views, (FRONT,))[1]
        assert all(equal(f["front"], e) for f, e in zip(found, expected, strict=True))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="this machine has one thread")
def test_threads_change_nothing(view):
    made = []
    before = numba.get_num_threads()
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            made.append(seen(SplatCameras(), view, FRONT, FISHEYE))
    finally:
        numba.set_num_threads(before)
    assert all(map(equal, *made))


def test_houses_shade_the_ground(view, engine):
    """Where no ray from the road to the sun is free, it is darker than where one is."""
    sunny = styled(view, Style("clear", 10.0))
    sun, arrays = sky_of(sunny.frame.style).sun, view.atlas.arrays
    light: dict[bool, list[float]] = {True: [], False: []}
    specs = (FRONT, LEFT, RIGHT)
    for spec, frame in zip(specs, seen(engine, sunny, *specs), strict=True):
        pose = sunny.frame.ego_pose
        v, u = np.nonzero((frame.semantic == OccClass.DRIVEABLE_SURFACE) & (frame.depth < 30.0))
        rays, _ = spec.unproject(np.column_stack([u, v]) + 0.5)
        points = (rays / rays[:, 2:]) * frame.depth[v, u][:, None] @ spec.rotation_base_from_optical.T
        points = pose.apply(points + spec.pose.position)
        for (x, y, z), rgb in zip(points, frame.rgb[v, u], strict=True):
            light[bool(occluded(arrays, Ray(x, y, z + 0.2, *sun), 60.0))].append(float(rgb.mean()))
    assert min(map(len, light.values())) > 60
    assert np.median(light[True]) < 0.75 * np.median(light[False])


def car_ahead(view: WorldView, lights: int = 0, ahead: float = 9.0) -> WorldView:
    """With one more car before the ego, which it follows."""
    agents = view.frame.agents
    car = agents[agents["cls"] == AgentClass.CAR][:1].copy()
    pose = view.frame.ego_pose
    car["pos"], car["rpy"], car["lights"], car["id"] = (
        pose.apply(np.array([ahead, 0, 0])),
        (0, 0, pose.yaw),
        lights,
        999,
    )
    return replace(view, frame=replace(view.frame, agents=np.concatenate([agents, car])))


def test_a_vehicle_in_front_shows(view, engine):
    (without,), (ours,) = seen(engine, view), seen(engine, car_ahead(view))
    (rays,) = seen(RaycastCameras(), car_ahead(view))
    car = rays.instance == 999
    assert car.sum() > 100 and (ours.instance[car] == 999).mean() > 0.9
    assert (ours.semantic[car] == OccClass.CAR).mean() > 0.9
    assert np.median(np.abs(ours.depth[car] - rays.depth[car])) < 0.15
    assert np.abs(ours.rgb.astype(int) - without.rgb)[car].mean() > 10.0
    assert (ours.rgb[:5] == without.rgb[:5]).all()


def test_brake_lights_light_up(view, engine):
    (dark,), (braking,) = seen(engine, car_ahead(view)), seen(engine, car_ahead(view, Light.BRAKE))
    change = braking.rgb.astype(int) - dark.rgb
    assert change[..., 0].max() > 60 and change[..., 0].max() > 2 * change[..., 2].max()
    assert (change[dark.instance != 999] == 0).mean() > 0.98


def test_nights_have_lamps(view, engine):
    """The sky is dark, and the road ahead as bright as rays find it in the light of lamps."""
    dark = styled(view, Style("clear", 23.5))
    (night,), (day,), (rays,) = seen(engine, dark), seen(engine, view), seen(RaycastCameras(), dark)
    assert np.array_equal(night.depth, day.depth) and np.array_equal(night.semantic, day.semantic)
    sky = night.semantic == OccClass.FREE
    assert night.rgb[sky].mean() < 0.5 * day.rgb[sky].mean()
    road = (night.semantic == OccClass.DRIVEABLE_SURFACE) & (rays.semantic == OccClass.DRIVEABLE_SURFACE)
    ours, theirs = night.rgb[road].mean(axis=1), rays.rgb[road].mean(axis=1)
    assert ours.mean() == pytest.approx(theirs.mean(), rel=0.05)
    assert theirs.max() > 2.0 * theirs.min() and np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_light_has_no_specks_where_sums_of_shares_are_rounded(engine, view):
    """A share of sun that is a last bit above one is no recorded light."""
    (image,) = seen(engine, view)
    road = binary_erosion((image.semantic == OccClass.DRIVEABLE_SURFACE) & (image.depth < 20.0))
    grey = image.rgb.astype(float).mean(axis=2)
    off = np.abs(grey - median_filter(grey, 3))[road]
    assert len(off) > 300 and (off > 12.0).mean() < 0.01
