"""Another town each seed, `map="town"`, roads of blocks, `map="blocks:..."`, and any map file in their place."""

import pickle
import shutil
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.env.map_drives import map_drive, scenario_of
from uniscene_sim.env.settings import SPLITS
from uniscene_sim.errors import InputError
from uniscene_sim.maps.towns.blocks import make_blocks
from uniscene_sim.maps.towns.streets import DRIVABLE
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.storage.data_folders import data_dir


@pytest.fixture(scope="module")
def env():
    made = gymnasium.make("UniScene-v0", map="town").unwrapped
    yield made
    made.close()


def test_gymnasiums_checker_has_nothing_to_say(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)


def test_a_seed_has_its_own_town_route_traffic_and_weather(env):
    begun = []
    for seed in (5, 6, 5):
        env.reset(options={"scenario_seed": seed})
        layout = env.worlds.world(0).recent_layouts[-1]
        begun.append((env.worlds.world(0).source.map.ref, layout.ego_pose, layout.style, len(layout.agents)))
    assert begun[0] == begun[2]
    assert all(one != other for one, other in zip(*begun[:2], strict=True))


def test_towns_of_drives_are_made_as_they_are_planned():
    town = make_town(14, plan=DRIVABLE)
    driving = [lane for lane in town.lanes if lane.kind == "driving"]
    assert min(lane.width.min() for lane in driving) >= DRIVABLE.lane_m
    for lane in driving:  # no turn round at a dead end
        assert abs(np.unwrap(lane.heading)[-1] - lane.heading[0]) < 2.9
    assert town.ref != make_town(14).ref


def test_splits_and_numbers_of_towns_are_kept():
    drive = map_drive("town", 3, None)
    train, test = ({drive.map_of(first + k).name for k in range(7)} for first in SPLITS.values())
    assert train == {"town_0", "town_1", "town_2"}
    assert len(test) == 3 and not train & test
    env = gymnasium.make("UniScene-v0", map="town", split="test").unwrapped
    assert env.reset(seed=0)[1]["scenario_seed"] >= SPLITS["test"]


def test_a_saved_state_continues_in_its_town(env):
    env.reset(options={"scenario_seed": 11})
    state = pickle.loads(pickle.dumps(env.get_state()))
    first = [env.step([0.0, 0.5])[1] for _ in range(5)]
    env.reset(options={"scenario_seed": 12})
    env.set_state(state)
    assert [env.step([0.0, 0.5])[1] for _ in range(5)] == first


def test_the_built_in_driver_arrives(env):
    for seed in range(4):
        _, info = env.reset(options={"scenario_seed": seed})
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(env.expert_action())
            over = terminated or truncated
        assert info["is_success"], seed


def test_any_map_file_is_driven_from_random_places():
    path = data_dir("scenarios") / "maps" / "urban_grid.npz"
    env = gymnasium.make("UniScene-v0", map=path).unwrapped
    places = set()
    for seed in range(3):
        env.reset(options={"scenario_seed": seed})
        places.add(env.worlds.world(0).recent_layouts[-1].ego_pose)
    assert len(places) == 3
    assert env.scenarios == ("urban_grid.npz",)


def test_map_files_of_one_name_are_different_maps(tmp_path):
    refs = set()
    for name in ("urban_grid", "motorway"):
        path = tmp_path / name / "map.npz"
        path.parent.mkdir()
        shutil.copy(data_dir("scenarios") / "maps" / f"{name}.npz", path)
        env = gymnasium.make("UniScene-v0", map=path).unwrapped
        env.reset(seed=0)
        refs.add(env.worlds.world(0).source.map.ref)
    assert len(refs) == 2


def test_a_road_has_its_blocks_and_lanes_and_is_driven_to_its_end():
    env = gymnasium.make("UniScene-v0", map="blocks:SLT", lanes=2).unwrapped
    _, info = env.reset(options={"scenario_seed": 1})
    static_map = env.worlds.world(0).source.map
    assert static_map.name == "blocks_SLT_1"
    assert len(static_map.programs) == 1  # of the crossing with lights
    over = False
    while not over:
        _, _, terminated, truncated, info = env.step(env.expert_action())
        over = terminated or truncated
    assert info["is_success"]


def test_blocks_are_drawn_and_kept():
    roads = [make_blocks(seed, 6) for seed in (0, 1, 0)]
    assert roads[0].map.ref == roads[2].map.ref and roads[0].sequence == roads[2].sequence
    assert roads[0].sequence != roads[1].sequence and len(roads[1].sequence) == 6
    wide = make_blocks(0, "S", lanes=3).map
    assert sum(lane.kind == "driving" and not lane.junction for lane in wide.lanes) == 6 * 3  # three pieces of road


def test_gymnasiums_checker_has_nothing_to_say_of_blocks():
    env = gymnasium.make("UniScene-v0", map="blocks:4", towns=2).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)


def test_speeds_traffic_and_hours_differ():
    drawn = [scenario_of("town", seed) for seed in range(40)]
    density = [scenario.traffic.vehicles_per_km for scenario in drawn]
    assert all(scenario.drawn["vehicles_per_km"] == value for scenario, value in zip(drawn, density, strict=True))
    assert {scenario_of("town", seed, {"pedestrians": 3}).traffic.pedestrians for seed in range(5)} == {3}
    assert min(density) < 1.0 and max(density) > 7.0
    assert {scenario.style.weather for scenario in drawn} >= {"clear", "rain", "fog"}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"map": "no_such_town.xodr"}, "no_such_town"),
        ({"map": 5}, "map"),
        ({"map": "blocks:SQ"}, "map: no block Q"),
        ({"map": "town", "parameters": {"weather": "hail"}}, "weather"),
        ({"map": "town", "parameters": {"hour": [6, 40]}}, "parameters.hour: expected a number from 0 to 24"),
        ({"map": "town", "parameters": {"target_speed_mps": -5}}, "parameters.target_speed_mps"),
        ({"map": "town", "parameters": [5]}, "parameters: expected values by name"),
        ({"map": "blocks:2", "parameters": {"route_m": 300}}, "no parameter 'route_m'"),
        ({"map": "blocks:0"}, "map"),
        ({"map": "blocks:4", "lanes": 9}, "lanes"),
        ({"map": "town", "lanes": 2}, "lanes"),
        ({"towns": 5}, "towns"),
        ({"map": "town", "towns": 0}, "towns"),
        ({"map": "town", "towns": 2.5}, "towns"),
    ],
)
def test_what_will_not_do_is_named(settings, field):
    with pytest.raises(InputError, match=field):
        gymnasium.make("UniScene-v0", **settings)
