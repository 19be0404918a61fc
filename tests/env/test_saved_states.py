"""Saved states and copies: quick, exact, and with the time limit."""

import copy
import gc
import pickle
import weakref
from time import perf_counter

import gymnasium
import numpy as np
import pytest
import yaml

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.env import shared
from uniscene_sim.errors import InputError
from uniscene_sim.scenario_files.read import find_scenario

AHEAD = np.array([0.0, 0.5], np.float32)
SEEN = {"scenario": ["cut_in", "lane_following"], "observations": ("rgb", "ego", "agents")}


def future(env, steps, action=AHEAD):
    """What an env gives over some steps, as bytes."""
    return pickle.dumps([env.step(action) for _ in range(steps)])


def median_ms(work, repeats=15):
    took = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        took.append(1e3 * (perf_counter() - start))
    return float(np.median(took))


def test_going_back_costs_as_much_as_two_steps_at_most():
    env = gymnasium.make("UniScene-v0", scenario=["cut_in", "lane_following"]).unwrapped
    env.reset(seed=1, options={"scenario": "lane_following"})
    elsewhere = env.get_state()
    env.reset(seed=0, options={"scenario": "cut_in"})
    for _ in range(5):
        env.step(AHEAD)
    state = env.get_state()
    step = median_ms(lambda: env.step(AHEAD))
    assert median_ms(lambda: env.set_state(state)) < 2.0 * step

    def from_elsewhere():
        env.set_state(elsewhere)
        env.set_state(state)

    assert median_ms(from_elsewhere) < 4.0 * step


def test_before_the_first_reset_and_with_the_time_limit():
    env = gymnasium.make("UniScene-v0", scenario="cut_in", max_episode_steps=12)
    env.reset(seed=3)
    for _ in range(4):
        env.step(AHEAD)
    state = env.unwrapped.get_state()
    ends = [env.step(AHEAD)[3] for _ in range(8)]
    assert ends == [False] * 7 + [True]
    other = gymnasium.make("UniScene-v0", scenario="cut_in", max_episode_steps=12)
    for same in (env, other):
        same.unwrapped.set_state(state)
        assert [same.step(AHEAD)[3] for _ in range(8)] == ends


def test_a_state_of_other_parameters_is_refused():
    env, other = (
        gymnasium.make("UniScene-v0", scenario="hard_brake", parameters=given).unwrapped
        for given in ({"gap_m": 15}, None)
    )
    env.reset(seed=0)
    other.reset(seed=0)
    before = other.drawn
    with pytest.raises(InputError, match=r"was saved with parameters \{'gap_m': 15\}"):
        other.set_state(env.get_state())
    assert other.drawn == before


def test_a_state_goes_on_with_actions_of_another_type():
    direct = gymnasium.make("UniScene-v0", scenario="cut_in").unwrapped
    meta = gymnasium.make("UniScene-v0", scenario="cut_in", action="meta").unwrapped
    direct.reset(seed=0)
    _, info = meta.set_state(direct.get_state())
    assert info["action_mask"].shape == (5,)
    driven = meta.step(1)[-1]["driven_m"]
    direct.set_state(meta.get_state())
    assert direct.step(AHEAD)[-1]["driven_m"] > driven


@pytest.mark.parametrize("given", [None, 3, "ab", [1, 2]])
def test_what_is_no_state_of_many_worlds_is_refused(given):
    env = gymnasium.make_vec("UniScene-v0", 2, scenario="cut_in").unwrapped
    with pytest.raises(InputError, match="state: expected"):
        env.set_state(given)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_copy_goes_on_bit_for_bit_with_the_same_map_and_tiles(again, wrapped):
    env = gymnasium.make("UniScene-v0", max_episode_steps=9, **SEEN)
    env = env if wrapped else env.unwrapped
    env.reset(seed=5, options={"scenario": "cut_in"})
    env.step(AHEAD)
    other = again(env)
    mine, its = (e.unwrapped.worlds.world(0) for e in (env, other))
    assert mine.source.map is its.source.map and mine.store is its.store and mine is not its
    expected = future(env, 8)
    assert future(other, 8) == expected
    assert pickle.dumps(other.reset()) == pickle.dumps(env.reset())  # the generator of resets too
    assert future(other, 3) == future(env, 3)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_of_many_worlds_goes_on_bit_for_bit(again):
    env = gymnasium.make_vec(
        "UniScene-v0", 3, autoreset_mode="SameStep", max_episode_steps=4, scenario=["cut_in", "hard_brake"]
    )
    env.reset(seed=5)
    actions = np.tile(AHEAD, (3, 1))
    env.step(actions)
    other = again(env)
    assert future(other, 9, actions) == future(env, 9, actions)


def test_a_copy_before_the_first_reset_is_as_new():
    env = gymnasium.make("UniScene-v0", scenario="cut_in").unwrapped
    other = copy.deepcopy(env)
    assert pickle.dumps(other.reset(seed=2)) == pickle.dumps(env.reset(seed=2))


def test_what_there_is_only_one_of_is_not_copied(tmp_path):
    env = gymnasium.make("UniScene-v0", scenario="cut_in", record=tmp_path).unwrapped
    with pytest.raises(InputError, match="record: a copy would write the same recordings"):
        copy.deepcopy(env)


def test_memory_holds_the_last_places_alone(tmp_path, monkeypatch):
    """However many scenarios an env goes through, what is alive of maps, tiles and simulators stays bounded."""
    monkeypatch.setattr(shared._places, "_most", 8)
    files = []
    for k in range(14):
        fields = yaml.safe_load(find_scenario("hard_brake").read_text())
        fields["seed"], fields["map"] = (
            100 + k,
            str(find_scenario("hard_brake").parent / "maps" / f"{fields['map']}.xodr"),
        )
        files.append(tmp_path / f"brake{k}.yaml")
        files[-1].write_text(yaml.safe_dump(fields))
    env = gymnasium.make("UniScene-v0", scenario=files).unwrapped
    seen = weakref.WeakSet()
    for file in files:
        env.reset(seed=0, options={"scenario": file.stem})
        world = env.worlds.world(0)
        seen.update((world, world.atlas, world.store))
    del world
    gc.collect()
    kinds = [type(one).__name__ for one in seen]
    assert kinds.count("Simulator") == kinds.count("TileAtlas") == 1
    assert kinds.count("TileStore") == 8 < len(files)
    env.close()
    del env
    shared.forget()
    gc.collect()
    assert not len(seen)
