"""Tracing against a plain reference, on tiles and templates made here."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.frames import digest
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame, Light
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.taxonomy import AgentClass, Material
from uniscene_sim.tile import CELL_M, TILE_M, Tile
from uniscene_sim.tracing.agents import agent_motion, pose_agents, template_arrays
from uniscene_sim.tracing.atlas import PackedTiles, TileAtlas
from uniscene_sim.tracing.kernels import trace_rays
from uniscene_sim.tracing.reference import agent_hit, cell_boxes, world_hit


def sphere_brick() -> int:
    """A ball of sub-cells, as a brick's mask."""
    mask = 0
    for bit in range(64):
        at = np.array([bit // 16, bit // 4 % 4, bit % 4]) - 1.5
        if at @ at < 4.0:
            mask |= 1 << bit
    return mask


def make_tile(ix: int, iy: int, bumps: bool = True, solids: bool = True, decks: int = 1) -> Tile:
    """Wavy ground with checker paint, a bridge deck over part of it, buildings and bushes of brick balls."""
    x = ix * TILE_M + np.arange(321) * 0.2
    y = iy * TILE_M + np.arange(321) * 0.2
    wave = 0.3 * np.sin(x[:, None] / 7.0) * np.cos(y[None, :] / 9.0) if bumps else np.zeros((321, 321))
    ground = np.stack([wave, np.full((321, 321), np.nan)][:decks]).astype(np.float32)
    if decks > 1:
        ground[1, 100:180, :] = 6.0 + wave[100:180]
    cell = np.add.outer(np.arange(640) // 20, np.arange(640) // 20) % 2
    paint = np.where(cell, Material.ASPHALT, Material.GRASS).astype(np.uint8)[None].repeat(decks, 0)
    base = -3.2
    cells = np.full((160, 160, 192), Material.NONE, np.uint8)
    brick = np.full(cells.shape, -1, np.int32)
    if solids:
        cells[20:40, 30:60, 4:28] = Material.WALL_BRICK
        cells[22:38, 32:58, 6:26] = Material.NONE  # hollow
        cells[90:95, 100:140, 5:20] = Material.WALL_SAND
        rng = np.random.default_rng([ix + 100, iy + 100])
        for at in rng.integers(4, 150, (12, 2)):
            part = (slice(at[0], at[0] + 4), slice(at[1], at[1] + 4), slice(8, 13))
            cells[part], brick[part] = Material.FOLIAGE, 0
    blocks = np.full((20, 20, 24), -1, np.int32)
    split = cells.reshape(20, 8, 20, 8, 24, 8).transpose(0, 2, 4, 1, 3, 5)
    used = (split != Material.NONE).any(axis=(3, 4, 5))
    blocks[used] = np.arange(used.sum())
    bricks = np.array([sphere_brick()], np.uint64)
    split_brick = brick.reshape(20, 8, 20, 8, 24, 8).transpose(0, 2, 4, 1, 3, 5)
    materials = np.ascontiguousarray(split[used])
    return Tile((ix, iy), base, blocks, materials, np.ascontiguousarray(split_brick[used]), bricks, ground, paint)


@dataclass
class Store:
    """Tiles by index, made on demand."""

    options: dict = field(default_factory=dict)
    made: dict = field(default_factory=dict)

    def get(self, ix: int, iy: int) -> Tile:
        if (ix, iy) not in self.made:
            self.made[ix, iy] = make_tile(ix, iy, **self.options)
        return self.made[ix, iy]

    def around(self, x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
        found = []
        for ix in range(int((x - radius_m) // TILE_M), int((x + radius_m) // TILE_M) + 1):
            for iy in range(int((y - radius_m) // TILE_M), int((y + radius_m) // TILE_M) + 1):
                dx = max(ix * TILE_M - x, 0.0, x - (ix + 1) * TILE_M)
                dy = max(iy * TILE_M - y, 0.0, y - (iy + 1) * TILE_M)
                if np.hypot(dx, dy) <= radius_m:
                    found.append((ix, iy))
        return found


class Shapes:
    """Two templates: an ellipsoid of 0.1 m voxels, and a hollow box."""

    def __init__(self) -> None:
        shape = np.array([[44, 18, 15], [10, 10, 10]], np.int32)
        at = np.indices(shape[0]).transpose(1, 2, 3, 0) + 0.5 - shape[0] / 2
        unit = at / (shape[0] / 2)
        ball = np.where((unit**2).sum(-1) <= 1.0, Material.BODY, Material.NONE).astype(np.uint8)
        ball[34:, :, 5:9][ball[34:, :, 5:9] == Material.BODY] = Material.HEADLIGHT
        slope = unit / (shape[0] / 2)
        normal = np.round(127 * slope / np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-9))
        box = np.full(tuple(shape[1]), Material.CARGO, np.uint8)
        box[2:8, 2:8, :] = Material.NONE
        self.material = np.concatenate([ball.ravel(), box.ravel()])
        self.normal = np.concatenate([normal.reshape(-1, 3), np.tile([[0, 0, 127]], (box.size, 1))]).astype(np.int8)
        self.offset = np.array([0, ball.size], np.int64)
        self.shape = shape
        self.voxel_m = np.array([0.1, 0.05])
        self.size_m = shape * self.voxel_m[:, None]

    def template_of(self, cls: np.ndarray, colour: np.ndarray, gait: np.ndarray) -> np.ndarray:
        return np.where(np.asarray(cls) == AgentClass.CAR, 0, 1)


def make_agents(*rows: tuple) -> np.ndarray:
    """Agents from (id, class, position, rpy, size, velocity)."""
    agents = np.zeros(len(rows), AGENT_DTYPE)
    for agent, (number, cls, pos, rpy, size, vel) in zip(agents, rows, strict=True):
        agent["id"], agent["cls"], agent["pos"], agent["rpy"] = number, cls, pos, rpy
        agent["size"], agent["vel"], agent["colour"] = size, vel, number * 7919
    return agents


def make_frame(agents: np.ndarray, stamp_us: int = 1_000_000, pose: Pose | None = None, **motion) -> LayoutFrame:
    return LayoutFrame(
        stamp_us=stamp_us,
        ego_pose=pose or Pose(20.0, 20.0, 0.3),
        ego_velocity=np.asarray(motion.get("velocity", (0.0, 0.0, 0.0))),
        ego_yaw_rate=motion.get("yaw_rate", 0.0),
        ego_accel=0.0,
        ego_steer=0.0,
        ego_vehicle=EgoVehicle(),
        agents=agents,
        signals=np.zeros(0, np.uint8),
        route=np.zeros((0, 3)),
        map_ref="synthetic",
        seed=0,
    )


NO_AGENTS = make_agents()


@pytest.fixture(scope="module")
def store() -> Store:
    return Store({"decks": 2})


@pytest.fixture(scope="module")
def atlas(store: Store) -> TileAtlas:
    atlas = TileAtlas(store)
    atlas.update(0.0, 0.0, 60.0)
    return atlas


@pytest.fixture(scope="module")
def boxes(store: Store, atlas: TileAtlas) -> dict:
    return {index: cell_boxes(store.get(*index)) for index in store.around(0.0, 0.0, 60.0)}


def posed(agents: np.ndarray):
    frame = make_frame(agents)
    return pose_agents(frame, agent_motion(frame, (), 0.0), Shapes())


def trace(atlas: TileAtlas, agents: np.ndarray, origin, direction, t_max=200.0):
    origin, direction = np.atleast_2d(np.asarray(origin, float)), np.atleast_2d(np.asarray(direction, float))
    return trace_rays(atlas.arrays, posed(agents), template_arrays(Shapes()), origin, direction, t_max)


coordinate = st.floats(-60.0, 60.0)
axis = st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-1.0, 1.0)
rays = st.tuples(coordinate, coordinate, st.floats(-2.0, 12.0), axis, axis, axis | st.floats(-0.2, 0.1))


@settings(max_examples=150)
@example((-5.6e-227, 0.0, 1.0, 2.2e-309, -1.0, -1.0), False)  # once on neither side of a border of tiles
@example((0.0, -1e-15, 1.0, -1.0, 6e-17, -1.0), False)
@given(rays, st.booleans())
def test_world_as_reference(store, atlas, boxes, ray, snap):
    """Any ray, axis-parallel and on cell edges too, meets the same first surface as when all are tried."""
    origin, direction = np.array(ray[:3]), np.array(ray[3:])
    if np.linalg.norm(direction) < 1e-3:
        direction = np.array([1.0, 0.0, 0.0])
    direction /= np.linalg.norm(direction)
    if snap:
        origin = np.round(origin / CELL_M) * CELL_M + 0.05
    want, material = world_hit([store.get(*i) for i in boxes], boxes, origin, direction)
    t, got, normal, who = trace(atlas, NO_AGENTS, origin, direction)
    if want > 200.0:
        assert t[0] == np.inf
        return
    assert t[0] == pytest.approx(want, abs=1e-6)
    assert who[0] == -1
    assert np.linalg.norm(normal[0]) == pytest.approx(1.0)
    assert normal[0] @ direction <= 1e-12
    if got[0] != material and want > 0.0:  # on an edge either side may be right; one who starts there has no nudges
        # Smaller upwards: on a diagonal ray equal steps would cancel and land on the edge again.
        nudges = 1e-6 * np.array([(a, b, 0.1 * c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
        assert got[0] in [world_hit([store.get(*i) for i in boxes], boxes, origin + d, direction)[1] for d in nudges]


@settings(max_examples=100)
@given(
    st.tuples(*[st.floats(-8.0, 8.0)] * 3),
    st.tuples(axis, axis, axis),
    st.tuples(*[st.floats(-3.0, 3.0)] * 3),
    st.tuples(*[st.floats(0.5, 2.0)] * 3),
)
def test_agents_as_reference(atlas, origin, direction, rpy, scale):
    """Turned and stretched templates meet rays where each of their voxels, taken alone, does."""
    direction = np.array(direction)
    if np.linalg.norm(direction) < 1e-3:
        direction = np.array([0.0, 0.0, -1.0])
    direction /= np.linalg.norm(direction)
    shapes = template_arrays(Shapes())
    size = shapes.size_m[0] * scale
    agents = posed(
        make_agents(
            (1, AgentClass.CAR, (0, 0, 0), rpy, size, (0, 0, 0)),
            (2, AgentClass.BUS, (2.5, 1, 0), (0, 0, rpy[0]), (1.0, 2.0, 3.0), (0, 0, 0)),
        )
    )
    want, _material, who = agent_hit(agents, shapes, np.array(origin), direction)
    empty = TileAtlas(Store({"solids": False}))
    empty.update(1e5, 0.0, 1.0)
    t, _got, normal, row = trace_rays(empty.arrays, agents, shapes, np.array([origin]), direction[None], 100.0)
    if abs(t[0] - want) > 1e-6 if want < np.inf else t[0] < np.inf:
        nudges = 1e-6 * np.vstack([np.eye(3), -np.eye(3)])
        near = [agent_hit(agents, shapes, np.array(origin) + d, direction)[0] for d in nudges]
        assert np.min(np.abs(np.array(near) - t[0])) < 1e-4 or (t[0] == np.inf and np.inf in near)
        return
    assert row[0] == who
    if who >= 0:
        assert np.linalg.norm(normal[0]) == pytest.approx(1.0)


def test_two_decks(atlas):
    """Under the bridge a ray down meets the road; from above it meets the bridge; beside it, the road again."""
    x = 28.0
    t, _, normal, _ = trace(
        atlas, NO_AGENTS, [[x, 60.0, 3.0], [x, 60.0, 9.0], [x, 60.0, 3.0]], [[0, 0, -1], [0, 0, -1], [0, 0, 1]]
    )
    assert t == pytest.approx([3.0, 3.0, 3.0], abs=0.4)
    assert normal[:, 2] == pytest.approx([1.0, 1.0, -1.0], abs=0.05)


def test_atlas_follows():
    """Moving there and back leaves the same hits, and far tiles are dropped."""
    store = Store({"decks": 2})
    atlas, fresh = TileAtlas(store), TileAtlas(store)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(300, 3)) * [1, 1, 0.1]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for x in (0.0, 150.0, 400.0, 900.0, 400.0):
        atlas.update(x, 10.0, 70.0)
        assert len(atlas.tiles) <= 30
    fresh.update(400.0, 10.0, 70.0)
    origins = np.tile([400.0, 10.0, 2.0], (300, 1))
    for got, want in zip(
        trace(atlas, NO_AGENTS, origins, directions), trace(fresh, NO_AGENTS, origins, directions), strict=True
    ):
        np.testing.assert_array_equal(got, want)


def shown(atlas: TileAtlas) -> list[np.ndarray]:
    """What rays meet that leave three places in all directions."""
    directions = np.random.default_rng(0).normal(size=(200, 3)) * [1, 1, 0.1]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    found = [trace(atlas, NO_AGENTS, np.tile([x, 10.0, 2.0], (200, 1)), directions) for x in (0.0, 150.0, 400.0)]
    return [array for hits in found for array in hits]


def test_atlases_that_share_tiles_show_what_each_would_alone():
    """In any order, as one leaves and comes back and another is thrown away; nor do pools that grow, or rows that are
    used again, change what has been handed out."""
    store = Store({"decks": 2})
    want = {}
    for place in ((0.0, 40.0), (0.0, 90.0), (150.0, 90.0), (400.0, 40.0), (900.0, 40.0)):
        alone = TileAtlas(store)
        alone.update(place[0], 10.0, place[1])
        want[place] = shown(alone)
    assert not np.array_equal(want[0.0, 40.0][0], want[0.0, 90.0][0])  # the farther one sees more
    tiles, rng, places = PackedTiles(store), np.random.default_rng(1), list(want)
    atlases = [TileAtlas(tiles) for _ in range(4)]
    at: list = [None] * 4
    for _ in range(30):
        k, place = int(rng.integers(4)), places[rng.integers(len(places))]
        if rng.random() < 0.1:
            atlases[k], at[k] = TileAtlas(tiles), None
        handed_out = [(want[at[i]], a.arrays) for i, a in enumerate(atlases) if at[i] and i != k]
        atlases[k].update(place[0], 10.0, place[1])
        at[k] = place
        for other, arrays in handed_out:
            np.testing.assert_equal(shown(SimpleNamespace(arrays=arrays)), other)
        for place, atlas in zip(at, atlases, strict=True):
            if place:
                np.testing.assert_equal(shown(atlas), want[place])


def test_tiles_that_worlds_share_are_packed_once_and_go_with_the_last():
    store = Store({"decks": 2})
    tiles = PackedTiles(store)
    atlases = [TileAtlas(tiles) for _ in range(16)]

    def packed(*places: float) -> list[int]:
        """Tiles and bytes of what one atlas takes in each of some places."""
        alone = [TileAtlas(store) for _ in places]
        for atlas, x in zip(alone, places, strict=True):
            atlas.update(x, 10.0, 70.0)
        return np.sum([(len(a.tiles), a.tiles.nbytes) for a in alone], axis=0).tolist()

    for k, atlas in enumerate(atlases):
        atlas.update(0.2 * k, 10.0, 70.0)
    assert [len(tiles), tiles.nbytes] == packed(0.0)
    assert all(a.arrays.ground is atlases[0].arrays.ground for a in atlases)
    atlases[1].update(5000.0, 10.0, 70.0)
    assert [len(tiles), tiles.nbytes] == packed(0.0, 5000.0)
    atlases[1].update(0.0, 10.0, 70.0)
    assert [len(tiles), tiles.nbytes] == packed(0.0)
    for atlas in atlases:
        atlas.update(5000.0, 10.0, 70.0)
    assert [len(tiles), tiles.nbytes] == packed(5000.0)
    del atlas, atlases[1:]
    atlases[0].update(9000.0, 10.0, 70.0)
    assert [len(tiles), tiles.nbytes] == packed(9000.0)


def test_atlases_in_threads_show_what_each_would_alone():
    store, places = Store({"decks": 2}), (0.0, 150.0, 400.0, 900.0)
    want = {}
    for x in places:
        alone = TileAtlas(store)
        alone.update(x, 10.0, 60.0)
        want[x] = shown(alone)
    tiles = PackedTiles(store)

    def drive(seed: int) -> None:
        rng, atlas = np.random.default_rng(seed), TileAtlas(tiles)
        for x in rng.choice(places, 20):
            atlas.update(x, 10.0, 60.0)
            np.testing.assert_equal(shown(atlas), want[x])

    kept = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(drive, range(4)))
    finally:
        sys.setswitchinterval(kept)


def make_camera(name: str = "front", **changes) -> CameraSpec:
    values = {"width": 64, "height": 40, "fx": 40.0, "fy": 40.0, "cx": 32.0, "cy": 20.0, "pose": Pose(1.0, 0.0, 1.5)}
    return CameraSpec(name, **(values | changes))


def make_lidar(name: str = "top", **changes) -> LidarSpec:
    values = {"pose": Pose(0.5, 0.0, 1.8), "elevation_rad": tuple(np.radians(np.linspace(-25, 5, 12)))}
    return LidarSpec(name, **(values | {"azimuth_steps": 180, "max_range_m": 60.0} | changes))


CROWD = make_agents(
    (7, AgentClass.CAR, (40.0, 20.0, 0.2), (0, 0, 0.4), (4.4, 1.8, 1.5), (5.0, 0, 0)),
    (9, AgentClass.BUS, (34.0, 24.0, 0.2), (0, 0, 1.2), (5.0, 2.0, 2.5), (0.0, 3.0, 0)),
)


@pytest.fixture(scope="module")
def engines() -> tuple[RaycastCameras, RaycastLidar]:
    return RaycastCameras(Shapes()), RaycastLidar(Shapes())


@pytest.fixture(scope="module")
def wide(store: Store) -> TileAtlas:
    atlas = TileAtlas(store)
    atlas.update(20.0, 20.0, 158.0)
    return atlas


def test_one_thread_as_two(wide, engines):
    """Images and sweeps are the same, bit for bit, however many threads make them."""
    view = WorldView(make_frame(CROWD), (), wide)
    kept = numba.get_num_threads()
    digests = []
    try:
        for threads in {1, kept}:
            numba.set_num_threads(threads)
            image = engines[0].step(None, [view], [make_camera()])[1][0]["front"]
            sweep = engines[1].step(None, [view], [make_lidar()])[1][0]["top"]
            digests.append((digest(image), digest(sweep)))
    finally:
        numba.set_num_threads(kept)
    assert len(set(digests)) == 1
    assert {7, 9} <= set(np.unique(image.instance)) and {7, 9} <= set(np.unique(sweep.instance))


def test_many_worlds_at_once_are_what_each_is_alone(wide, engines):
    """Bit for bit: in one call of any number of threads, in any order, and in calls from two threads at once."""
    frame = make_frame(CROWD)
    poses = [Pose(20.0 + k, 20.0, 0.3, yaw=0.5 * k) for k in range(9)]
    views = [WorldView(replace(frame, ego_pose=pose), (), wide) for pose in poses]
    specs = [make_camera(noise=0.1, shutter_ms=50.0), make_camera("ego", ego_visible=True)]
    sweeps = [make_lidar(), make_lidar("real", divergence_rad=0.003, detect_range_m=80.0)]

    def seen(some: list[WorldView]) -> list[str]:
        images, clouds = engines[0].step(None, some, specs)[1], engines[1].step(None, some, sweeps)[1]
        return ["".join(map(digest, (*i.values(), *c.values()))) for i, c in zip(images, clouds, strict=True)]

    alone = [seen([view])[0] for view in views]
    assert len(set(alone)) == len(views)
    kept = numba.get_num_threads()
    try:
        for threads in {1, kept}:
            numba.set_num_threads(threads)
            assert seen(views) == alone and seen(views[::-1]) == alone[::-1]
    finally:
        numba.set_num_threads(kept)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(seen, (views, views[::-1]))) == [alone, alone[::-1]]


def test_sensors_do_not_change_each_other(wide, engines):
    """A sensor's record is the same alone, among others, and over an atlas that reaches farther."""
    view = WorldView(make_frame(CROWD), (), wide)
    near = TileAtlas(wide.tiles.store)
    near.update(20.0, 20.0, 68.0)
    camera, lidar = make_camera(max_range_m=60.0), make_lidar()
    alone = engines[0].step(None, [WorldView(view.frame, (), near)], [camera])[1][0]["front"]
    among = engines[0].step(None, [view], [make_camera("other", pose=Pose(0, 0, 2, yaw=1)), camera])[1][0]["front"]
    assert digest(alone) == digest(among)
    alone = engines[1].step(None, [WorldView(view.frame, (), near)], [lidar])[1][0]["top"]
    among = engines[1].step(None, [view], [make_lidar("other", azimuth_steps=90), lidar])[1][0]["top"]
    assert digest(alone) == digest(among)


def test_camera_depth_is_lidar_range(wide, engines):
    """A camera of one pixel that looks along a beam sees, at rest, what the beam meets."""
    still = CROWD.copy()
    still["vel"] = 0.0
    view = WorldView(make_frame(still, pose=Pose(20.0, 20.0, 0.3, 0.02, -0.03, 0.4)), (), wide)
    sweep = engines[1].step(None, [view], [make_lidar(azimuth_steps=24)])[1][0]["top"]
    assert len(sweep.xyz) > 100
    for point, label, instance in zip(sweep.xyz, sweep.label, sweep.instance, strict=True):
        reach = np.linalg.norm(point)
        pose = Pose(0.5, 0.0, 1.8, 0.0, -np.arcsin(point[2] / reach), np.arctan2(point[1], point[0]))
        camera = make_camera(width=1, height=1, cx=0.5, cy=0.5, pose=pose)
        image = engines[0].step(None, [view], [camera])[1][0]["front"]
        if image.semantic[0, 0] == label:  # on an edge, rounding to float32 may turn the ray past it
            assert image.depth[0, 0] == pytest.approx(reach, rel=1e-4)
            assert image.instance[0, 0] == instance
    assert sweep.instance.max() > 0


def flat_view(frame: LayoutFrame, history: tuple = ()) -> WorldView:
    atlas = TileAtlas(Store({"solids": False, "bumps": False}))
    atlas.update(20.0, 20.0, 80.0)
    return WorldView(frame, history, atlas)


def test_agent_moves_in_a_sweep(engines):
    """Points on a moving box lie where it is when its beam fires, from history and from velocity alike."""
    speed = 20.0
    boxes = [(3, AgentClass.BUS, (20.0, 32.0, 0.0), (0, 0, 0), (4.0, 2.0, 3.0), (speed, 0, 0))]
    frame = make_frame(make_agents(*boxes))
    history = []
    for k in range(10, 0, -1):
        agents = make_agents(*boxes)
        agents["pos"][:, 0] -= speed * 0.01 * k
        history.append(make_frame(agents, stamp_us=1_000_000 - 10_000 * k))
    lidar = make_lidar(azimuth_steps=720, pose=Pose(0, 0, 1.8))
    sweeps = [engines[1].step(None, [flat_view(frame, h)], [lidar])[1][0]["top"] for h in ((), tuple(history))]
    for sweep in sweeps:
        on = sweep.instance == 3
        assert on.sum() > 50
        assert sweep.time_s.max() <= 0.0 and sweep.time_s.min() > -0.1
        x = sweep.xyz[on, 0] - speed * sweep.time_s[on]
        assert np.abs(x).max() < 2.0 + 1e-3
        assert x.max() - x.min() > 3.7
        assert np.all(sweep.xyz[on, 1] >= 11.0 - 1e-3)
    np.testing.assert_allclose(sweeps[0].xyz, sweeps[1].xyz, atol=1e-4)


def test_ego_moves_in_a_sweep(engines):
    """A wall's points lie on the wall, however fast the ego drives and turns past it."""
    wall = make_agents((4, AgentClass.BARRIER, (50.0, 20.0, 0.0), (0, 0, 0), (0.5, 60.0, 4.0), (0, 0, 0)))
    frame = make_frame(wall, pose=Pose(20.0, 20.0, 0.0), velocity=(15.0, 3.0, 0.0), yaw_rate=0.5)
    sweep = engines[1].step(None, [flat_view(frame)], [make_lidar()])[1][0]["top"]
    on = (sweep.instance == 4) & (np.abs(sweep.xyz[:, 1]) < 25)
    assert on.sum() > 20
    assert sweep.xyz[on, 0] + 20.5 == pytest.approx(np.full(on.sum(), 49.75), abs=0.03)
    road = sweep.instance == 0
    assert sweep.xyz[road, 2] == pytest.approx(np.full(road.sum(), -1.8), abs=1e-4)


def test_lamps_light_up(engines):
    """Head lamps are brighter with their bit set."""
    dark = make_agents((5, AgentClass.CAR, (30.0, 20.0, 0.0), (0, 0, np.pi), (4.4, 1.8, 1.5), (0, 0, 0)))
    bright = dark.copy()
    bright["lights"] = Light.HEAD
    images = [engines[0].step(None, [flat_view(make_frame(a))], [make_camera()])[1][0]["front"] for a in (dark, bright)]
    np.testing.assert_array_equal(images[0].instance, images[1].instance)
    changed = images[1].rgb.astype(int) - images[0].rgb
    assert changed.max() > 30 and changed.min() >= 0
    assert np.all(images[0].instance[changed.any(axis=-1)] == 5)
