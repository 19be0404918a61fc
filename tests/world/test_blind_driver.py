"""The built-in driver succeeds in the library with what seeds draw; a driver who sees nothing fails there."""

import pytest

from uniscene_sim.control import NORMAL, Manners
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

NAMES = tuple(sorted(p.stem for p in data_dir("scenarios").glob("*.yaml")))
BLIND = Manners(sees_m=0.0, gives_way=False, obeys_lights=False)
#: Where nothing happens, and where a free lane to go round by is the usual case.
EASY = ("construction_zone", "lane_following")


def status(name: str, seed: int, manners: Manners) -> str:
    scenario = load_scenario(find_scenario(name), seed)
    source = ScenarioSource(scenario, load_map(scenario.map))
    while not source.done:
        source.step(source.driver_control(manners=manners), 100_000)
    return source.outcome.status


@pytest.mark.parametrize("name", NAMES)
def test_the_built_in_driver_succeeds_with_what_is_drawn(name):
    assert [status(name, seed, NORMAL) for seed in (3, 4)] == ["SUCCESS", "SUCCESS"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in EASY])
def test_a_blind_driver_fails_where_something_happens(name):
    assert "FAILURE" in [status(name, seed, BLIND) for seed in (1, 2)]


def test_a_blind_driver_follows_an_empty_lane():
    assert status("lane_following", 1, BLIND) == "SUCCESS"
