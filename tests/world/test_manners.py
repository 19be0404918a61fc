"""Manners: what drivers keep to, in theory and in the scenarios of the library."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.control import CAREFUL, CARELESS, HASTY, NORMAL, Manners
from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario import TrafficSpec
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.world.bodies import make_body
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.traffic.idm import idm


def world(name, manners=NORMAL, **changes):
    scenario = load_scenario(find_scenario(name))
    scenario = replace(scenario, ego=replace(scenario.ego, manners=manners), **changes)
    return ScenarioSource(scenario, load_map(scenario.map))


def driven(source, **how):
    """The source at its end, and the ego's speeds, m/s."""
    speeds = []
    while not source.done:
        source.step(source.driver_control(**how), 100_000)
        speeds.append(source.state.ego.speed)
    return source, np.array(speeds)


@pytest.mark.parametrize("manners", [CAREFUL, NORMAL, HASTY])
def test_the_gap_is_that_of_the_model(manners):
    """At the equilibrium of the IDM nobody speeds up or brakes."""
    speed, desired = 9.0, 15.0
    row = make_body(1, 0, 0.0, 0.0, 0.0, 0.0, speed=speed, **vars(manners))
    gap = (manners.gap_m + speed * manners.headway_s) / np.sqrt(1.0 - (speed / desired) ** 4)
    assert idm(row[()], desired, gap, speed) == pytest.approx(0.0, abs=1e-9)
    assert idm(row[()], desired, np.inf, 0.0) == pytest.approx(manners.accel_mps2 * (1.0 - (speed / desired) ** 4))


def test_a_careful_driver_stops_farther_off_and_drives_slower_than_a_hasty_one():
    gaps, tops = [], []
    for manners in (CAREFUL, NORMAL, HASTY):
        source, speeds = driven(world("hard_brake", manners))
        assert source.outcome.status == "SUCCESS"
        ego, leader = source.state.bodies[:2]
        gaps.append(np.hypot(leader["x"] - ego["x"], leader["y"] - ego["y"]) - 0.5 * (ego["length"] + leader["length"]))
        tops.append(speeds[20:].max())
    assert gaps[0] > gaps[1] + 0.8 > gaps[2] + 1.2, gaps
    assert tops[0] < tops[1] - 0.5 < tops[2] - 0.5, tops


def test_other_manners_at_run_time_drive_as_those_of_the_scenario():
    (one, speeds), (other, others) = driven(world("red_light", CAREFUL)), driven(world("red_light"), manners=CAREFUL)
    assert one.state.ego == other.state.ego and (speeds == others).all()
    assert driven(world("red_light"))[0].state.ego != one.state.ego


def test_a_careless_driver_fails_where_something_happens():
    names = "hard_brake", "cut_in", "red_light", "child_from_behind_parked_car"
    ends = {name: driven(world(name, CARELESS))[0].outcome.status for name in names}
    assert set(ends.values()) == {"FAILURE"}, ends


def test_traffic_has_the_manners_of_the_scenario_each_vehicle_its_own():
    traffic = TrafficSpec(20.0, 5, manners=HASTY, spread=0.2)
    bodies = world("red_light", traffic=traffic).state.bodies
    cars = bodies[bodies["ambient"] & (bodies["mode"] == 0)]
    shares = np.array([cars[name] / getattr(HASTY, name) for name in ("headway_s", "gap_m", "speed_factor")])
    assert len(cars) > 10 and (np.abs(shares - 1.0) <= 0.2).all()
    assert len(np.unique(shares)) == shares.size, "each number of each vehicle is drawn for itself"
    other = world("red_light", traffic=traffic, seed=12).state.bodies
    assert (other["headway_s"][:20] != bodies["headway_s"][:20]).any()
    assert bodies[0]["headway_s"] == NORMAL.headway_s


def test_numbers_that_mean_nothing_are_refused():
    with pytest.raises(InputError, match="headway_s: expected a number from 0 to 10 s, got -1"):
        Manners(headway_s=-1.0)
    with pytest.raises(InputError, match=r"spread: expected a number from 0 to 0\.9"):
        TrafficSpec(spread=2.0)


def test_manners_in_files(tmp_path):
    text = """map: urban_grid
duration_s: 4
ego: {spawn: {x: 91.75, y: 20, yaw_deg: 90}, manners: careful}
traffic: {vehicles_per_km: 10, manners: {like: hasty, gap_m: 3}, spread: 0.1}
"""
    file = tmp_path / "a.yaml"
    file.write_text(text)
    scenario = load_scenario(file)
    assert scenario.ego.manners == CAREFUL and scenario.traffic.manners == replace(HASTY, gap_m=3)
    file.write_text(text.replace("careful", "rude"))
    with pytest.raises(InputError, match=r"ego\.manners: 'rude' is not one of careful, normal, hasty, careless"):
        load_scenario(file)
    file.write_text(text.replace("gap_m: 3", "gap: 3"))
    with pytest.raises(InputError, match=r"traffic\.manners\.gap: unknown field"):
        load_scenario(file)
