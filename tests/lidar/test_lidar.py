"""LiDARs: beam tables beside real sensors, noise, power, footprints, weather, motion, files."""

import math
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracing.test_tracing import Shapes, make_agents, make_frame
from uniscene_sim.compute.keyed_random import key_of, unit_hash
from uniscene_sim.errors import InputError
from uniscene_sim.frames import LidarSweep, digest
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import Style
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.lidar.raycast.footprint import group_echoes
from uniscene_sim.lidar.raycast.receiver import FLUCTUATION, NEAR_M
from uniscene_sim.lidar.weather import air_of
from uniscene_sim.rig import LidarSpec
from uniscene_sim.rigs.lidar_makes import LIDAR_MODELS, lidar_model
from uniscene_sim.rigs.ouster import ouster_beams
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.taxonomy import AgentClass, Material, OccClass
from uniscene_sim.tile import TILE_M, Tile
from uniscene_sim.tracing.atlas import TileAtlas

WALL_X = 104.0  # m


class Street:
    """Flat ground of asphalt, and a wall 6.4 m high along `WALL_X`."""

    def __init__(self, wall: Material = Material.WALL_SAND, ground: Material = Material.ASPHALT):
        self.wall, self.paint = wall, ground
        self.made: dict[tuple[int, int], Tile] = {}

    def get(self, ix: int, iy: int) -> Tile:
        if (ix, iy) not in self.made:
            cells = np.full((160, 160, 192), Material.NONE, np.uint8)
            if ix == int(WALL_X // TILE_M):
                at = round((WALL_X % TILE_M) / 0.4)
                cells[at : at + 2, :, 8:24] = self.wall
            split_cells = cells.reshape(20, 8, 20, 8, 24, 8).transpose(0, 2, 4, 1, 3, 5)
            used = (split_cells != Material.NONE).any(axis=(3, 4, 5))
            blocks = np.full((20, 20, 24), -1, np.int32)
            blocks[used] = np.arange(used.sum())
            materials = np.ascontiguousarray(split_cells[used])
            paint = np.full((1, 640, 640), self.paint, np.uint8)
            self.made[ix, iy] = Tile((ix, iy), -3.2, blocks, materials, np.full(materials.shape, -1, np.int32),
                                     np.zeros(0, np.uint64), np.zeros((1, 321, 321), np.float32), paint)  # fmt: skip
        return self.made[ix, iy]

    def around(self, x: float, y: float, radius_m: float) -> list[tuple[int, int]]:
        low, high = int((x - radius_m) // TILE_M), int((x + radius_m) // TILE_M)
        left, right = int((y - radius_m) // TILE_M), int((y + radius_m) // TILE_M)
        return [(i, j) for i in range(low, high + 1) for j in range(left, right + 1)]


def view_of(distance: float, street: Street | None = None, agents: tuple = (), weather: str = "clear", **frame):
    """A world whose ego looks at the wall, `distance` m away from the middle of its rear axle."""
    atlas = TileAtlas(street or Street())
    pose = Pose(WALL_X - distance, 20.0, 0.0)
    atlas.update(pose.x, pose.y, 110.0)
    layout = make_frame(make_agents(*agents), pose=pose, **frame)
    return WorldView(replace(layout, style=Style(weather=weather)), (), atlas)


FAN = LidarSpec("fan", Pose(0.0, 0.0, 1.8), tuple(np.radians(np.linspace(-0.5, 0.5, 20))), 9000, max_range_m=150.0)
RING = LidarSpec("ring", Pose(0.0, 0.0, 1.8), tuple(np.radians(np.linspace(-25, 8, 24))), 720, max_range_m=100.0)


@pytest.fixture(scope="module")
def engine() -> RaycastLidar:
    shapes = Shapes()
    shapes.normal[shapes.offset[1] :] = (-127, 0, 0)  # boxes face those who come behind them
    return RaycastLidar(shapes)


def sweep(engine: RaycastLidar, view: WorldView, spec: LidarSpec) -> LidarSweep:
    return engine.step(None, [view], [spec])[1][0][spec.name]


def ahead(made: LidarSweep, width: float = 0.03) -> np.ndarray:
    """Points within `width` rad of straight ahead."""
    return np.abs(np.arctan2(made.xyz[:, 1], made.xyz[:, 0])) < width


def distance(made: LidarSweep) -> np.ndarray:
    return np.linalg.norm(made.xyz.astype(np.float64), axis=1)


# Beam tables


@pytest.mark.parametrize(("model", "locked"), [("hdl-32e", False), ("pandar64", False), ("os1-128", True)])
def test_only_the_columns_of_sensors_with_an_encoder_are_at_equal_azimuths_in_each_sweep(engine, model, locked):
    """In packets of real Velodynes and Hesais the phase of the columns is spread over the whole step."""
    spec = lidar_model(model, "x", Pose(0.0, 0.0, 1.8), azimuth_steps=90, range_noise_m=0.0, min_range_m=0.0)
    view, step, phases = view_of(20.0), 2 * np.pi / 90, []
    for number in range(12):
        made = sweep(engine, replace(view, frame=replace(view.frame, stamp_us=100_000 * number)), spec)
        one = made.xyz[made.ring == 8].astype(np.float64)  # it hits the ground all around
        phases.append(np.exp(2j * np.pi * np.arctan2(one[:, 1], one[:, 0]) / step).mean())
    assert np.abs(phases) == pytest.approx(1.0, abs=1e-3), "columns are a step apart"
    together = abs(np.mean(phases))  # 1 where all begin at one azimuth, near 0 where they are spread
    assert together > 0.999 if locked else together < 0.7


def test_published_tables():
    degrees = {name: np.degrees(values["elevation_rad"]) for name, values in LIDAR_MODELS.items()}
    np.testing.assert_allclose(degrees["vlp-16"], np.arange(-15, 16, 2))
    assert degrees["hdl-32e"][[0, 31]] == pytest.approx([-30.67, 10.67])
    np.testing.assert_allclose(np.diff(degrees["hdl-32e"]), 4 / 3, atol=0.001)
    assert degrees["hdl-64e"][[0, 31, 32, 63]] == pytest.approx([-24.33, -8.83, -8.33, 2.0])
    assert degrees["pandar64"][[0, 1, 9, 10, 46, 62, 63]] == pytest.approx(
        [-24.897, -18.889, -7.063, -6.061, 0.0, 11.032, 14.882]
    )
    assert len(degrees["os1-128"]) == 128 and degrees["os1-128"][[0, -1]] == pytest.approx([-22.5, 22.5])
    for name in LIDAR_MODELS:
        spec = lidar_model(name, "x", Pose())
        assert (np.diff(spec.elevation_rad) > 0).all()
        if spec.firing_us:
            assert min(spec.firing_us) == 0.0 and len(set(spec.firing_us)) in (len(spec.elevation_rad), 32)
    assert LIDAR_MODELS["hdl-32e"]["firing_us"][:4] == pytest.approx((0, 2.304, 4.608, 6.912))
    assert max(LIDAR_MODELS["pandar64"]["firing_us"]) == pytest.approx(54.668 - 3.62)
    with pytest.raises(ValueError, match="no LiDAR model 'vlp-17', expected one of hdl-32e"):
        lidar_model("vlp-17", "x", Pose())


def test_pandar64_table_fits_a_real_sweep(shared_data):
    """In PandaSet's sweep of a standing car the rings lie where the table says, to hundredths of a degree."""
    points = np.fromfile(shared_data / "lidar/pandaset/000500.bin", np.float32).reshape(-1, 4)
    at = Pose(0.26, -0.07, 1.876, roll=-0.0016, pitch=-0.0108)
    seen = (points[:, :3] - at.position) @ at.rotation
    elevation = np.degrees(np.arcsin(seen[:, 2] / np.linalg.norm(seen, axis=1)))
    table = np.degrees(LIDAR_MODELS["pandar64"]["elevation_rad"])
    ring = np.abs(elevation[:, None] - table).argmin(axis=1)
    off = [abs(np.median(elevation[ring == r]) - table[r]) for r in range(64)]
    assert np.median(off) < 0.01 and np.max(off[1:]) < 0.06
    assert (np.bincount(ring)[12:57] > 1600).all(), "rings are told apart"


def test_vlp16_fires_as_a_real_one(shared_data):
    """Less the firing times of our table, a real sweep's times are whole columns of 55.296 us."""
    data = (shared_data / "rosbag/nebula/vlp16/1673400472138016708.pcd").read_bytes()
    head, points = data.split(b"DATA binary\n", 1)
    assert b"intensity return_type channel azimuth elevation distance time_stamp" in head
    cloud = np.frombuffer(points, np.dtype("<f4,<f4,<f4,u1,u1,<u2,<f4,<f4,<f4,<u4"))
    time_us, ring = cloud["f9"] * 1e-3, cloud["f5"]
    column = (time_us - np.array(LIDAR_MODELS["vlp-16"]["firing_us"])[ring]) / 55.296
    assert np.abs(column - np.round(column)).max() * 55.296 < 0.2
    table = np.array(LIDAR_MODELS["vlp-16"]["elevation_rad"])
    assert np.abs(np.degrees(cloud["f7"] - table[ring]))[ring > 0].max() < 0.2


def test_ouster_files_old_and_new(shared_data):
    """Rings are the rows from below, columns turn against Ouster's sense, and neighbours look past each other by the
    shift of pixels that the file itself gives."""
    import json

    folder = shared_data / "lidar/ouster"
    for name, rings in (("2_0_0_os1-991913000010-64", 64), ("OS-0-128-U1_v2.3.0_1024x10", 128)):
        path = folder / f"{name}.json"
        beams, meta = ouster_beams(path), json.loads(path.read_text())
        assert beams["azimuth_steps"] == 1024 and beams["period_us"] == 100_000
        assert len(beams["elevation_rad"]) == rings
        table = meta.get("beam_intrinsics", meta)
        np.testing.assert_allclose(np.degrees(beams["elevation_rad"]), table["beam_altitude_angles"][::-1])
        shift = np.array(meta.get("lidar_data_format", meta.get("data_format"))["pixel_shift_by_row"])[::-1]
        pixels = -np.degrees(beams["azimuth_offset_rad"]) / (360 / 1024)
        assert np.abs((pixels - pixels[0]) - (shift - shift[0])).max() < 1.6


# Spin, time and motion


def test_options_that_change_nothing(engine):
    """Tables of zeros give the same bytes as none; intensity is albedo times incidence."""
    view = view_of(20.0, agents=[(7, AgentClass.CAR, (90.0, 24.0, 0.0), (0, 0, 0.4), (4.4, 1.8, 1.5), (5.0, 0, 0))])
    plain = sweep(engine, view, RING)
    zeros = (0.0,) * len(RING.elevation_rad)
    assert digest(sweep(engine, view, replace(RING, azimuth_offset_rad=zeros, firing_us=zeros))) == digest(plain)
    assert plain.return_number is None
    road = (plain.label == OccClass.DRIVEABLE_SURFACE) & (plain.instance == 0)
    expected = np.mean([74, 75, 78]) / 255 * 1.8 / distance(plain)[road]
    np.testing.assert_allclose(plain.intensity[road], expected, rtol=1e-5)


@pytest.mark.parametrize("clockwise", [True, False])
def test_beams_point_and_fire_as_the_table_says(engine, clockwise):
    rng = np.random.default_rng(1)
    rings = len(RING.elevation_rad)
    spec = replace(RING, azimuth_offset_rad=tuple(rng.uniform(-0.2, 0.2, rings)), clockwise=clockwise, deskewed=False,
                   firing_us=tuple(rng.uniform(0, 138, rings)))  # fmt: skip
    made = sweep(engine, view_of(15.0), spec)
    assert len(made.xyz) > 10_000
    x, y, z = made.xyz.astype(np.float64).T
    np.testing.assert_allclose(np.arctan2(z, np.hypot(x, y)), np.array(spec.elevation_rad)[made.ring], atol=1e-6)
    # the sensor turns evenly: azimuth follows from the time of firing, the seam lies behind
    turned = 2 * np.pi * (made.time_s.astype(np.float64) + 0.1) / 0.1
    azimuth = (np.pi - turned if clockwise else turned - np.pi) + np.array(spec.azimuth_offset_rad)[made.ring]
    off = np.angle(np.exp(1j * (np.arctan2(y, x) - azimuth)))
    assert np.abs(off).max() < 1e-5
    assert made.time_s.min() >= -0.1 and made.time_s.max() <= 0.0
    firing = np.array(spec.firing_us)
    within = (made.time_s.astype(np.float64) * 1e6 + firing.max() - firing[made.ring]) / (1e5 / 720)
    np.testing.assert_allclose(within, np.round(within), atol=1e-3)


def test_distorted_sweeps_are_deskewed_by_their_times(engine):
    """Points as measured, moved by the ego's way since their time, are the deskewed ones."""
    velocity, rate = np.array([20.0, 0.0, 0.0]), 0.0
    view = view_of(30.0, velocity=velocity, yaw_rate=rate)
    spec = lidar_model("vlp-16", "v", Pose(0.9, 0.0, 1.8, yaw=0.2), range_noise_m=0.0, detect_range_m=0.0)
    right, raw = sweep(engine, view, spec), sweep(engine, view, replace(spec, deskewed=False))
    assert np.abs(right.xyz - raw.xyz).max() > 1.5, "there is something to correct"
    base = raw.xyz @ spec.pose.rotation.T + velocity * raw.time_s[:, None]
    np.testing.assert_allclose(base @ spec.pose.rotation, right.xyz, atol=2e-3)


# Noise and power


def test_range_noise(engine):
    """As the spec says: centred, of its deviation, normal, without memory; of its own for stamp, seed and sensor."""
    view = view_of(20.0)
    noisy = replace(FAN, range_noise_m=0.03)
    exact, made = sweep(engine, view, FAN), sweep(engine, view, noisy)
    assert len(exact.xyz) == len(made.xyz)
    error = (distance(made) - distance(exact)) / 0.03
    assert len(error) > 50_000
    assert abs(error.mean()) < 0.02 and error.std() == pytest.approx(1.0, abs=0.02)
    assert (np.abs(error) > 1.96).mean() == pytest.approx(0.05, abs=0.005) and np.abs(error).max() > 3.5
    assert abs(np.corrcoef(error[1:], error[:-1])[0, 1]) < 0.02
    assert abs(np.corrcoef(error[20:], error[:-20])[0, 1]) < 0.02, "nor between columns"
    later = replace(view, frame=replace(view.frame, stamp_us=view.frame.stamp_us + 10_000))
    other_seed = replace(view, frame=replace(view.frame, seed=view.frame.seed + 1))
    for again in (sweep(engine, later, noisy), sweep(engine, other_seed, noisy),
                  sweep(engine, view, replace(noisy, name="other"))):  # fmt: skip
        other = (distance(again) - distance(exact)) / 0.03
        assert abs(np.corrcoef(error, other)[0, 1]) < 0.02
    assert digest(sweep(engine, view, noisy)) == digest(made)


@pytest.mark.parametrize("far", [40.0, 50.0, 60.0])
def test_a_dark_target_returns_half_of_the_time_at_its_range(engine, far):
    """A wall of asphalt, which is 11 %, at and about the range at which it is lost."""
    spec = replace(FAN, detect_range_m=50.0 * (0.1 / 0.11) ** 0.5)
    made = sweep(engine, view_of(far, Street(wall=Material.ASPHALT)), spec)
    lit = 2 * math.floor(0.03 / (2 * math.pi / 9000)) + 1
    share = (ahead(made) & (made.label == OccClass.DRIVEABLE_SURFACE) & (made.xyz[:, 2] > -1.0)).sum() / lit / 20
    power = (spec.detect_range_m**2 + NEAR_M**2) / (far**2 + NEAR_M**2) * 1.1
    expected = 0.5 * (1 + math.erf(math.log(power) / FLUCTUATION / math.sqrt(2)))
    assert share == pytest.approx(expected, abs=0.03)


def reference(view: WorldView, spec: LidarSpec, exact: LidarSweep) -> dict[tuple[int, int], tuple[float, float]]:
    """(range, intensity) by (column, ring) of what is seen of the exact hits on street and wall, slowly."""
    air, key = air_of(view.frame.style), key_of(view.frame.seed, view.frame.stamp_us, spec.name)
    diffuse = {OccClass.DRIVEABLE_SURFACE: 0.11, OccClass.MANMADE: 0.45}
    seen = {}
    columns = np.round((exact.time_s.astype(np.float64) + 0.1) / 0.1 * spec.azimuth_steps).astype(int) - 1
    ego = view.frame.ego_pose.compose(spec.pose)
    for point, ring, column, label in zip(exact.xyz.astype(float), exact.ring, columns, exact.label, strict=True):
        far = float(np.linalg.norm(point))
        ray = ego.rotation @ point / far
        cosine = abs(ray[2] if label == OccClass.DRIVEABLE_SURFACE else ray[0])
        strength = diffuse[OccClass(label)] * cosine
        if air.wet and label == OccClass.DRIVEABLE_SURFACE:
            strength *= 0.5 * (1 - 0.02 - 0.98 * (1 - cosine) ** 5) ** 2
        radius = math.sqrt(-2 * math.log(1 - unit_hash(key, column, ring, 0)))
        angle = 2 * math.pi * unit_hash(key, column, ring, 1)
        strength *= math.exp(FLUCTUATION * radius * math.cos(angle) - 2 * air.extinction * far)
        if strength / 0.1 * (spec.detect_range_m**2 + 25) / (far**2 + 25) >= 1:
            bright = 100 * strength if strength <= 1 else 100 + 155 * math.log(strength, 100)
            seen[column, int(ring)] = far + spec.range_noise_m * radius * math.sin(angle), min(bright, 255)
    return seen


@pytest.mark.parametrize("weather", ["clear", "rain"])
def test_power_by_a_slow_reference(engine, weather):
    view = view_of(30.0, weather=weather)
    real = replace(RING, range_noise_m=0.02, detect_range_m=40.0)
    made = sweep(engine, view, real)
    expected = reference(view, real, sweep(engine, view, RING))
    surface = made.label != OccClass.OTHERS
    columns = np.round((made.time_s.astype(np.float64) + 0.1) / 0.1 * 720).astype(int) - 1
    beams = zip(columns[surface].tolist(), made.ring[surface].tolist(), strict=True)
    found = dict(zip(beams, np.stack([distance(made), 255 * made.intensity], axis=1)[surface], strict=True))
    assert 500 < len(found) < 0.8 * len(sweep(engine, view, RING).xyz), "some is lost, some seen"
    wrong = set(expected) ^ set(found)
    # a hair from the threshold rounding may decide; drops may stand before a surface
    assert len(wrong) < (3 if weather == "clear" else 0.06 * len(expected))
    if weather == "rain":
        assert set(found) <= set(expected), "drops take points, they add no surface"
    both = sorted(set(expected) & set(found))
    a, b = np.array([expected[k] for k in both]), np.array([found[k] for k in both])
    np.testing.assert_allclose(a[:, 0], b[:, 0], atol=1e-4)
    assert np.abs(a[:, 1] - b[:, 1]).max() < 0.51, "whole 255ths"


def test_what_is_bright_and_what_is_lost(engine):
    """Signs over walls over glass; wet asphalt is lost where dry is seen; what sends light back is above 100."""
    spec = replace(FAN, detect_range_m=60.0)
    median = {}
    for wall in (Material.SIGN_WHITE, Material.WALL_PLASTER, Material.TYRE, Material.SIGN_BLUE):
        made = sweep(engine, view_of(25.0, Street(wall=wall)), spec)
        median[wall] = np.median(255 * made.intensity[ahead(made, 0.2)])
    assert median[Material.SIGN_WHITE] == 255 and 150 < median[Material.SIGN_BLUE] < 255
    assert median[Material.WALL_PLASTER] == pytest.approx(60, abs=1)
    assert median[Material.TYRE] == pytest.approx(5, abs=1)
    # glass: a glint where it faces the sensor, next to nothing beside
    glass = sweep(engine, view_of(25.0, Street(wall=Material.WINDOW)), spec)
    assert (255 * glass.intensity[ahead(glass)]).min() > 60
    wall = np.abs(glass.xyz[:, 0] - 25.0) < 0.5
    assert (255 * glass.intensity[wall & ~ahead(glass, 0.3)]).max() <= 10
    ring = replace(RING, detect_range_m=40.0)
    reach = {
        weather: distance(made := sweep(engine, view_of(90.0, weather=weather), ring))[made.xyz[:, 2] < -1.5].max()
        for weather in ("clear", "rain", "snow")
    }
    assert reach["rain"] < 0.75 * reach["clear"] and reach["snow"] > reach["clear"]


# Footprints


@given(
    st.lists(
        st.tuples(st.one_of(st.just(math.inf), st.floats(1.0, 90.0)), st.floats(0.001, 2.0)), min_size=5, max_size=5
    )
)
def test_split_by_a_plain_reference(rays):
    groups: list[list[tuple[float, float, int]]] = []
    for far, strength, ray in sorted((far, s, i) for i, (far, s) in enumerate(rays) if far < math.inf):
        if groups and far <= groups[-1][0][0] + 0.75:
            groups[-1].append((far, strength, ray))
        else:
            groups.append([(far, strength, ray)])
    echoes = []
    for group in groups:
        total = sum(s for _, s, _ in group)
        mean = sum(f * s for f, s, _ in group) / total
        echoes.append((total / mean**2, mean, total, max(group, key=lambda g: g[1])[2]))
    far, strength, of = np.full(2, np.inf), np.zeros(2), np.zeros(2, np.int64)
    weights = np.array([0.0 if r[0] == math.inf else r[1] for r in rays])
    group_echoes(np.array([r[0] for r in rays]), weights, far, strength, of)
    if not echoes:
        assert (far == np.inf).all()
        return
    strongest = max(echoes)
    others = [e for e in echoes if e is not strongest]
    assert far[0] == pytest.approx(strongest[1]) and strength[0] == pytest.approx(strongest[2])
    assert rays[of[0]][1] == rays[strongest[3]][1]
    assert (far[1] == np.inf) == (not others)
    if others:
        assert far[1] == pytest.approx(others[-1][1]) and strength[1] == pytest.approx(others[-1][2])


BOX = [(4, AgentClass.BARRIER, (WALL_X - 18.0, 20.0, 0.0), (0, 0, 0), (2.0, 1.0, 3.0), (0, 0, 0))]


def test_dual_returns_on_an_edge(engine):
    """Beams that pass a box's edge return it and the wall behind it; the others return once, and as with one return."""
    spec = replace(FAN, divergence_rad=0.01, returns="dual")
    view = view_of(30.0, agents=BOX)
    made = sweep(engine, view, spec)
    assert made.return_number.dtype == np.uint8 and set(made.return_number) == {0, 1}
    # far to the side a beam along the wall is as deep as its footprint is wide there
    second = np.flatnonzero((made.return_number == 1) & ahead(made, 0.5))
    assert 20 <= len(second) < 400
    first = second - 1
    assert (made.ring[first] == made.ring[second]).all() and (made.time_s[first] == made.time_s[second]).all()
    azimuth = np.arctan2(made.xyz[second, 1], made.xyz[second, 0])
    edges = np.arctan2([0.5, 0.5, -0.5, -0.5], [11.0, 13.0, 11.0, 13.0])
    assert np.abs(azimuth[:, None] - edges).min(axis=1).max() < 0.01
    pairs = np.sort(np.stack([distance(made)[first], distance(made)[second]], axis=1), axis=1)
    assert (pairs[:, 0] < 14).all() and (pairs[:, 1] > 29).all()
    assert {frozenset(p) for p in zip(made.instance[first].tolist(), made.instance[second].tolist(), strict=True)} == {
        frozenset({0, 4})
    }
    single, last = (sweep(engine, view, replace(spec, returns=r)) for r in ("strongest", "last"))
    np.testing.assert_array_equal(single.xyz, made.xyz[made.return_number == 0])
    assert single.return_number is None
    assert (distance(last) >= distance(single)).all() and (distance(last) > distance(single) + 10).any()


def test_beams_between_two_surfaces(engine):
    """Surfaces closer than a pulse give one point between them: the edge of a box 0.6 m before the wall."""
    box = [(4, AgentClass.BARRIER, (WALL_X - 0.35, 20.0, 0.0), (0, 0, 0), (0.5, 1.0, 3.0), (0, 0, 0))]
    made = sweep(engine, view_of(20.0, agents=box), replace(FAN, divergence_rad=0.01))
    x = made.xyz[np.abs(made.xyz[:, 1]) < 2, 0]
    between = (x > 19.45) & (x < 19.95)
    assert between.sum() >= 20
    assert between.sum() < 0.1 * len(x)


# Weather


def test_fog_dims_by_its_extinction_both_ways(engine):
    spec = replace(FAN, detect_range_m=150.0)
    clear, fog = (sweep(engine, view_of(20.0, weather=w), spec) for w in ("clear", "fog"))
    bright = [np.mean(m.intensity[ahead(m) & (m.label == OccClass.MANMADE)]) for m in (clear, fog)]
    assert bright[1] / bright[0] == pytest.approx(math.exp(-2 * air_of(Style("fog")).extinction * 20.0), abs=0.02)


def test_points_in_the_air(engine):
    """Rain, snow and fog are points of nothing, near the sensor and before what stands behind; clouds are not."""
    spec = replace(RING, detect_range_m=60.0, returns="dual")
    shares = {}
    for weather in ("clear", "cloudy", "overcast", "rain", "snow", "fog"):
        made = sweep(engine, view_of(30.0, weather=weather), spec)
        air = made.label == OccClass.OTHERS
        shares[weather] = air.mean()
        assert (made.instance[air] == 0).all()
        if air.any():
            assert distance(made)[air].max() < 40 and np.median(distance(made)[air]) < 15
            assert np.median(made.intensity[air]) <= np.median(made.intensity[~air])
    assert shares["clear"] == shares["cloudy"] == shares["overcast"] == 0
    assert 0.005 < shares["rain"] < shares["snow"] < shares["fog"] < 0.6
    plain = [digest(sweep(engine, view_of(30.0, weather=w), RING)) for w in ("clear", "fog")]
    assert plain[0] == plain[1], "without a detection range weather does nothing"
    reach = [np.percentile(distance(sweep(engine, view_of(90.0, weather=w), replace(FAN, detect_range_m=60.0))), 50)
             for w in ("clear", "fog")]  # fmt: skip
    assert reach[1] < 0.5 * reach[0]


def test_one_thread_as_two_with_everything_on(engine):
    view = view_of(25.0, agents=BOX, weather="snow", velocity=(9.0, 0.0, 0.0), yaw_rate=0.3)
    specs = [lidar_model(name, name, Pose(0.9, 0.0, 1.8), azimuth_steps=512, returns="dual") for name in LIDAR_MODELS]
    specs = [replace(s, firing_us=()) if s.name == "os1-128" else s for s in specs]
    kept, found = numba.get_num_threads(), []
    try:
        for threads in {1, kept}:
            numba.set_num_threads(threads)
            found.append({k: digest(v) for k, v in engine.step(None, [view], specs)[1][0].items()})
    finally:
        numba.set_num_threads(kept)
    assert all(f == found[0] for f in found)
    alone = engine.step(None, [view], specs[2:3])[1][0]
    assert {k: digest(v) for k, v in alone.items()} == {specs[2].name: found[0][specs[2].name]}


# Files

YAML = """\
lidars:
  - name: top
    position: [0.9, 0.0, 1.8]
    model: os1-128
  - name: table
    position: [0.9, 0.0, 1.8]
    elevation_deg: [3, -5, 1]
    azimuth_offset_deg: [0.5, -0.5, 0]
    firing_us: [0, 4, 8]
    azimuth_steps: 900
    divergence_mrad: 2
    detect_range_m: 70
    range_noise_m: 0.02
    returns: dual
    deskewed: false
"""


def test_yaml_models_tables_and_ouster_files(tmp_path, shared_data):
    path = tmp_path / "rig.yaml"
    path.write_text(YAML)
    top, table = load_rig(str(path)).lidars
    assert top == lidar_model("os1-128", "top", Pose(0.9, 0.0, 1.8))
    np.testing.assert_allclose(np.degrees(table.elevation_rad), [-5, 1, 3])
    np.testing.assert_allclose(np.degrees(table.azimuth_offset_rad), [-0.5, 0, 0.5])
    assert table.firing_us == (4, 8, 0) and table.divergence_rad == 2e-3 and table.returns == "dual"
    assert (table.detect_range_m, table.range_noise_m, table.deskewed) == (70, 0.02, False)
    file = shared_data / "lidar/ouster/OS-1-32-G_v2.1.1_1024x10.json"
    path.write_text(YAML.replace("model: os1-128", f"model: os1-128\n    beams: {file}"))
    own = load_rig(str(path)).lidars[0]
    assert len(own.elevation_rad) == 32 and own.detect_range_m == top.detect_range_m
    path.write_text(YAML.replace("model: os1-128", f"beams: {file}"))
    assert load_rig(str(path)).lidars[0].range_noise_m == 0.0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("os1-128", "os1-129", r"rig.yaml:4: lidars\[0\].model: 'os1-129' is not one of .*did you mean os1-128"),
        ("    model: os1-128\n", "", r"lidars\[0\]: expected a model, beams, or elevation_deg and azimuth_steps"),
        ("[0, 4, 8]", "[0, 4]", r"lidars\[1\]: firing_us must have one number for each of the 3 beams, has 2"),
        ("[0, 4, 8]", "[0, 4, 800]", r"lidars\[1\]: lidar table: firing_us must lie in a column of 111.1 us"),
        ("dual", "both", r"rig.yaml:14: lidars\[1\].returns: 'both' is not one of strongest, last, dual"),
        ("0.02", "-0.02", r"rig.yaml:13: lidars\[1\].range_noise_m"),
        ("model: os1-128", "beams: none.json", r"none.json: cannot be read.*expected Ouster metadata"),
        ("model: os1-128", "beams: rig.yaml", r"rig.yaml:1: is not JSON"),
        ("model: os1-128", "beams: odd.json", r"odd.json: beam_azimuth_angles: expected 2 numbers"),
        ("model: os1-128", "beams: bad.json", r"bad.json: beam_altitude_angles: expected a list of angles"),
        ("model: os1-128", "beams: mode.json", r"mode.json: lidar_mode: expected columns x Hz as '1024x10', got 7"),
        ("model: os1-128", "beams: empty.json", r"empty.json: beam_altitude_angles: is missing"),
        ("model: os1-128", "model: os1-128\n    firing_us: [1]", "firing_us belong to elevation_deg"),
    ],
)
def test_bad_lidars_name_file_and_field(tmp_path, old, new, expected):
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "odd.json").write_text('{"beam_altitude_angles": [1, 2], "beam_azimuth_angles": [1]}')
    (tmp_path / "bad.json").write_text('{"beam_altitude_angles": ["a"]}')
    (tmp_path / "mode.json").write_text(
        '{"beam_intrinsics": {"beam_altitude_angles": [1], "beam_azimuth_angles": [1]}, "lidar_mode": 7}'
    )
    path = tmp_path / "rig.yaml"
    assert old in YAML
    path.write_text(YAML.replace(old, new, 1))
    with pytest.raises(InputError, match=expected) as caught:
        load_rig(str(path))
    assert "\n" not in str(caught.value)


def test_specs_refuse_nonsense():
    for changes, message in (
        ({"azimuth_offset_rad": (0.1,)}, "azimuth_offset_rad must have one number for each of the 24 rings, has 1"),
        ({"returns": "first"}, "returns must be one of strongest, last, dual"),
        ({"range_noise_m": -0.1}, "range_noise_m: expected a number from 0 to 10 m, got -0.1"),
        ({"firing_us": (-1.0,) * 24}, r"firing_us\[0\]: expected a number from 0"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(RING, **changes)
