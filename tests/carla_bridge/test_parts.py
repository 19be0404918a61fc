"""Parts of the bridge on their own: address, frames, classes, weather, layouts between ticks, events, surroundings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carla_bridge.serving import ROOT
from uniscene_carla.address import CarlaAddress
from uniscene_carla.agent_classes import is_seen, kind_of_actor
from uniscene_carla.between import layouts_between
from uniscene_carla.driver import RouteDriver
from uniscene_carla.ego_events import EgoEvents
from uniscene_carla.paint import seed_of_colour
from uniscene_carla.server_map import with_surroundings
from uniscene_sim.camera.weather import sky_of
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame, SignalState
from uniscene_sim.maps.load import load_map
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.tracing.templates.template_set import body_rgb
from uniscene_sim.world.scenario_source import ScenarioSource

carla = pytest.importorskip("carla")
from uniscene_carla import left_handed  # noqa: E402
from uniscene_carla.weather import style_of_weather  # noqa: E402

# address


def test_an_address_says_where_and_what():
    address = CarlaAddress.of("carla://10.0.0.7:2100?ego=ego_1&control=none&step_s=0.02&start=3&goal=17&wait_s=5")
    assert (address.host, address.port, address.ego, address.control) == ("10.0.0.7", 2100, "ego_1", "none")
    assert (address.step_us, address.start, address.goal, address.wait_s) == (20_000, 3, 17, 5.0)
    assert CarlaAddress.of("CARLA://localhost") == CarlaAddress()
    assert CarlaAddress.of("carla://[::1]:2000").server == "[::1]:2000"
    assert CarlaAddress.of("carla://host?step_s=.03&timeout_s=2.5").step_us == 30_000


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("carla://", "carla://: expected carla://HOST:PORT"),
        ("carla://host:99999", "expected carla://HOST:PORT.*Port"),
        ("carla://host:65535", "expected a port of 1 to 65534"),
        ("carla://host/town", "expected carla://HOST:PORT"),
        ("carla://host?ego", "expected carla://HOST:PORT"),
        ("carla://host?ego=", "carla://ego: expected a name"),
        ("carla://host?ego=a&ego=b", "carla://ego: is given twice"),
        ("carla://host?egg=a", r"no parameter 'egg' \(did you mean ego\?\); expected some of ego, vehicle"),
        ("carla://host?control=fast", "control: expected one of vehicle, ackermann, autopilot, none, got 'fast'"),
        ("carla://host?step_s=0.025", "carla://step_s: expected a multiple of 0.01, got '0.025'"),
        ("carla://host?step_s=nan", "carla://step_s: expected a number of 0.01 to 0.1"),
        ("carla://host?start=-1", "carla://start: expected a whole number of 0 to"),
        ("carla://host?start=1.5", "carla://start: expected a whole number"),
        ("carla://host?start=1_0", "carla://start: expected a whole number"),
        ("carla://h h", "expected carla://HOST:PORT"),
        ("carla://:pw@host", "expected carla://HOST:PORT"),
        ("carla://host?ego=%00", "carla://ego: expected a name"),
        ("carla://host?vehicle=" + "x" * 1000, "carla://vehicle: expected a name"),
    ],
)
def test_a_wrong_address_is_told(text, wrong):
    with pytest.raises(InputError, match=wrong):
        CarlaAddress.of(text)


# frames

metres = st.floats(-1000.0, 1000.0)
turns = st.floats(-3.1, 3.1)
tilts = st.floats(-1.4, 1.4)
MIRROR = np.diag([1.0, -1.0, 1.0, 1.0])


@given(metres, metres, metres, turns, tilts, turns)
def test_poses_come_back_and_agree_with_carlas_own_matrices(x, y, z, roll, pitch, yaw):
    """CARLA holds single precision, hence the tolerance."""
    pose = Pose(x, y, z, roll, pitch, yaw)
    transform = left_handed.transform_of(pose)
    back = left_handed.pose_of(transform)
    assert np.allclose(back.matrix, pose.matrix, atol=2e-4)
    assert np.allclose(MIRROR @ np.array(transform.get_matrix()) @ MIRROR, pose.matrix, atol=2e-4)
    point = np.array([3.0, -2.0, 1.0])
    at = transform.transform(carla.Location(3.0, 2.0, 1.0))
    assert np.allclose(left_handed.vectors((at.x, at.y, at.z)), pose.apply(point), atol=1e-3)


@given(st.lists(st.tuples(metres, metres, metres), min_size=1, max_size=5))
def test_vectors_come_back(rows):
    assert np.array_equal(left_handed.vectors(left_handed.vectors(rows)), np.array(rows) + 0.0)


def test_what_lies_to_the_right_in_carla_has_a_negative_y_here():
    pose = left_handed.pose_of(carla.Transform(carla.Location(1.0, 2.0, 3.0), carla.Rotation(pitch=10.0, yaw=90.0)))
    assert (pose.x, pose.y, pose.z) == (1.0, -2.0, 3.0)
    assert np.allclose(pose.rotation[:2, 0] / np.hypot(*pose.rotation[:2, 0]), (0.0, -1.0))  # heads to the right
    assert pose.rotation[2, 0] > 0.17  # nose up
    assert left_handed.yaw_rate_of(carla.Vector3D(z=90.0)) == pytest.approx(-np.pi / 2)


# classes, colours, weather

CAR, TRUCK, BUS = AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS


@pytest.mark.parametrize(
    ("type_id", "attributes", "size", "cls", "guessed"),
    [
        ("vehicle.tesla.model3", {"number_of_wheels": "4", "base_type": "car"}, (4.8, 2.1, 1.5), CAR, False),
        ("vehicle.mercedes.sprinter", {"number_of_wheels": "4", "base_type": "van"}, (5.9, 2.0, 2.6), TRUCK, False),
        ("vehicle.volkswagen.t2", {"number_of_wheels": "4", "base_type": "van"}, (4.4, 2.0, 2.0), CAR, False),
        ("vehicle.mitsubishi.fusorosa", {"number_of_wheels": "4", "base_type": "bus"}, (10.3, 3.9, 4.2), BUS, False),
        ("vehicle.bh.crossbike", {"number_of_wheels": "2"}, (1.5, 0.9, 1.2), AgentClass.BICYCLE, False),
        ("vehicle.some.new", {"number_of_wheels": "2", "base_type": "bicycle"}, (1, 1, 1), AgentClass.BICYCLE, False),
        ("vehicle.yamaha.yzf", {"number_of_wheels": "2"}, (2.2, 0.9, 1.5), AgentClass.MOTORCYCLE, False),
        ("vehicle.acme.hovercraft", {"number_of_wheels": "0"}, (9.0, 2.6, 3.3), TRUCK, True),
        ("vehicle.acme.pod", {}, (3.0, 1.5, 1.5), CAR, True),
        ("walker.pedestrian.0001", {}, (0.4, 0.4, 1.9), AgentClass.PEDESTRIAN, False),
        ("static.prop.constructioncone", {}, (0.3, 0.3, 0.6), AgentClass.TRAFFIC_CONE, False),
        ("static.prop.streetbarrier", {}, (1.2, 0.4, 1.0), AgentClass.BARRIER, False),
        ("static.prop.shoppingcart", {}, (1.2, 0.6, 1.0), AgentClass.BARRIER, True),
    ],
)
def test_actors_have_the_class_of_their_blueprint_or_the_nearest_in_size(type_id, attributes, size, cls, guessed):
    kind = kind_of_actor(type_id, attributes, size)
    assert is_seen(type_id) and (kind.cls, kind.guessed, kind.size) == (cls, guessed, size)


def test_a_side_that_carla_does_not_know_has_the_usual_length():
    for unknown in (0.0, float("nan"), float("inf")):
        kind = kind_of_actor("vehicle.bh.crossbike", {"number_of_wheels": "2"}, (1.5, unknown, unknown))
        assert kind.size == (1.5, 0.6, 1.75)
    assert kind_of_actor("static.prop.unknown", {}, (float("inf"),) * 3).guessed


def test_sensors_lights_and_controllers_are_no_bodies():
    for type_id in ("sensor.camera.rgb", "traffic.traffic_light", "controller.ai.walker", "spectator", "traffic.stop"):
        assert not is_seen(type_id)


def test_paint_is_the_nearest_there_is():
    for text, rgb in (("255,255,255", (228, 228, 226)), ("140,10,20", (150, 24, 28)), ("0,0,0", (34, 36, 40))):
        for number in (1, 77, 30_000):
            assert tuple(body_rgb(np.array([seed_of_colour(text, number)]))[0].tolist()) == rgb
    assert 0 <= seed_of_colour("red", 5) < 2**32 and 0 <= seed_of_colour("1,2", 5) < 2**32


@pytest.mark.parametrize(
    ("preset", "kind"),
    [("ClearNoon", "clear"), ("CloudySunset", "cloudy"), ("HardRainNoon", "rain"), ("WetNoon", "clear"),
     ("SoftRainSunset", "rain")],
)  # fmt: skip
def test_weather_has_our_kinds_and_the_sun_stands_as_high(preset, kind):
    weather = getattr(carla.WeatherParameters, preset)
    style = style_of_weather(weather)
    if preset != "CloudySunset":
        assert style.weather == kind
    else:
        assert style.weather in ("cloudy", "overcast")
    height = np.degrees(np.arcsin(sky_of(replace(style, weather="clear")).sun[2]))
    assert height == pytest.approx(max(min(weather.sun_altitude_angle, 58.0), 4.0), abs=0.1)


def test_fog_night_and_afternoon():
    night = style_of_weather(carla.WeatherParameters(sun_altitude_angle=-30.0))
    assert night.time_of_day_h < 6.0 and sky_of(night).darkness > 0.9
    east, west = (
        style_of_weather(carla.WeatherParameters(sun_altitude_angle=30.0, sun_azimuth_angle=at)) for at in (0.0, 180.0)
    )
    assert east.time_of_day_h == pytest.approx(24.0 - west.time_of_day_h) and east.time_of_day_h < 12.0
    assert style_of_weather(carla.WeatherParameters(fog_density=60.0, sun_altitude_angle=30.0)).weather == "fog"
    assert style_of_weather(carla.WeatherParameters(sun_azimuth_angle=float("inf"))).weather == "clear"


# between two ticks


def moments():
    """Two layouts 50 ms apart of a scenario, and those between them."""
    source = ScenarioSource.open("cut_in")
    source.reset()
    source.step(source.driver_control(), 1_000_000)
    before, *between = source.step(source.driver_control(), 60_000)
    return before, list(between)


def test_layouts_between_ticks_are_where_the_world_was():
    before, truth = moments()
    made = layouts_between([before, truth[-1]])
    assert len(made) == 5 and made[-1] is truth[-1] and made[4] is truth[-1]
    assert [one.stamp_us for one in made] == [one.stamp_us for one in truth]
    for ours, theirs in zip(made, truth, strict=True):
        assert np.linalg.norm(ours.ego_pose.position - theirs.ego_pose.position) < 1e-3
        assert ours.ego_pose.yaw == pytest.approx(theirs.ego_pose.yaw, abs=1e-3)
        both = np.isin(theirs.agents["id"], ours.agents["id"])
        assert np.abs(ours.agents["pos"] - theirs.agents["pos"][both]).max() < 2e-3
        assert np.abs(ours.agents["gait"] - theirs.agents["gait"][both]).max() < 2e-3
    assert [one.stamp_us for one in made[1:3]] == [one.stamp_us for one in truth[1:3]]
    several = layouts_between([before, truth[1], truth[-1]])
    assert len(several) == 5 and several[1] is truth[1] and several[-1] is truth[-1]
    assert [one.stamp_us for one in several] == [one.stamp_us for one in truth]


def test_who_comes_goes_or_is_put_elsewhere_between_ticks():
    before, truth = moments()
    agents = truth[-1].agents.copy()
    agents = agents[agents["id"] != agents["id"][-1]]  # one goes
    agents["id"][-1] = 60_000  # another one comes in place of one
    agents["pos"][0] += 30.0
    after = replace(truth[-1], agents=agents, events=("contact:3", "off_road"))
    middle = layouts_between([replace(before, events=("off_road",)), after])[2]
    assert not np.isin([before.agents["id"][-1], 60_000], middle.agents["id"]).any()
    assert np.array_equal(middle.agents["pos"][0], agents["pos"][0])
    assert middle.events == ("off_road",)
    turned = replace(before, ego_pose=replace(before.ego_pose, yaw=3.1))
    over = layouts_between([turned, replace(truth[-1], ego_pose=replace(truth[-1].ego_pose, yaw=-3.1))])
    assert abs(over[2].ego_pose.yaw) > 3.1  # the short way round


# the ego's events and its driver


def drive(name: str, seconds: float):
    source = ScenarioSource.open(name)
    layout = source.reset()
    driver = RouteDriver(source.map, source.map.route(*source.map.nearest_lane(
        layout.ego_pose.x, layout.ego_pose.y, layout.ego_pose.z, layout.ego_pose.yaw)[:2]))  # fmt: skip
    for _ in range(round(seconds * 20)):
        layout = source.step(driver.control(layout), 50_000)[-1]
    return source, layout


@pytest.mark.parametrize("name", ["lane_following", "hard_brake", "red_light", "cut_in", "crossing_pedestrian"])
def test_the_built_in_driver_neither_hits_nor_runs_red(name):
    source, layout = drive(name, 9.0)
    tally = source.state.tally
    assert tally.collisions == 0 and tally.red_lights == 0 and tally.off_road_s == 0.0
    assert tally.driven_m > 5.0
    if name == "red_light":
        assert np.linalg.norm(layout.ego_velocity) < 0.5


def test_events_are_those_that_the_world_itself_counts():
    """A drive without mercy: full speed through whatever is in the way."""
    from uniscene_sim.control import Control

    for name, seconds in (("hard_brake", 8), ("red_light", 12)):
        source = ScenarioSource.open(name)
        events = EgoEvents(source.map)
        ours, theirs, layout = [], [], source.reset()
        events.of(layout)
        for _ in range(seconds * 20):
            steer = source.driver_control().steer_rad
            layouts = source.step(Control(steer, 2.0), 50_000)
            theirs += [event for layout in layouts for event in layout.events]
            ours += events.of(layouts[-1])
        kinds = [[event.partition(":")[0] for event in some] for some in (ours, theirs)]
        assert kinds[0].count("contact") == kinds[1].count("contact")
        assert kinds[0].count("red_light") == kinds[1].count("red_light")
        assert kinds[1].count("contact") + kinds[1].count("red_light") > 0, f"{name}: nothing happened"
        assert set(ours) - {"off_road"} == {one for one in theirs if one.startswith(("contact", "red_light"))}


def test_a_jump_is_no_run_light():
    source = ScenarioSource.open("red_light")
    events, layout = EgoEvents(source.map), source.reset()
    line = next(line for line in source.map.stop_lines if line.signal >= 0)
    (x, y, _), (u, v, _) = line.ends
    middle, ahead = np.array([(x + u) / 2, (y + v) / 2]), np.array([y - v, u - x]) / np.hypot(x - u, y - v)
    signals = np.full_like(layout.signals, SignalState.RED)
    yaw = float(np.arctan2(ahead[1], ahead[0]))

    def at(metres: float) -> LayoutFrame:
        x, y = middle + metres * ahead
        return replace(layout, signals=signals, ego_pose=Pose(x, y, 0.0, 0.0, 0.0, yaw), agents=layout.agents[:0])

    assert not [e for e in events.of(at(-60.0)) if "red" in e]
    assert not [e for e in events.of(at(5.0)) if "red" in e]
    assert not [e for e in events.of(at(-5.0)) if "red" in e]  # backwards
    assert [e for e in events.of(at(-2.0)) if "red" in e] == [f"red_light:{line.signal}"]


# surroundings


def test_what_stands_on_the_server_stands_in_the_map():
    lanes = load_map(ROOT / "scenarios" / "maps" / "urban_grid.npz")
    standing = {
        "building": [[60.0, 40.0, 0.0, 0.3, 16.0, 10.0, 12.0]], "wall": [[20.0, 30.0, 0.0, 0.0, 8.0, 0.3, 1.5]],
        "tree": [[40.0, 30.0, 0.0, 0.0, 4.0, 5.0, 7.0], [41.0, 31.0, 0.0, 0.0, 1.0, 1.0, 0.4],
                 [42.0, 32.0, 0.0, 0.0, 80.0, 60.0, 9.0]], "pole": [], "guard_rail": [],
    }  # fmt: skip
    with pytest.warns(UserWarning, match="left out, for they are") as told:
        found = with_surroundings(lanes, standing, "host:2000")
    assert {str(one.message).partition(": ")[2] for one in told} == {
        "left out, for they are low: plant 1", "left out, for they are many plants in one box: plant 2"}  # fmt: skip
    kinds = [thing.kind for thing in found.objects[len(lanes.objects) :]]
    assert sorted(kinds) == ["building", "tree", "wall"] and found.complete == {"building", "tree"}
    assert found.ref != lanes.ref and with_surroundings(lanes, {"pole": []}, "host:2000") is lanes
    house = next(thing for thing in found.objects if thing.kind == "building")
    assert np.allclose(house.position[:2], (60.0, 40.0), atol=0.01)
    assert sorted(house.size[:2]) == pytest.approx([10, 16])


def test_the_left_hand_is_turned_in_one_file_alone():
    """Elsewhere nothing negates a y or turns degrees into radians."""
    turned = re.compile(r"-\w+(\.location|\.velocity)?\.y\b|(np|math)\.(radians|degrees)|extent\.[xyz]")
    for path in Path(left_handed.__file__).parent.glob("*.py"):
        found = [line for line in path.read_text().splitlines() if turned.search(line)]
        if path.name not in ("left_handed.py", "weather.py"):
            assert not found, f"{path.name}: {found}"
