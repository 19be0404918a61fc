"""Light and weather: they change colours and nothing else, are fixed to the world, and come from where lamps are."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from uniscene_sim.assembly import assemble
from uniscene_sim.camera.effects import add_noise, blur_motion, image_motion
from uniscene_sim.camera.raycast.engine import PlainCameras, RaycastCameras
from uniscene_sim.camera.raycast.glare import add_glare
from uniscene_sim.camera.raycast.ground_bins import bin_range, make_ground_bins
from uniscene_sim.camera.raycast.lamps import active_lamps, lamp_light, lamp_retro, lamp_shine
from uniscene_sim.camera.weather import sky_of
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import WEATHERS, LayoutFrame, Light, Style
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.scenario_files.style_text import style_of_text
from uniscene_sim.taxonomy import Material, OccClass
from uniscene_sim.tracing.kernels import trace_world
from uniscene_sim.tracing.occlusion import occluded
from uniscene_sim.tracing.slabs import Ray
from uniscene_sim.world.scenario_source import ScenarioSource

FRONT = CameraSpec("front", 200, 112, 125.0, 125.0, 100.0, 56.0, Pose(1.7, 0.0, 1.5), max_range_m=100.0)


@pytest.fixture(scope="module")
def view() -> WorldView:
    simulator = assemble(ScenarioSource.open("cut_in"), SensorRig("r", (FRONT,)), window_grid=None, bev_schema=None)
    simulator.reset()
    frame = simulator.step()
    return WorldView(frame.layout, (), simulator.atlas)


def seen(view: WorldView, style: Style = Style(), spec: CameraSpec = FRONT, engine=RaycastCameras):  # noqa: B008
    lit = WorldView(replace(view.frame, style=style), view.history, view.atlas)
    return engine().step(None, [lit], [spec])[1][0][spec.name]


def mean(frame, mask=...) -> float:
    return float(frame.rgb[mask].mean())


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("hour", [12.5, 18.1, 23.0])
def test_style_changes_colours_and_nothing_else(view, weather, hour):
    noon, other = seen(view), seen(view, Style(weather, hour))
    for name in ("depth", "semantic", "instance"):
        assert np.array_equal(getattr(noon, name), getattr(other, name)), name
    if (weather, hour) != ("clear", 12.5):
        assert np.abs(noon.rgb.astype(int) - other.rgb).mean() > 2.0


def test_style_leaves_the_world_alone():
    ways = []
    for style in (Style(), Style("snow", 2.0, "a snowy night")):
        source = ScenarioSource.open("cut_in")
        source = ScenarioSource(replace(source.scenario, style=style), source.map)
        source.reset()
        for _ in range(10):
            frame = source.step(source.driver_control(), 100_000)[-1]
        ways.append((frame.ego_pose, frame.agents["pos"].tobytes(), frame.signals.tobytes()))
    assert ways[0] == ways[1]


def test_days_are_brighter_than_nights_and_fog_hides_what_is_far(view):
    noon, night, fog = seen(view), seen(view, Style("clear", 1.0)), seen(view, Style("fog", 12.5))
    sky = noon.semantic == OccClass.FREE
    assert mean(noon, sky) > 2 * mean(night, sky)
    far, near = (noon.depth > 60) & ~sky, noon.depth < 12
    assert fog.rgb[far].std() < 0.5 * noon.rgb[far].std()
    assert fog.rgb[near].std() > 0.4 * noon.rgb[near].std()


def test_an_open_sky_lets_less_light_under_walls_and_cars(view):
    """The ground right beside a house and below a car is darker than in the open, with no sun to shade it."""
    flat = seen(view, Style("overcast", 12.5))
    plain = seen(view, Style("overcast", 12.5), engine=PlainCameras)
    shade = flat.rgb.mean(axis=2) / np.maximum(plain.rgb.mean(axis=2), 1.0)
    road = flat.semantic == OccClass.DRIVEABLE_SURFACE
    cars = flat.instance > 0
    below = np.zeros_like(road)
    below[1:] = cars[:-1] & road[1:]
    assert below.sum() > 5
    assert np.median(shade[below]) < 0.8 * np.median(shade[road])


@pytest.mark.parametrize("height", [0.5, 4.0])
def test_shadow_rays_agree_with_the_tracer(view, height):
    """A ray that rises is stopped where the tracer finds a cell; ground alone stops none."""
    arrays, rng = view.atlas.arrays, np.random.default_rng(4)
    x0, y0 = view.frame.ego_pose.x, view.frame.ego_pose.y
    counted = 0
    for _ in range(400):
        x, y = x0 + rng.uniform(-60, 60), y0 + rng.uniform(-60, 60)
        azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 1.4)
        d = (np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation))
        t, *_, deck = trace_world(arrays, Ray(x, y, height, *d), 60.0)
        if deck == 0:
            continue
        assert occluded(arrays, Ray(x, y, height, *d), 60.0) == (t < np.inf), (x, y, d)
        counted += t < np.inf
    assert counted > 50


def test_street_lights_stand_where_tiles_have_lamps(view):
    arrays = view.atlas.arrays
    assert len(arrays.lamps) > 10
    for x, y, z in arrays.lamps[:20]:
        # Straight up from below the lamp: lamp material, or the pole's arm beside it.
        hits = [trace_world(arrays, Ray(x + dx, y + dy, z - 2.0, 0.0, 0.0, 1.0), 3.0)[1] for dx in (-0.2, 0.0, 0.2)
                for dy in (-0.2, 0.0, 0.2)]  # fmt: skip
        assert Material.LAMP in hits


def test_lamps_light_what_is_near_and_faces_them(view):
    frame = view.frame
    centre = frame.ego_pose.position
    street = np.array([[centre[0] - 60.0, centre[1] + 20.0, 6.0]])
    alone = replace(frame, agents=frame.agents[:0])
    lamps, bins = active_lamps(alone, street, 1.0, centre, 80.0)  # the ego's head lights shine the other way
    x, y = street[0, :2]

    def light(dx: float, up: float = 1.0) -> float:
        return float(lamp_light(lamps, bins, x + dx, y, 0.0, 0.0, 0.0, up)[0])

    assert light(0.0) > light(5.0) > light(12.0) > light(20.0) > 0.0 == light(30.0)
    assert light(5.0, up=-1.0) == 0.0
    assert len(active_lamps(alone, street, 0.0, centre, 80.0)[0].position) == 0  # by day


def test_a_dipped_beam_lights_the_road_and_not_the_sky():
    frame = LayoutFrame(0, Pose(), np.zeros(3), 0.0, 0.0, 0.0, _vehicle(), _nobody(), np.zeros(0, np.uint8),
                        np.zeros((0, 3)), "none", 1)  # fmt: skip
    lamps, bins = active_lamps(frame, np.zeros((0, 3)), 1.0, np.zeros(3), 80.0)
    assert lamps.kind.tolist() == [1, 2]  # its rear lights, too

    def wall(x: float, y: float, z: float) -> float:
        return float(lamp_light(lamps, bins, x, y, z, -1.0, 0.0, 0.0)[0])

    assert wall(20, 0, 0.3) > 5 * wall(20, 0, 3.0)  # the cut-off
    assert wall(20, 0, 0.3) > 3 * wall(20, 15, 0.3)  # the side
    assert wall(-20, 0, 0.3) == 0.0


def test_lamps_shine_and_come_back_from_retro_reflectors():
    """Wet ground shines below a lamp's mirror image; a plate returns the lamps beside the eye, to nobody else."""
    frame = LayoutFrame(0, Pose(), np.zeros(3), 0.0, 0.0, 0.0, _vehicle(), _nobody(), np.zeros(0, np.uint8),
                        np.zeros((0, 3)), "none", 1)  # fmt: skip
    lamps, bins = active_lamps(frame, np.zeros((0, 3)), 1.0, np.zeros(3), 80.0)
    rear = float(lamps.position[1, 0])
    assert (lamp_light(lamps, bins, rear - 4.0, 0.0, 0.0, 1.0, 0.0, 0.0) > np.array([0.001, 0.0, 0.0])).all()
    eye = np.array([rear - 12.0, 0.6, 1.4])  # behind the car, in line with one of its lamps

    def shine(away: float, aside: float = 0.6) -> float:
        point = np.array([rear - away, aside, 0.0])
        d = (point - eye) / np.linalg.norm(point - eye)
        return float(lamp_shine(lamps, bins, *point, 0.0, 0.0, 1.0, *d, 120.0)[0])

    mirrored = 12.0 * 0.7 / 2.1
    assert shine(mirrored) > 2 * shine(mirrored, 2.0) and shine(mirrored) > 0.001

    def back(eye: tuple[float, float, float]) -> float:
        plate = np.array([40.0, 0.0, 0.6])
        d = (plate - eye) / np.linalg.norm(plate - eye)
        return float(lamp_retro(lamps, bins, *plate, *d)[0])

    light = float(lamp_light(lamps, bins, 40.0, 0.0, 0.6, -1.0, 0.0, 0.0)[0])
    assert back((1.7, 0.0, 1.4)) > 10 * light
    assert back((30.0, 5.0, 1.4)) == 0.0


@pytest.mark.parametrize("hidden", [False, True])
def test_glare_surrounds_lamps_that_are_seen(view, hidden):
    """Around the tail lamps of the car ahead at night, unless something stands before it; never by day."""
    night = replace(view, frame=replace(view.frame, style=Style("rain", 23.0)))
    (job,) = RaycastCameras()._render_jobs(night, [FRONT])
    lamp = np.array([[*view.frame.ego_pose.apply(np.array([14.0, 0.0, 0.7]))]])
    lamps = job.scene.lamps._replace(
        position=lamp, axis=np.array([[-np.cos(view.frame.ego_pose.yaw), -np.sin(view.frame.ego_pose.yaw)]]),
        kind=np.array([2], np.uint8), rgb=np.array([[1.0, 0.04, 0.02]]), aside=np.zeros(1),
    )  # fmt: skip
    rgb = np.full((FRONT.height, FRONT.width, 3), 20, np.uint8)
    depth = np.full(rgb.shape[:2], 5.0 if hidden else 60.0, np.float32)
    at = view.frame.ego_pose.compose(FRONT.pose).position
    add_glare(
        rgb, depth, lamps, job.scene.sky, at, view.frame.ego_pose.rotation @ FRONT.rotation_base_from_optical, FRONT
    )
    v, u = np.unravel_index(rgb[..., 0].argmax(), depth.shape)
    assert (rgb == 20).all() if hidden else rgb[v, u, 0] > 60 > 25 > rgb[v, u, 2]
    if not hidden:
        y = FRONT.cy + FRONT.fy * (1.5 - 0.7) / (14.0 - 1.7)
        assert abs(u + 0.5 - FRONT.cx) < 1.5 and abs(v + 0.5 - y) < 1.5 and (rgb[v, :20] == 20).all()


def _vehicle():
    return ScenarioSource.open("cut_in").scenario.ego.vehicle


def _nobody():
    return ScenarioSource.open("cut_in").reset().agents[:0]


def test_brake_lights_and_lit_rooms_show_at_night(view):
    night = seen(view, Style("clear", 23.0))
    dark = replace(view.frame, agents=view.frame.agents.copy())
    dark.agents["lights"] = 0
    braking = replace(dark, agents=dark.agents.copy())
    braking.agents["lights"] = Light.BRAKE
    off, on = (seen(WorldView(f, (), view.atlas), Style("clear", 23.0)) for f in (dark, braking))
    redder = on.rgb[..., 0].astype(int) - off.rgb[..., 0]
    assert (redder > 60).sum() > 3
    windows = seen(view).semantic == OccClass.MANMADE
    warm = night.rgb[..., 0].astype(int) - night.rgb[..., 2]
    assert (warm[windows] > 60).mean() > 0.01


def test_wet_road_mirrors_what_stands_on_it(view):
    """At a flat angle wet asphalt shows houses and sky, dry asphalt itself."""
    dry, wet = (seen(view, Style(w, 12.5)) for w in ("overcast", "rain"))
    far_road = (dry.semantic == OccClass.DRIVEABLE_SURFACE) & (dry.depth > 25) & (dry.depth < 60)
    assert wet.rgb[far_road].std() > 1.15 * dry.rgb[far_road].std()


def test_detail_is_fixed_to_the_world(view):
    """The same spots of road seen from half a metre farther on have the same colour."""
    flat = Style("overcast", 12.5)
    ahead = replace(view.frame, ego_pose=Pose(*view.frame.ego_pose.apply(np.array([0.5, 0.0, 0.0])),
                                              yaw=view.frame.ego_pose.yaw))  # fmt: skip
    one, two = seen(view, flat), seen(WorldView(ahead, (), view.atlas), flat)
    v, u = np.nonzero((one.semantic == OccClass.DRIVEABLE_SURFACE) & (one.depth < 9) & (one.instance == 0))
    rays, _ = FRONT.unproject(np.column_stack([u + 0.5, v + 0.5]))
    points = rays * (one.depth[v, u] / rays[:, 2])[:, None]
    pixels, _ = FRONT.project(points - np.array([0.0, 0.0, 0.5]))  # the camera looks along the road
    j, i = np.floor(pixels).astype(int).T
    inside = (i >= 0) & (i < 112) & (j >= 0) & (j < 200)
    a = one.rgb[v, u][inside].astype(float).mean(axis=1)
    b = two.rgb[i[inside], j[inside]].astype(float).mean(axis=1)
    assert len(a) > 500
    assert np.corrcoef(a, b)[0, 1] > 0.5
    assert np.median(np.abs(a - b)) < 4.0


# --- the camera -------------------------------------------------------------------------------------------------------


def test_noise_has_the_deviation_that_is_asked_for():
    for level, sigma in ((255, 0.02), (128, 0.05)):
        rgb = np.full((200, 200, 3), level, np.uint8)
        add_noise(rgb, sigma, np.uint64(7))
        linear, value = (rgb / 255.0) ** 2.2, (level / 255.0) ** 2.2
        if level < 255:  # white is clipped from above
            assert linear.mean() == pytest.approx(value, abs=0.003)
            assert linear.std() == pytest.approx(sigma * np.sqrt(value + 0.01), rel=0.05)
        else:
            assert linear.std() > 0.3 * sigma


def test_noise_is_keyed_by_seed_time_and_camera(view):
    loud = replace(FRONT, noise=0.03)
    assert np.array_equal(seen(view, spec=loud).rgb, seen(view, spec=loud).rgb)
    pictures = [seen(replace(view, frame=frame), spec=spec).rgb
                for frame in (view.frame, replace(view.frame, stamp_us=5), replace(view.frame, seed=99))
                for spec in (loud, replace(loud, name="other"))]  # fmt: skip
    assert all(not np.array_equal(a, b) for a, b in combinations(pictures, 2))
    quiet = seen(view)
    assert np.array_equal(seen(view, spec=loud).depth, quiet.depth)


def test_motion_blur_runs_along_the_motion(view):
    fast = replace(view.frame, ego_velocity=np.array([0.0, 0.0, 0.0]), ego_yaw_rate=0.5, agents=view.frame.agents[:0])
    spec = replace(FRONT, shutter_ms=40.0)
    still = seen(WorldView(replace(fast, ego_yaw_rate=0.0), (), view.atlas), spec=spec)
    sharp = seen(WorldView(fast, (), view.atlas))
    assert np.array_equal(still.rgb, sharp.rgb)
    motion = image_motion(spec, sharp.depth, sharp.instance, fast)
    # Turning left, the scene moves to the right: by f tan(angle) in the middle, and not up or down.
    middle = motion[50:62, 90:110]
    assert np.median(middle[..., 0]) == pytest.approx(125.0 * np.tan(0.5 * 0.04), rel=0.05)
    assert np.abs(middle[..., 1]).max() < 0.2
    blurred = seen(WorldView(fast, (), view.atlas), spec=spec)
    steps = [np.abs(np.diff(f.rgb.astype(int), axis=1)).mean() for f in (sharp, blurred)]
    assert steps[1] < 0.85 * steps[0]


def test_blur_keeps_the_light():
    rgb = np.zeros((9, 41, 3), np.uint8)
    rgb[:, 20] = 255
    motion = np.zeros((9, 41, 2))
    motion[..., 0] = 8.0
    out = blur_motion(rgb, motion)
    linear = (out[4, :, 0] / 255.0) ** 2.2
    assert linear.sum() == pytest.approx(1.0, rel=0.15)
    assert (linear > 0.02).sum() in (8, 9)


def test_exposure_is_in_stops(view):
    dark, usual, bright = (mean(seen(view, spec=replace(FRONT, exposure_ev=ev))) for ev in (-2.0, 0.0, 1.0))
    assert dark < 0.75 * usual < usual < bright


def test_things_by_squares_are_all_found():
    rng = np.random.default_rng(2)
    at, reach = rng.uniform(-50, 50, (60, 2)), rng.uniform(0.5, 12.0, 60)
    bins = make_ground_bins(at, reach, np.zeros(2), 64.0, 8.0)
    for x, y in rng.uniform(-60, 60, (200, 2)):
        begin, end = bin_range(bins, x, y)
        found = set(bins.rows[begin:end].tolist())
        needed = set(np.flatnonzero(np.hypot(*(at - (x, y)).T) < reach).tolist())
        assert needed <= found
    assert bin_range(bins, 500.0, 0.0) == (0, 0)


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "weather", "hour"),
    [
        ("rainy dusk in a suburb", "rain", 18.1),
        ("a foggy morning", "fog", 8.5),
        ("Snowstorm at midnight", "snow", 0.0),
        ("sunny afternoon downtown", "clear", 15.5),
        ("cloudless noon", "clear", 12.5),
        ("night", "clear", 22.0),
        ("an overcast day", "overcast", 13.0),
        ("cars in traffic", "clear", 13.0),
        ("", "clear", 13.0),
    ],
)  # fmt: skip
def test_text_to_style(text, weather, hour):
    assert style_of_text(text) == Style(weather, hour, text)


@pytest.mark.parametrize("hour", np.arange(0.0, 24.0, 0.25))
def test_light_is_sound_at_any_hour(hour):
    for weather in WEATHERS:
        sky = sky_of(Style(weather, float(hour)))
        assert np.linalg.norm(sky.sun) == pytest.approx(1.0) and sky.sun[2] > 0.0
        for light in (sky.sunlight, sky.zenith, sky.horizon, sky.glow, sky.bounce):
            assert np.all(np.isfinite(light)) and np.all(light >= 0.0)
        assert 0.0 <= sky.darkness <= 1.0 and 0.5 < sky.exposure < 5.0
