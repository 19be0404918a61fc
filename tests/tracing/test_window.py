"""Sensors that trace an occupancy window: what rays hit is what a plain march of its labels finds, and beyond it tiles
or nothing."""

from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.assembly import assemble
from uniscene_sim.engine_support.late_frames import Delivery, Moment
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.lidar.learned.engine import SparseSdf
from uniscene_sim.lidar.raycast.trace import beams_of
from uniscene_sim.occupancy.window import ExactWindow
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.simulator import Simulator
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.agents import agent_motion, pose_agents, template_arrays
from uniscene_sim.tracing.kernels import trace_rays
from uniscene_sim.tracing.templates.template_set import built_in_templates
from uniscene_sim.tracing.window import WindowAtlas, no_tiles, window_arrays
from uniscene_sim.world.scenario_source import ScenarioSource

FREE = int(OccClass.FREE)
FAR_M = 70.0
CAMERA = CameraSpec("front", 48, 32, 30.0, 30.0, 24.0, 16.0, Pose(1.7, 0.1, 1.5, yaw=0.1), max_range_m=FAR_M)
LIDAR = LidarSpec("top", Pose(0.93, 0.05, 1.83), tuple(np.radians(np.linspace(-20.0, 5.0, 8))), 60, max_range_m=FAR_M)
RIG = SensorRig("window", (CAMERA,), (LIDAR,))
SMALL = GridSpec(0.4, (60, 50, 16), (-8.0, -10.0, -1.0))


def march(grid: OccupancyGrid, origin: np.ndarray, direction: np.ndarray) -> tuple[float, int, int, float]:
    """Plain: between all planes of voxels that a ray (in the grid's own frame) crosses, the voxel of the middle.

    Returns:
        t of the first full voxel (inf where there is none), its label and instance, and t where the ray leaves the box.
    """
    spec, low, high = grid.grid, np.array(grid.grid.extent[:3]), np.array(grid.grid.extent[3:])
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (low - origin) / direction, (high - origin) / direction
        enter, leave = max(np.nanmax(np.minimum(a, b)), 0.0), np.nanmin(np.maximum(a, b))
        planes = [(low[k] + spec.voxel_m * np.arange(spec.shape[k] + 1) - origin[k]) / direction[k] for k in range(3)]
    if enter >= leave:
        return np.inf, FREE, 0, -np.inf
    t = np.concatenate(planes)
    t = np.unique(np.concatenate([[enter, leave], t[(t > enter) & (t < leave)]]))
    index = np.clip(spec.index(origin + 0.5 * (t[:-1] + t[1:])[:, None] * direction), 0, np.array(spec.shape) - 1)
    full = np.flatnonzero(grid.labels[tuple(index.T)] != FREE)
    if not len(full):
        return np.inf, FREE, 0, leave
    at = tuple(index[full[0]])
    return float(t[full[0]]), int(grid.labels[at]), int(grid.instances[at]), leave


def moment(ticks: int = 4, scenario: str = "cut_in", **options) -> tuple[Simulator, Moment]:
    """A street some ticks into a scenario, where the sensors stand still as they turn."""
    world = assemble(ScenarioSource.open(scenario), RIG, bev_schema=None, camera="raycast-plain", **options)
    world.reset()
    for _ in range(ticks):
        world.step()
    layout = replace(world.recent_layouts[-1], ego_velocity=np.zeros(3), ego_yaw_rate=0.0)
    world.current_view()
    return world, Moment(layout, ())


def seen(world: Simulator, now: Moment, grid: OccupancyGrid | None, trace: str, slot: str = "camera"):
    """The record of a sensor that traces a window, or tiles where there is none."""
    world.trace = trace
    window = None if grid is None else Delivery(0, now.layout, {"window": grid})
    view = world.view_of(replace(now, window=window), world.atlas)
    specs = world.specs[slot]
    return world.engines[slot].step([None], [view], specs)[1][0][specs[0].name]


def camera_rays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origin (3,) and unit directions (H, W, 3) of the camera in base_link, and cosines to its axis (H, W)."""
    v, u = np.meshgrid(np.arange(CAMERA.height) + 0.5, np.arange(CAMERA.width) + 0.5, indexing="ij")
    rays, _ = CAMERA.unproject(np.column_stack([u.ravel(), v.ravel()]))
    shape = (CAMERA.height, CAMERA.width)
    return (
        CAMERA.pose.position,
        (rays @ CAMERA.rotation_base_from_optical.T).reshape(*shape, 3),
        rays[:, 2].reshape(shape),
    )


def test_the_kernel_is_a_plain_march():
    random = np.random.default_rng(1)
    total = 0
    for k in range(12):
        shape = tuple(int(n) for n in random.integers(1, 14, 3))
        spec = GridSpec(float(random.choice([0.2, 0.4, 0.75])), shape, tuple(random.uniform(-4, 1, 3)))
        labels = random.integers(0, FREE, shape).astype(np.uint8)
        labels[random.random(shape) < (0.0 if k == 0 else 0.9)] = FREE
        instances = np.where(labels < FREE, random.integers(0, 65_536, shape), 0).astype(np.uint16)
        pose = Pose(*random.uniform(-90, 90, 3), *random.uniform(-3, 3, 3) * (0.1, 0.1, 1.0))
        level = replace(pose, roll=0.0, pitch=0.0)
        grid = OccupancyGrid(labels, instances, spec, level)
        atlas = WindowAtlas(window_arrays(grid, pose), no_tiles())
        n = 150
        origin = random.uniform(-6, 6, (n, 3))
        direction = random.uniform(spec.extent[:3], spec.extent[3:], (n, 3)) - origin
        direction[:6] = [(1, 0, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (0.6, 0.8, 0), (0, 0.6, -0.8)]
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        empty = assemble_agents()
        t, material, normal, _ = trace_rays(
            atlas.arrays, *empty, pose.apply(origin), direction @ pose.rotation.T, np.inf
        )
        for r in range(n):
            expected = march(grid, origin[r], direction[r])
            assert t[r] == pytest.approx(expected[0], abs=1e-9), (k, r)
            if np.isfinite(expected[0]):
                total += 1
                assert material[r] == expected[1] and np.linalg.norm(normal[r]) == pytest.approx(1.0)
                assert normal[r] @ pose.rotation @ direction[r] < 0.0
    assert total > 300


def assemble_agents():
    layout = assemble(ScenarioSource.open("cut_in"), SensorRig("none")).source.reset()
    layout = replace(layout, agents=layout.agents[:0])
    return pose_agents(layout, agent_motion(layout, (), 0.0), built_in_templates()), template_arrays(
        built_in_templates()
    )


@pytest.mark.parametrize(("scenario", "pitch"), [("cut_in", 0.0), ("hard_brake", 0.06)])
def test_a_camera_shows_the_labels_and_instances_of_the_window(scenario, pitch):
    """On a slope, too, the window lies on the plane of the ego's wheels."""
    world, now = moment(scenario=scenario)
    grid, layout = world.step().occupancy, world.recent_layouts[-1]
    now = Moment(replace(layout, ego_pose=replace(layout.ego_pose, pitch=pitch, roll=-0.5 * pitch)), ())
    image = seen(world, now, grid, "window")
    origin, rays, cosine = camera_rays()
    for v in range(CAMERA.height):
        for u in range(CAMERA.width):
            t, label, instance, _ = march(grid, origin, rays[v, u])
            depth = t * cosine[v, u] if t <= FAR_M else np.inf
            assert image.depth[v, u] == pytest.approx(depth, rel=1e-6), (v, u)
            assert (image.semantic[v, u], image.instance[v, u]) == (label, instance), (v, u)
    assert len(np.unique(image.semantic)) > 3
    if scenario == "cut_in":
        assert set(np.unique(image.instance)) - {0}, "a vehicle is in sight"
    assert image.rgb.std() > 5


def test_a_lidar_returns_the_labels_and_instances_of_the_window():
    world, now = moment()
    grid = ExactWindow(None, 0).step([None], [world.view_of(now, world.atlas)], world.request.window_grid)[1][0]
    sweep = seen(world, now, grid, "window", "lidar")
    beams, origin, expected = beams_of(LIDAR), LIDAR.pose.position, []
    for azimuth in beams.azimuth:
        for ring, elevation in enumerate(beams.elevation):
            flat = np.cos(elevation)
            ray = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
            t, label, instance, _ = march(grid, origin, ray)
            if LIDAR.min_range_m <= t <= FAR_M:
                expected.append((*(t * ray), ring, label, instance))
    got = np.column_stack([sweep.xyz, sweep.ring, sweep.label, sweep.instance])
    np.testing.assert_allclose(got, np.array(expected), atol=2e-5)
    assert (sweep.instance > 0).any() and (sweep.intensity > 0.0).all()


def test_beyond_the_window_are_tiles_or_nothing():
    world, now = moment()
    grid = ExactWindow(None, 0).step([None], [world.view_of(now, world.atlas)], SMALL)[1][0]
    tiles = seen(world, now, None, "tiles")
    alone, both = seen(world, now, grid, "window"), seen(world, now, grid, "window+tiles")
    origin, rays, cosine = camera_rays()
    beyond = 0
    for v in range(CAMERA.height):
        for u in range(CAMERA.width):
            t, label, instance, leave = march(grid, origin, rays[v, u])
            pixel = (v, u)
            if np.isfinite(t):
                for image in (alone, both):
                    assert image.depth[pixel] == pytest.approx(t * cosine[pixel], rel=1e-6)
                    assert (image.semantic[pixel], image.instance[pixel]) == (label, instance)
                continue
            assert alone.depth[pixel] == np.inf and alone.semantic[pixel] == FREE
            assert both.depth[pixel] >= leave * cosine[pixel] - 1e-6
            if tiles.depth[pixel] > leave * cosine[pixel]:  # nothing stood in the way there either
                beyond += np.isfinite(tiles.depth[pixel])
                assert both.depth[pixel] == tiles.depth[pixel], pixel
                assert (both.semantic[pixel], both.instance[pixel]) == (tiles.semantic[pixel], tiles.instance[pixel])
    assert beyond > 100
    sweep = seen(world, now, grid, "window", "lidar")
    assert np.abs(sweep.xyz + LIDAR.pose.position).max() <= 16.01
    assert len(seen(world, now, grid, "window+tiles", "lidar").xyz) > len(sweep.xyz) + 20


def test_agents_are_voxels_within_and_themselves_beyond():
    """A car that the window does not know is not there within it; beyond, it is."""
    world, now = moment(ticks=0)
    empty = OccupancyGrid(
        np.full(SMALL.shape, FREE, np.uint8), np.zeros(SMALL.shape, np.uint16), SMALL,
        replace(now.layout.ego_pose, roll=0.0, pitch=0.0),
    )  # fmt: skip
    car = now.layout.agents[:1].copy()
    for ahead, there in ((8.0, False), (22.0, True)):
        car["id"], car["cls"], car["size"] = 777, 0, (4.5, 1.8, 1.5)
        car["pos"], car["rpy"] = now.layout.ego_pose.apply(np.array([ahead, 0.0, 0.0])), (0, 0, now.layout.ego_pose.yaw)
        crowded = replace(now, layout=replace(now.layout, agents=car))
        image = seen(world, crowded, empty, "window+tiles")
        assert (777 in image.instance) == there
        assert 777 in seen(world, crowded, None, "tiles").instance
        assert not np.isfinite(seen(world, crowded, empty, "window").depth).any()


class Wall:
    """A window with a wall across the road, further off each tick, that belongs to nobody's instance 4321."""

    name, chunk, latency_ticks = "wall", 1, 0

    def step(self, state, views, grid):
        state, grids = ExactWindow(None, 0).step(state, views, grid)
        after = [(k or 0) + 1 for k in state]
        for k, made in zip(after, grids, strict=True):
            i = int(grid.index(np.array([6.0 + k, 0.0, 0.0]))[0])
            made.labels[i, :, 3:9], made.instances[i, :, 3:9] = OccClass.VEGETATION, 4321
        return after, grids


def test_what_an_engine_of_the_slot_makes_is_in_the_frame_and_before_the_sensors():
    made = assemble(ScenarioSource.open("cut_in"), RIG, bev_schema=None, camera="raycast-plain")
    walled = made.engines | {"window": Wall()}
    for trace in ("tiles", "window"):
        world = Simulator(made.source, RIG, made.store, walled, trace=trace, request=made.request)
        for k, frame in enumerate([world.reset(), world.step(), world.step()], start=1):
            near = np.flatnonzero((frame.occupancy.instances == 4321).any(axis=(1, 2)))
            assert frame.occupancy.grid.centres(0)[near] == pytest.approx([6.0 + k], abs=0.21)
            sweep = frame.sweeps["top"]
            on = sweep.instance == 4321
            assert (4321 in frame.cameras["front"].instance) == on.any() == (trace == "window")
            if trace == "window":
                assert (sweep.label[on] == OccClass.VEGETATION).all() and on.sum() > 5
        frame = world.step(request=FrameRequest(window_grid=None, bev_schema=None))
        assert frame.occupancy is None and (4321 in frame.cameras["front"].instance) == (trace == "window")


def test_what_cannot_trace_a_window_says_so():
    world, now = moment(ticks=0)
    world.trace = "window"
    grid = world.reset().occupancy
    view = world.view_of(replace(now, window=Delivery(0, now.layout, {"window": grid})), world.atlas)
    with pytest.raises(InputError, match="sparse-sdf reads tiles"):
        SparseSdf.step(None, [None], [view], [LIDAR])
    with pytest.raises(InputError, match=r"trace: expected one of tiles, window, window\+tiles, got 'voxels'"):
        assemble(ScenarioSource.open("cut_in"), RIG, trace="voxels")
    with pytest.raises(InputError, match="no window engine 'exat'"):
        assemble(ScenarioSource.open("cut_in"), RIG, window="exat")


def test_shadows_are_those_of_the_window():
    world, now = moment(ticks=0)
    world.engines["camera"] = type(world.engines["camera"]).__mro__[1]()  # with shadows
    pose = replace(now.layout.ego_pose, roll=0.0, pitch=0.0)
    labels = np.full(SMALL.shape, FREE, np.uint8)
    labels[:, :, 2] = OccClass.DRIVEABLE_SURFACE
    flat = OccupancyGrid(labels, np.zeros(SMALL.shape, np.uint16), SMALL, pose)
    roofed = replace(flat, labels=labels.copy())
    roofed.labels[:, :, 15] = OccClass.MANMADE
    noon = replace(now, layout=replace(now.layout, agents=now.layout.agents[:0]))
    road = seen(world, noon, flat, "window").semantic == OccClass.DRIVEABLE_SURFACE
    light, dark = (seen(world, noon, g, "window").rgb[road].mean() for g in (flat, roofed))
    assert dark < 0.8 * light


def test_an_env_traces_it_too():
    pytest.importorskip("gymnasium")
    from uniscene_sim.env.env import UniSceneEnv

    settings = {"scenario": "cut_in", "observations": ("front_rgb", "occupancy")}
    tiles, voxels = (UniSceneEnv(trace=trace, **settings) for trace in ("tiles", "window"))
    a, b = (env.reset(seed=3)[0] for env in (tiles, voxels))
    assert np.array_equal(a["occupancy"], b["occupancy"]) and not np.array_equal(a["front_rgb"], b["front_rgb"])
    saved = voxels.get_state()
    after = voxels.step(np.array([0.0, 0.5], np.float32))[0]["front_rgb"]
    voxels.set_state(saved)
    assert np.array_equal(voxels.step(np.array([0.0, 0.5], np.float32))[0]["front_rgb"], after)
    with pytest.raises(InputError, match=r"trace: expected one of tiles, window, window\+tiles, got 'rays'"):
        UniSceneEnv(trace="rays", **settings)
