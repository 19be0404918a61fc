"""Criteria of scenarios: what is measured as they run, for whom, and how that judges the run."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.world.three_lanes import on_lane, road, scene
from uniscene_sim.control import Control
from uniscene_sim.criteria.watch import ALL_MEASURES, measured
from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import StopLine
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario import CRITERION_KINDS, CRITERION_NAMES, AgentSpec, Criterion, EgoSpec, Scenario, Spawn
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.world.scenario_source import ScenarioSource

GO = Control(0.0, 0.0)


def run(source: ScenarioSource, control: Control | None = GO, seconds: float = 60.0) -> ScenarioSource:
    end = source.state.time_us + seconds * 1e6
    while not source.done and source.state.time_us < end:
        source.step(source.driver_control() if control is None else control, 100_000)
    return source


def into(agent: AgentSpec, *criteria: Criterion, seconds: float = 6.0) -> ScenarioSource:
    """The ego drives 10 m/s straight on, into somebody."""
    return run(scene((agent,), seconds, 10.0, criteria=criteria))


# --- collisions by partner --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("agent", "partner"), [
    (on_lane("a", 80.0, 1, 0.0, "parked"), "vehicle"), (on_lane("a", 80.0, 1, 2.0, cls="motorcycle"), "vehicle"),
    (on_lane("a", 80.0, 1, 2.0, cls="bicycle"), "cyclist"),
    (AgentSpec("a", "pedestrian", Spawn(x=80.0, y=-5.25, free=True), 0.0, "walk"), "pedestrian"),
    (AgentSpec("a", "traffic_cone", Spawn(x=80.0, y=-5.25, free=True), 0.0, "parked"), "static"),
])  # fmt: skip
def test_a_collision_counts_for_its_type_of_partner_alone(agent, partner):
    kinds = ("vehicle", "pedestrian", "cyclist", "static")
    source = into(agent, Criterion("collision"), *(Criterion("collision", partner=kind) for kind in kinds))
    rows = {row.name: row for row in source.outcome.criteria}
    assert rows["collision"].actual == 1
    assert {k: rows[f"collision_{k}"].actual for k in kinds} == {k: int(k == partner) for k in kinds}
    assert not rows[f"collision_{partner}"].success and source.outcome.status == "FAILURE"
    assert source.measured[f"at_fault_{partner}"] == 1 and source.state.tally.collisions == 1


def test_one_that_is_hit_from_behind_is_not_at_fault_and_the_other_one_is():
    source = scene((on_lane("fast", 20.0, 1, 10.0),), 8.0, 5.0)
    source.drive_others({"fast": Control(0.0, 1.0)})
    run(source)
    assert source.measured["collision_vehicle"] == 1 and source.measured["at_fault_vehicle"] == 0
    (driven,) = source.state.driven
    assert driven.tally.partners.vehicle == 1 and driven.tally.at_fault.vehicle == 1


# --- what is measured -------------------------------------------------------------------------------------------------


def test_nothing_is_measured_that_nobody_asks_for():
    source = run(scene((on_lane("lead", 90.0, 1, 8.0),), 3.0, 10.0, criteria=(Criterion("collision"),)))
    assert source.state.watch is None and set(ALL_MEASURES).isdisjoint(source.measured)
    asked = run(scene((), 1.0, 10.0, criteria=(Criterion("min_headway", 1.0), Criterion("comfort", 0.5))))
    assert set(asked.state.watch.measures) == {"min_headway", "comfort"}
    asked.measures = ("blocked",)
    assert set(asked.state.watch.measures) == {"min_headway", "comfort", "blocked"}, "the scenario's own always"
    with pytest.raises(InputError, match="no measure 'speed'"):
        asked.measures = ("speed",)


def test_every_kind_has_a_number_and_what_scores_need():
    source = scene((on_lane("lead", 90.0, 1, 8.0),), 3.0, 10.0)
    source.measures = ALL_MEASURES
    told = run(source).measured
    assert set(CRITERION_NAMES) | {f"at_fault_{k}" for k in ("vehicle", "pedestrian", "cyclist", "static")} | {
        "against_traffic_m", "outside_lanes_m", "over_limit_m", "progress"
    } == set(told)  # fmt: skip
    assert all(value is None or type(value) in (int, float) for value in told.values())
    assert set(CRITERION_KINDS) <= set(told)


def test_live_numbers_are_those_of_the_layouts():
    """Of a run whose traffic crosses, follows and comes the other way."""
    source = ScenarioSource.open("cross_traffic")
    source.measures = ALL_MEASURES
    layouts = [source.reset()]
    while not source.done:
        layouts += source.step(source.driver_control(), 50_000)
    kinds = tuple(kind for kind in ALL_MEASURES if kind != "blocked")
    again = measured(layouts, source.map, kinds)
    assert again == {name: source.measured[name] for name in again}
    assert again["min_pet"] is not None and again["min_headway"] is not None


def test_a_state_that_comes_back_goes_on_to_the_same_numbers():
    source = scene((on_lane("lead", 90.0, 1, 8.0),), 8.0, 12.0, criteria=(Criterion("min_headway", 0.1),))
    source.measures = ALL_MEASURES
    run(source, seconds=2.0)
    state = pickle.loads(pickle.dumps(source.get_state()))
    first = run(source).measured
    source.set_state(state)
    assert source.measured != first and run(source).measured == first
    other = source.again()
    assert other.measures == ALL_MEASURES and other.state.watch.ego.time_us == 0 and run(other).measured == first
    source.reset()
    assert run(source, seconds=20.0).measured == first


def test_long_steps_measure_as_often_as_short_ones():
    def numbers(step_us: int) -> dict:
        source = scene((on_lane("lead", 90.0, 1, 8.0),), 6.0, 12.0)
        source.measures = ALL_MEASURES
        while not source.done:
            source.step(GO, step_us)
        return dict(source.measured)

    assert numbers(1_000_000) == numbers(100_000) == numbers(30_000)


def test_the_ego_that_passes_on_the_oncoming_lane_is_on_the_wrong_one():
    source = scene((), 4.0, ego=EgoSpec(Spawn(x=100.0, y=1.75, yaw_deg=0.0, free=True), 10.0, 10.0),
                   criteria=(Criterion("wrong_lane", 1.0),))  # fmt: skip
    (row,) = run(source).outcome.criteria
    assert row.actual == pytest.approx(4.0) and not row.success and source.outcome.status == "FAILURE"


def test_a_driver_that_keeps_lights_but_no_signs_runs_the_line():
    line = StopLine(np.array([[150.0, -3.5, 0.0], [150.0, -7.0, 0.0]]), 1, 150.0)
    signed = VectorMap("signed", road().lanes, stop_lines=(line,))
    spec = replace(scene((), 30.0, 10.0).scenario, criteria=(Criterion("stop_line"),))
    spec = replace(spec, ego=EgoSpec(Spawn(x=50.0, y=-5.25, yaw_deg=0.0), 10.0, 10.0))
    stops, goes = run(ScenarioSource(spec, signed), None), run(ScenarioSource(spec, signed))
    assert stops.state.bodies[0]["x"] > 160.0 and stops.outcome.status == "SUCCESS"
    assert goes.outcome.criteria[0].actual == 1 and goes.outcome.status == "FAILURE"


def test_who_stands_on_a_free_road_blocks_it_and_who_queues_does_not():
    def blocked(*agents: AgentSpec) -> float:
        return run(scene(agents, 15.0, criteria=(Criterion("blocked"),)), Control(0.0, -1.0)).outcome.criteria[0].actual

    assert blocked() == 1 and blocked(on_lane("queue", 58.0, 1, 0.0, "parked")) == 0


# --- the verdict ------------------------------------------------------------------------------------------------------


def test_what_fails_only_for_want_of_time_is_a_timeout():
    slow = (Criterion("route_completion", 0.9), Criterion("collision"))
    assert run(scene((), 2.0, 5.0, criteria=slow)).outcome.status == "TIMEOUT"
    assert into(on_lane("a", 80.0, 1, 0.0, "parked"), *slow).outcome.status == "FAILURE"
    spared = (Criterion("driven_distance", 500.0), Criterion("min_headway", 99.0, optional=True))
    assert run(scene((on_lane("a", 90.0, 1, 9.0),), 2.0, 5.0, criteria=spared)).outcome.status == "TIMEOUT"
    early = scene((), 30.0, ego=EgoSpec(Spawn(x=50.0, y=-5.25, yaw_deg=0.0), 10.0, 10.0, route_m=60.0),
                  criteria=(Criterion("driven_distance", 500.0),))  # fmt: skip
    assert run(early).arrived and early.outcome.status == "FAILURE", "it arrived: no time would have helped"


def test_progress_is_against_the_way_that_there_was_time_for():
    whole, half = run(scene((), 6.0, 10.0)), run(scene((), 6.0, 10.0), Control(0.0, -1.0))
    assert whole.measured["progress"] == pytest.approx(1.0, abs=0.02) and whole.measured["route_completion"] < 0.6
    # 60 - 18 m, 0.15 s of lag of the brake at the end, and the middle begins 1.35 m along the route.
    assert half.measured["progress"] == pytest.approx((42.0 + 0.9 + 1.35) / 60.0, abs=0.01)


def test_files_say_with_whom(tmp_path):
    def read(criterion: str) -> Scenario:
        path = tmp_path / "one.yaml"
        start = f"map: {Path(__file__).parent / 'cases' / 'three_lanes.xodr'}\nduration_s: 5\n"
        path.write_text(start + f"ego: {{spawn: {{x: 50, y: -5.25}}}}\ncriteria:\n  - {criterion}\n")
        return load_scenario(path)

    (one,) = read("{kind: collision, with: pedestrian, value: 0}").criteria
    assert one == Criterion("collision", 0, partner="pedestrian") and one.name == "collision_pedestrian"
    for wrong, why in (
        ("{kind: off_road, with: vehicle}", r"criteria\[0\].with: goes with collision alone, not with off_road"),
        ("{kind: collision, with: cow}", r"criteria\[0\].with: "),
        ("{kind: comfort, value: 1.5}", r"criteria\[0\].value: expected a number from 0 to 1"),
    ):
        with pytest.raises(InputError, match=why):
            read(wrong)
