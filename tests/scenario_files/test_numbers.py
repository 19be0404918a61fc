"""Numbers of scenarios: bounded where they enter, whatever can be done with those that are allowed."""

import copy
from dataclasses import fields
from math import inf, nan

import numpy as np
import pytest
import yaml

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.layout import EgoVehicle, Style
from uniscene_sim.limits import bounds
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario import Action, AgentSpec, Criterion, EgoSpec, Spawn, TrafficSpec, Trigger
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

FILE = {
    "map": "urban_grid",
    "duration_s": 5,
    "ego": {"spawn": {"x": 21.75, "y": -1.75, "yaw_deg": 0}, "speed_mps": 5},
    "agents": [
        {"name": "other", "class": "car", "spawn": {"relative_to": "ego", "ahead_m": 20}, "speed_mps": 4},
        {"name": "walker", "class": "pedestrian", "spawn": {"x": 40, "y": -8, "free": True}},
    ],
    "events": [{"trigger": {"kind": "time", "value": 0.2}, "actions": [{"kind": "brake", "agent": "other"}]}],
}
DRIVE = [[0, 21.75, -1.75], [10, 60, -1.75]]


@pytest.fixture
def drive(tmp_path):
    """Loads a changed file, and drives for some ticks."""

    def driven(changes):
        data = copy.deepcopy(FILE)
        for field, value in changes.items():
            *path, last = (int(k) if k.isdigit() else k for k in field.split("."))
            inner = data
            for key in path:
                inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner[key]
            inner[last] = value
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(data))
        scenario = load_scenario(file)
        source = ScenarioSource(scenario, load_map(scenario.map))
        source.reset()
        for _ in range(4):
            frame = source.step(source.driver_control(), 100_000)[-1]
            assert np.isfinite(frame.agents["pos"]).all() and np.isfinite(frame.ego_pose.matrix).all()
        return source

    return driven


ACTION, TRIGGER = "events.0.actions.0", "events.0.trigger"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"duration_s": 10**400}, "duration_s"),
        ({"duration_s": True}, "duration_s: expected a number"),
        ({"seed": 5.5}, "seed: expected a whole number"),
        ({"ego.spawn.x": 1e300}, r"ego.spawn.x: expected at most 16777216"),
        ({"ego.spawn.yaw_deg": 1e9}, "ego.spawn.yaw_deg"),
        ({"ego.spawn.relative_to": "ego"}, "relative_to: the ego begins before all others"),
        ({"ego.goal": [21.75, -1.75]}, "ego.goal: lies where the ego begins, or behind it"),
        ({"ego.goal": [1e6, 0]}, r"ego.goal: \(1000000, 0\) lies .* from the nearest driving lane"),
        ({"ego.via": [[1e6, 0]], "ego.goal": [60, -1.75]}, r"ego.via\[0\]: .* from the nearest driving lane"),
        ({"ego.vehicle.wheelbase_m": 1e-308}, "ego.vehicle.wheelbase_m: expected at least 0.1"),
        ({"ego.trajectory": [[-2, 21.75, -1.75], [-1, 22, -1.75]]}, "ego.trajectory: is over before it begins"),
        ({"ego.trajectory": [[-1e30, 21.75, -1.75], DRIVE[1]]}, r"ego.trajectory\[0\]"),
        ({"ego.trajectory": DRIVE[:1]}, "ego.trajectory: expected at least 2"),
        ({"ego.trajectory": [DRIVE[0], DRIVE[0]]}, r"ego.trajectory\[1\]: times must rise from row to row, got 0"),
        ({"ego.trajectory": [DRIVE[0], [0.001, 60, 0]]}, r"ego.trajectory\[1\]: expected at most 1000 m/s"),
        ({"ego.trajectory": [DRIVE[0], [8e4, 1e6, 0]]}, "ego.trajectory: expected a way of at most 40 km, got 1000"),
        ({"agents.0.size": [1e9, 2, 1]}, r"agents\[0\].size\[0\]: expected at most 100"),
        ({"agents.0.spawn.lanes_left": 0.5}, "lanes_left: expected a whole number"),
        ({"agents.0.spawn.relative_to": "other"}, "'other' is none of those before: ego"),
        ({"agents.1.spawn": {"relative_to": "other"}, "agents.0.spawn": {"x": 9, "y": 9, "free": True}},
         r"agents\[1\].spawn.relative_to: 'other' is on no lane"),
        ({f"{ACTION}.decel_mps2": 0}, r"events\[0\].actions\[0\].decel_mps2: expected at least 0.01"),
        ({f"{ACTION}.speed_mps": nan}, r"actions\[0\].speed_mps: .*finite"),
        ({f"{ACTION}.duration_s": 1e30}, r"actions\[0\].duration_s: expected at most 600"),
        ({f"{ACTION}.to": [1e300, 0]}, r"actions\[0\].to\[0\]: expected at most"),
        ({f"{ACTION}.trajectory": [DRIVE[1], DRIVE[0]]}, r"actions\[0\].trajectory\[1\]: times must rise"),
        ({f"{TRIGGER}.value": 1e5}, r"trigger.value: expected a number from 0 to 86400 s, got 100000"),
        ({f"{TRIGGER}.value": -1}, "trigger.value: expected at least 0"),
        ({"traffic.pedestrians": 1e9}, "traffic.pedestrians: expected at most 200"),
        ({"criteria": [{"kind": "min_ttc", "value": 1e300}]}, r"criteria\[0\].value: expected at most"),
        ({"style.time_of_day_h": 24}, "style.time_of_day_h"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_when_it_is_read(drive, changes, told):
    with pytest.raises(InputError, match=rf"mine.yaml:.*{told}"):
        drive(changes)


@pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")  # of actions that cannot happen
@pytest.mark.parametrize("end", ["least", "most"])
def test_the_ends_of_what_is_allowed_can_be_driven(drive, end):
    many = {f"ego.vehicle.{name}": getattr(bound, end) for name, bound in bounds.EGO_VEHICLE.items()}
    drive(many)
    for name, value in many.items():
        drive({name: value})
    drive({"agents.0.size": [getattr(bounds.SIZE_M, end)] * 3, "agents.0.speed_mps": getattr(bounds.SPEED_MPS, end)})
    drive({"agents.0.spawn.ahead_m": getattr(bounds.AHEAD_M, end)})
    drive({"agents.0.spawn.lateral_m": getattr(bounds.ASIDE_M, end)})
    drive(
        {"ego.speed_mps": getattr(bounds.EGO_SPEED_MPS, end), "ego.target_speed_mps": getattr(bounds.CRUISE_MPS, end)}
    )
    numbers = {"speed_mps": bounds.SPEED_MPS, "decel_mps2": bounds.DECEL_MPS2, "duration_s": bounds.LANE_CHANGE_S}
    told = {name: getattr(bound, end) for name, bound in numbers.items()}
    for kind in ("speed", "brake", "stop", "lane_change", "cut_in"):
        drive({ACTION: {"kind": kind, "agent": "other"} | told})
    for place in ([40, 8], [41, -8]):
        drive({ACTION: {"kind": "cross", "agent": "walker", "to": place} | told})


def test_a_place_out_of_reach_is_no_crossing(drive):
    far = {ACTION: {"kind": "cross", "agent": "walker", "to": [1e7, 0.0]}}
    with pytest.warns(UserWarning, match="the place is 9999960 m away, expected at most 399 m"):
        source = drive(far)
    assert any("is more than 399 m from where it can be" in line for line in source.hints(lambda: np.zeros((0, 5))))


def test_whole_floats_count_as_integers(drive):
    source = drive({"seed": 7.0, "traffic": {"pedestrians": 3.0}, "agents.0.spawn.lanes_left": 0.0})
    numbers = (source.scenario.seed, source.scenario.traffic.pedestrians, source.scenario.agents[0].spawn.lanes_left)
    assert numbers == (7, 3, 0) and {type(n) for n in numbers} == {int}


NOUNS = [
    (Spawn, {}), (EgoVehicle, {}), (Style, {}), (TrafficSpec, {}), (Control, {}), (Pose, {}), (GridSpec, {}),
    (EgoSpec, {"spawn": Spawn(), "speed_mps": 1.0, "target_speed_mps": 8.0}),
    (AgentSpec, {"name": "a", "cls": "car", "spawn": Spawn()}), (Trigger, {"kind": "time", "value": 1.0}),
    (Action, {"kind": "brake", "agent": "a"}), (Criterion, {"kind": "collision"}),
]  # fmt: skip


@pytest.mark.parametrize(("noun", "given"), NOUNS, ids=[noun.__name__ for noun, _ in NOUNS])
def test_every_number_of_a_noun_is_bounded(noun, given):
    """Python users pass by no reader. A field that is added has to be bounded as well."""
    made = noun(**given)
    for field in fields(noun):
        if field.type not in ("int", "float", "float | None"):
            continue
        for wrong in (nan, inf, -inf, 1e300, -1e300):
            with pytest.raises(InputError):
                noun(**(given | {field.name: wrong}))
        if noun is not Pose:
            for wrong in (True, "1", [1], 10**400, np.float64(nan)):
                with pytest.raises(InputError, match=field.name):
                    noun(**(given | {field.name: wrong}))
    assert made == noun(**given)


def test_rows_places_and_grids_are_bounded():
    for rows in ([[0, 0]], [[0, 0, 0]], "ab", [[0, 0, 0], [1, nan, 0]], [[0, 0, 0], [1, 10**400, 0]], [None, None]):
        with pytest.raises(InputError, match="trajectory"):
            Action("follow_trajectory", "a", trajectory=rows)
        with pytest.raises(InputError, match="trajectory"):
            Trajectory(rows)
    for goal in ((1.0,), (nan, 0.0), "ab", 5):
        with pytest.raises(InputError, match="goal"):
            AgentSpec("a", "car", Spawn(), goal=goal)
    for grid in ({"shape": (10, 10)}, {"shape": (0, 1, 1)}, {"shape": (10.5, 1, 1)}, {"origin": (nan, 0.0, 0.0)}):
        with pytest.raises(InputError, match="grid"):
            GridSpec(**grid)
    with pytest.raises(InputError, match=r"grid: needs 512.0 GiB \(4096 x 4096 x 4096 voxels\)"):
        GridSpec(shape=(4096, 4096, 4096))
    static_map = load_map(data_dir("scenarios") / "maps" / "urban_grid.npz")
    for shape, cell in (((10**5, 10), 0.4), ((0, 10), 0.4), ((10, 10), 1e-9), ((10, 10), nan)):
        with pytest.raises(InputError):
            rasterise(static_map, (0.0, 0.0, 0.0), shape, cell)
