"""A random spawn: everywhere on the map, the same for the same seed, with road ahead for the route."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.maps.osm_text import Extract
from tests.world.plain_world import off_road
from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario import EgoSpec, Scenario, Spawn, TrafficSpec
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.episode.turns import Turns
from uniscene_sim.world.path_columns import LIMIT
from uniscene_sim.world.scenario_source import ScenarioSource

MAPS = ("motorway", "roundabout", "rural", "urban_grid")


@cache
def own_map(name):
    return load_map(data_dir("scenarios") / "maps" / f"{name}.npz")


def anywhere(name, route_m=200.0, **fields):
    ego = EgoSpec(Spawn(random=True), 15.0, 15.0, route_m=route_m)
    return Scenario(name="t", map=Path(name), seed=0, duration_s=60.0, ego=ego, **fields)


@pytest.mark.parametrize("name", MAPS)
def test_two_hundred_seeds_stand_on_the_road_and_see_their_route(name):
    road, spec = own_map(name), anywhere(name)
    places = []
    for seed in range(200):
        source = ScenarioSource(spec, road, seed)
        ego, path = source.state.ego, source.route_path
        lane = road.lanes[road.nearest_lane(ego.pose.x, ego.pose.y, ego.pose.z, ego.pose.yaw)[0]]
        assert not lane.junction and not off_road(ego, spec.ego.vehicle, road.surface)
        assert len(path) == 201 and np.hypot(*(path[0, :2] - (ego.pose.x, ego.pose.y))) < 0.1
        steps = np.hypot(*np.diff(path[:, :2], axis=0).T)
        assert steps.max() < 1.1, "the route has no gap"
        assert road.surface.drivable(path[:, 0], path[:, 1], path[:, 2]).all()
        assert 0.0 <= ego.speed <= source.state.paths[0, 0, LIMIT]
        places.append((ego.pose.x, ego.pose.y, ego.speed))
    low, high = np.reshape(road.bounds, (2, 2))
    assert np.median([v for *_, v in places]) > 8.0
    spread = np.ptp([p[:2] for p in places], axis=0) / (high - low)
    assert spread.max() > 0.6 and len(set(places)) == 200, "all over the map"


@pytest.mark.parametrize("name", MAPS)
def test_same_seed_same_place_and_the_driver_gets_through(name):
    spec, road = anywhere(name, 120.0), own_map(name)
    for seed in (3, 4):
        one, two = ScenarioSource(spec, road, seed), ScenarioSource(spec, road, seed)
        assert one.state.ego == two.state.ego and one.route_path.tobytes() == two.route_path.tobytes()
        while not one.done:
            one.step(one.driver_control(), 100_000)
        assert one.completion >= 0.995 and one.state.time_us < 60e6, "the end of the route ends the run"
        assert one.state.tally.off_road_s == 0.0 and one.state.tally.collisions == 0


def test_turns_at_junctions_hang_on_the_seed():
    spec, road = anywhere("urban_grid"), own_map("urban_grid")
    ends = {tuple(ScenarioSource(spec, road, k).route_path[-1].round()) for k in range(8)}
    assert len(ends) == 8


def test_nobody_of_the_traffic_stands_near_at_the_start():
    for seed in range(20):
        bodies = ScenarioSource(anywhere("motorway", traffic=TrafficSpec(30.0)), own_map("motorway"), seed).state.bodies
        others = bodies[1:][bodies["mode"][1:] != MotionMode.ABSENT]
        assert len(others) and np.hypot(others["x"] - bodies[0]["x"], others["y"] - bodies[0]["y"]).min() > 25.0


@pytest.fixture(scope="module")
def dead_ends(tmp_path_factory):
    """A ring of streets, each with a cul-de-sac that no car can turn round in, and a lane too narrow for a car."""
    extract, wide = Extract(), {"highway": "residential", "lanes": "2", "width": "6.4"}
    corners = [(0.0, 0.0), (180.0, 0.0), (180.0, 180.0), (0.0, 180.0)]
    for k, (x, y) in enumerate(corners):
        to_x, to_y = corners[(k + 1) % 4]
        extract.way([(x, y), (0.5 * (x + to_x), 0.5 * (y + to_y)), (to_x, to_y)], **wide)
    for x, y in ((90.0, -70.0), (90.0, 250.0)):
        extract.way([(90.0, 0.0 if y < 0.0 else 180.0), (x, y)], **wide)
    extract.way([(0.0, 90.0), (180.0, 90.0)], highway="service", lanes="2", width="3.4")
    return load_map(extract.write(tmp_path_factory.mktemp("osm") / "ring.osm"))


def test_routes_avoid_turns_and_lanes_that_no_car_can_drive(dead_ends):
    spec = anywhere("ring", 250.0)
    turns = Turns(dead_ends, spec.ego.vehicle, passes=False)
    driving = [lane for lane in dead_ends.lanes if lane.kind == "driving"]
    refused = [lane for lane in driving if lane.index not in turns]
    assert any(abs(np.unwrap(lane.heading)[-1] - lane.heading[0]) > 2.7 for lane in refused)
    assert all(lane in refused for lane in driving if lane.width.max() < spec.ego.vehicle.width_m)
    for seed in range(6):
        source = ScenarioSource(spec, dead_ends, seed)
        while not source.done:
            source.step(source.driver_control(), 100_000)
        assert source.completion >= 0.995 and source.state.tally.off_road_s == 0.0, seed


def test_where_every_route_has_such_a_turn_there_is_one_none_the_less(tmp_path):
    extract = Extract()
    extract.way([(0.0, 0.0), (150.0, 0.0)], highway="residential", lanes="2", width="6.4")
    street = load_map(extract.write(tmp_path / "street.osm"))
    assert len(ScenarioSource(anywhere("street", 200.0), street, 1).route_path) == 201


def test_a_route_longer_than_the_road_is_refused():
    with pytest.raises(InputError, match=r"ego\.route_m.*found no place on map 'rural' with 3000 m of road"):
        ScenarioSource(anywhere("rural", 3000.0), own_map("rural"), 1)
    ahead = anywhere("rural")
    fixed = replace(ahead, ego=replace(ahead.ego, spawn=Spawn(x=10.0, y=0.0)))
    assert len(ScenarioSource(fixed, own_map("rural")).route_path) == 201
    with pytest.raises(InputError, match=r"ego\.route_m.* m of road lie ahead of the ego, expected 5000"):
        ScenarioSource(replace(fixed, ego=replace(fixed.ego, route_m=5000.0)), own_map("rural"))


@pytest.mark.parametrize(
    ("ego", "expected"),
    [
        ("{spawn: {random: true, x: 3}}", r"ego\.spawn\.x"),
        ("{spawn: {random: false}}", r"ego\.spawn\.random"),
        ("{spawn: {random: true}, route_m: 5}", r"ego\.route_m"),
        ("{spawn: {random: true}, route_m: 100, goal: [1, 2]}", r"ego\.route_m"),
        ("{spawn: {random: true}, goal: [1, 2], via: [[1, 2]]}", r"ego\.via"),
    ],
)
def test_errors_name_the_field(tmp_path, ego, expected):
    file = tmp_path / "s.yaml"
    file.write_text(f"map: rural\nduration_s: 5\nego: {ego}\n")
    with pytest.raises(InputError, match=expected):
        load_scenario(file)


def test_lane_following_is_not_driven_by_chance():
    """The built-in driver completes it, random steering leaves the road."""
    from uniscene_sim.compute.keyed_random import unit_hash
    from uniscene_sim.control import Control

    scenario = load_scenario(find_scenario("lane_following"))
    for seed in (11, 12, 13):
        source = ScenarioSource(scenario, own_map("rural"), seed)
        for k in range(450):
            source.step(Control(0.4 * (unit_hash(seed, k) - 0.5), source.driver_control().accel_mps2), 100_000)
            if source.state.tally.off_road_s > 0:
                break
        assert source.state.tally.off_road_s > 0 and source.completion < 0.6
