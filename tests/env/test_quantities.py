"""The reference of the environments: as the code makes it, and true of what is driven."""

import runpy
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.env.observations import AGENTS, EGO, ROUTE, make_observations
from uniscene_sim.env.quantities import INFO, OBSERVATIONS, STATES, info_quantity
from uniscene_sim.env.reward import WEIGHTS
from uniscene_sim.errors import InputError
from uniscene_sim.rigs.rig_file import load_rig

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_code_makes():
    """After a change: python docs/make_env_reference.py."""
    assert (DOCS / "env-reference.md").read_text() == runpy.run_path(str(DOCS / "make_env_reference.py"))["page"]()


def test_every_column_and_name_is_told():
    assert {name: list(columns) for name, columns in STATES.items()} == {
        "ego": list(EGO), "route": list(ROUTE), "agents": list(AGENTS),
    }  # fmt: skip
    with pytest.raises(InputError, match=f"expected some of {', '.join(OBSERVATIONS)}, "):
        make_observations(["nosuch"], load_rig("rl"))


def test_what_is_driven_lies_in_the_ranges():
    """By actions at random, which run into things, and by the built-in driver."""
    env = gymnasium.make("UniScene-v0", scenario=["cut_in", "red_light", "lane_following"], terminate_on=()).unwrapped
    rng, seen = np.random.default_rng(0), {}
    for seed in range(8):
        observation, info = env.reset(seed=seed)
        for _ in range(60):
            for key, value in info.items():
                told = info_quantity(key, WEIGHTS)
                assert told is not None, f"{key} is in info and not told of"
                assert told.low <= value <= told.high, (key, value, told)
                seen[key] = seen.get(key, set()) | {float(value)}
            assert env.observation_space.contains(observation)
            wild = np.array([rng.normal(0.0, 0.4), rng.uniform(-0.2, 1.0)], np.float32).clip(-1.0, 1.0)
            observation, _, terminated, truncated, info = env.step(wild if seed % 2 else env.expert_action())
            if terminated or truncated:
                break
    assert set(INFO) <= set(seen)
    change = {key for key, values in seen.items() if len(values) > 1}
    assert {"collisions", "off_road_s", "reward_off_road", "cost", "speed_mps", "comfort"} <= change


def test_columns_are_values_by_their_scales():
    env = gymnasium.make("UniScene-v0", scenario="cut_in").unwrapped
    env.reset(seed=0)
    for _ in range(20):
        observation, _, _, _, info = env.step(env.expert_action())
    columns = STATES["ego"]
    ego = dict(zip(columns, observation["ego"], strict=True))
    assert ego["speed"] * columns["speed"].high == pytest.approx(info["speed_mps"], rel=1e-5)
    frame = env.worlds.world(0).recent_layouts[-1]
    assert ego["steering"] * columns["steering"].high == pytest.approx(frame.ego_steer, rel=1e-5)
