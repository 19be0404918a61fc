"""`validate` tells what cannot happen and what nobody can see; with `--strict` that is an error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.cli.main import main
from uniscene_sim.cli.validate import _houses
from uniscene_sim.errors import InputWarning
from uniscene_sim.maps.elements import MapObject
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.episode.hidden import hidden_objects
from uniscene_sim.world.scenario_source import ScenarioSource

MAP = Path(__file__).parent / "cases" / "three_lanes.xodr"
HEAD = f"""
map: {MAP}
duration_s: 20
ego: {{spawn: {{x: 50, y: -5.25, yaw_deg: 0}}, speed_mps: 10, target_speed_mps: 10}}
"""
AGENTS = """
agents:
  - {name: parked, class: car, behaviour: parked, spawn: {x: 100, y: -8.75, yaw_deg: 0}}
  - {name: far, class: car, behaviour: parked, spawn: {x: 200, y: -14, free: true}}
  - {name: walker, class: pedestrian, spawn: {x: 150, y: -14, free: true}}
  - {name: car, class: car, behaviour: constant, spawn: {x: 80, y: -8.75, yaw_deg: 0}, speed_mps: 10}
  - {name: log, class: car, behaviour: trajectory, spawn: {x: 300, y: -1.75}, trajectory: [[0, 300, -2], [9, 400, -2]]}
"""


@pytest.fixture(scope="module")
def hints(tmp_path_factory):
    """What `validate` warns of."""
    path, static_map = tmp_path_factory.mktemp("hints") / "mine.yaml", load_map(MAP)

    def told(text: str) -> list[str]:
        path.write_text(HEAD + text)
        return ScenarioSource(load_scenario(path), static_map).hints(lambda: np.zeros((0, 5)))

    return told


GOOD = """events:
  - {trigger: {kind: time, value: 5}, actions: [{kind: cross, agent: walker, to: [150, 0]}]}
  - {trigger: {kind: reach, agent: walker, x: 150, y: -5, value: 2}, actions: [{kind: brake, agent: car}]}
  - {trigger: {kind: ttc, other: walker, value: 2}, actions: [{kind: lane_change, agent: car, direction: left}]}
  - {trigger: {kind: distance, agent: car, other: parked, value: 15}, actions: [{kind: speed, agent: ego}]}
  - {trigger: {kind: time_gap, other: log, value: 8}, actions: [{kind: speed, agent: car, speed_mps: 0}]}
"""


def test_a_good_scenario_is_told_nothing(hints):
    assert hints(AGENTS + GOOD) == []


@pytest.mark.parametrize("rows", ["[[-3, 240, -2], [5, 400, -2]]", "[[0, 300, -2], [9, 300, -2]]"])
def test_a_trajectory_that_has_begun_or_stands_is_told_nothing(hints, rows):
    assert hints(AGENTS.replace("[[0, 300, -2], [9, 400, -2]]", rows) + GOOD.replace("value: 8", "value: 9")) == []


def test_impossible_actions_do_not_excuse_each_other(hints):
    change = "{{trigger: {{kind: time, value: {}}}, actions: [{{kind: lane_change, agent: oncoming, direction: {}}}]}}"
    oncoming = "  - {name: oncoming, class: car, spawn: {x: 400, y: 1.75, yaw_deg: 180}, speed_mps: 10}\n"
    lines = hints(AGENTS + oncoming + f"events: [{change.format(1, 'left')}, {change.format(2, 'right')}]")
    assert len(lines) == 2 and all("no driving lane" in line for line in lines)
    stands, go = oncoming.replace("speed_mps: 10", "speed_mps: 0"), "{kind: speed, agent: oncoming, speed_mps: 9}"
    for at, word in ((3, "stands"), (1, "no driving lane")):
        (line,) = hints(AGENTS + stands + f"events: [{change.format(2, 'left')}, "
                        f"{{trigger: {{kind: time, value: {at}}}, actions: [{go}]}}]")  # fmt: skip
        assert word in line


def test_what_hangs_on_the_seed_is_not_told(tmp_path):
    """Another seed has the ego, and who begins beside it, elsewhere."""
    path = tmp_path / "drawn.yaml"
    path.write_text(f"""
map: {MAP}
duration_s: 5
ego: {{spawn: {{random: true}}}}
agents: [{{name: a, class: car, spawn: {{relative_to: ego, ahead_m: 20}}, speed_mps: 5}}]
events:
  - {{trigger: {{kind: reach, agent: a, x: 10, y: -1.75, value: 1}}, actions: [{{kind: lane_change, agent: a}}]}}
  - {{trigger: {{kind: reach, agent: a, x: 1490, y: -8.75, value: 1}}, actions: [{{kind: brake, agent: a}}]}}
""")
    assert ScenarioSource.open(str(path)).hints(lambda: np.zeros((0, 5))) == []


@pytest.mark.parametrize(("event", "expected"), [
    ("{trigger: {kind: time, value: 20}, actions: [{kind: brake, agent: car}]}", "not before the end at 20 s"),
    ("{trigger: {kind: reach, x: 900, y: 0, value: 9}, actions: [{kind: brake, agent: car}]}", "'ego' stays"),
    ("{trigger: {kind: reach, agent: parked, x: 9, y: 0, value: 5}, actions: [{kind: brake, agent: car}]}", "'parked'"),
    ("{trigger: {kind: distance, agent: far, other: parked, value: 9}, actions: [{kind: brake, agent: car}]}", "apart"),
    ("{trigger: {kind: ttc, agent: far, other: parked, value: 2}, actions: [{kind: brake, agent: car}]}", "ever moves"),
    ("{trigger: {kind: ttc, other: car, value: 30}, actions: [{kind: brake, agent: car}]}", "above 10 s"),
    ("{trigger: {kind: time_gap, agent: far, other: log, value: 2}, actions: [{kind: brake, agent: car}]}", "apart"),
    ("{trigger: {kind: distance, value: 5}, actions: [{kind: brake, agent: car}]}", "with itself"),
    ("{trigger: {kind: time, value: 1}, actions: [{kind: lane_change, agent: car, direction: right}]}", "no driving"),
    ("{trigger: {kind: time, value: 1}, actions: [{kind: cut_in, agent: ego}]}", "keeps to its route"),
    ("{trigger: {kind: time, value: 1}, actions: [{kind: speed, agent: parked, speed_mps: 3}]}", "parked"),
    ("{trigger: {kind: time, value: 1}, actions: [{kind: stop, agent: log}]}", "trajectory says"),
    ("{trigger: {kind: time, value: 1}, actions: [{kind: follow_trajectory, agent: parked, "
     "trajectory: [[0, 0, 0], [9, 9, 0]]}]}", "begins at"),
    ("{trigger: {kind: time, value: 15}, actions: [{kind: follow_trajectory, agent: parked, "
     "trajectory: [[0, 100, -8.75], [6, 100, -8.75], [9, 120, -8.75]]}]}", "begins to move 21 s"),
])  # fmt: skip
def test_what_cannot_happen_is_told(hints, event, expected):
    (line,) = hints(f"{AGENTS}events:\n  - {event}\n")
    assert expected in line and "events[0]" in line


def test_places_are_told_in_the_coordinates_of_the_map(tmp_path):
    path, far = tmp_path / "far.yaml", (691000.0, 5334000.0)
    path.write_text(f"""
map: {MAP}
duration_s: 5
ego: {{spawn: {{x: 691050, y: 5333994.75}}}}
agents: [{{name: a, class: car, spawn: {{x: 691100, y: 5333994.75}}, behaviour: constant, speed_mps: 10}}]
events:
  - {{trigger: {{kind: reach, agent: a, x: 691900, y: 5334000, value: 1}}, actions: [{{kind: brake, agent: a}}]}}
  - trigger: {{kind: time, value: 1}}
    actions: [{{kind: follow_trajectory, agent: a, trajectory: [[0, 691800, 5334000], [1, 691810, 5334000]]}}]
""")
    source = ScenarioSource(load_scenario(path), replace(load_map(MAP), frame_origin=far))
    never, left_out = source.hints(lambda: np.zeros((0, 5)))
    assert "(691900, 5334000)" in never and "(691800, 5334000)" in left_out
    with pytest.warns(InputWarning, match=r"begins at \(691800, 5334000\)"):
        list(source.step(source.driver_control(), 1_100_000))


def test_warnings_are_an_error_where_that_is_asked_for(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + "traffic: {pedestrians: 8}\n")
    assert main(["validate", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "mine.yaml: ok" in out and err.startswith("uniscene-sim: warning: ") and err.count("\n") == 1
    assert main(["validate", "--strict", str(path)]) == 2


def test_an_event_that_waits_for_one_that_never_happens_is_told(hints):
    lines = hints(AGENTS + GOOD.replace("value: 5}, actions: [{kind: cross", "value: 50}, actions: [{kind: cross"))
    assert (
        len(lines) == 2 and "events[0].trigger" in lines[0] and "events[1].trigger: cannot happen: 'walker'" in lines[1]
    )


@pytest.mark.parametrize(("agent", "expected"), [
    ("{name: a, class: car, behaviour: parked, spawn: {x: 900, y: -20, free: true}}", "beyond all sensors"),
    ("{name: a, class: barrier, behaviour: parked, spawn: {x: 100, y: -800, free: true}}", "outside the map"),
    ("{name: a, class: traffic_cone, behaviour: parked, spawn: {x: 52, y: -5.25, free: true}}", "inside the ego"),
    ("{name: a, class: car, behaviour: trajectory, spawn: {x: 60, y: -1.75}, "
     "trajectory: [[0, 100, -1.75], [9, 150, -1.75]]}", "40.0 m from the spawn"),
    ("{name: a, class: car, behaviour: trajectory, spawn: {x: 60, y: -1.75}, "
     "trajectory: [[0, 60, -1.75], [1, 400, -1.75]]}", "340 m/s"),
])  # fmt: skip
def test_what_nobody_can_see_is_told(hints, agent, expected):
    lines = hints(f"agents:\n  - {agent}\n")
    assert any(expected in line and "agents[0]" in line for line in lines)


def test_people_without_walkways_are_told(hints):
    (line,) = hints("traffic: {pedestrians: 8}\n")
    assert "none of 8 appears" in line


def test_a_car_in_a_generated_house_is_told(tmp_path, capsys):
    town = load_map(data_dir("scenarios") / "maps" / "urban_grid.npz")
    houses = _houses(town, 3)
    x, y = houses[np.hypot(houses[:, 0] - 1.75, houses[:, 1] - 40.0).argmin(), :2]
    path = tmp_path / "mine.yaml"
    path.write_text(f"""
map: urban_grid
seed: 3
duration_s: 5
ego: {{spawn: {{x: 1.75, y: 20, yaw_deg: 90}}}}
agents:
  - {{name: a, class: car, behaviour: parked, spawn: {{x: {x}, y: {y}, free: true}}}}
""")
    assert main(["validate", str(path)]) == 0
    assert "'a' cannot be seen: it stands in a house" in capsys.readouterr().err


def test_objects_of_a_map_that_nobody_can_see_are_told():
    size = (4.5, 1.8, 1.5)
    objects = (
        MapObject("parked_car", np.array([100.0, -8.0, 0.0]), 0.0, size),
        MapObject("parked_car", np.array([100.0, -8.0, -3.0]), 0.0, size),
        MapObject("cone", np.array([100.0, 9000.0, 0.0]), 0.0, (0.4, 0.4, 0.7)),
        MapObject("building", np.array([300.0, -30.0, 0.0]), 0.5, (20.0, 20.0, 9.0)),
        MapObject("barrier", np.array([302.0, -30.0, 0.0]), 0.5, (2.0, 0.4, 1.0)),
    )
    static_map = load_map(MAP)
    told = list(hidden_objects(VectorMap("m", static_map.lanes, objects=objects)))
    print(told)
    assert [line.split(": it ")[1] for line in told] == [
        "lies 3.0 m under the ground", "lies outside the map", "stands in a building"
    ]  # fmt: skip
