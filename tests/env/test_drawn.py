"""What seeds draw of scenarios: told in `info` and by the environment, set or narrowed by `make` and `reset`."""

import pytest

gymnasium = pytest.importorskip("gymnasium")

import uniscene_sim  # noqa: E402, F401 - registers the environments
from uniscene_sim.errors import InputError  # noqa: E402

BOTH = {"scenario": ["cut_in", "lane_following"]}


def test_what_a_seed_draws_is_told_under_keys_that_stay():
    env = gymnasium.make("UniScene-v0", **BOTH).unwrapped
    _, cut_in = env.reset(options={"scenario": "cut_in", "scenario_seed": 5})
    drawn = env.drawn
    assert 8.0 <= drawn["gap_m"] <= 11.0 and cut_in["drawn_gap_m"] == drawn["gap_m"]
    choices = env.worlds.drives[0].parameters["weather"].choice
    assert choices[int(cut_in["drawn_weather"])] == drawn["weather"]
    _, other = env.reset(options={"scenario": "cut_in", "scenario_seed": 6})
    assert other["drawn_gap_m"] != cut_in["drawn_gap_m"]
    _, lane = env.reset(options={"scenario": "lane_following", "scenario_seed": 5})
    assert set(lane) == set(cut_in) and lane["drawn_gap_m"] == 0.0 and "gap_m" not in env.drawn
    assert set(env.step(env.action_space.sample())[4]) == set(cut_in)


def test_one_can_set_or_narrow_what_is_drawn():
    env = gymnasium.make("UniScene-v0", **BOTH, parameters={"gap_m": 9.5, "trigger_s": [1.1, 1.2]}).unwrapped
    for seed in range(3):
        _, info = env.reset(options={"scenario": "cut_in", "scenario_seed": seed})
        assert info["drawn_gap_m"] == 9.5 and 1.1 <= info["drawn_trigger_s"] <= 1.2
    _, info = env.reset(options={"scenario": "cut_in", "scenario_seed": 1, "parameters": {"weather": "fog"}})
    assert env.drawn["weather"] == "fog" and env.worlds.world(0).recent_layouts[-1].style.weather == "fog"
    assert env.reset(options={"scenario": "cut_in", "scenario_seed": 1})[1]["drawn_gap_m"] == 9.5


def test_a_reset_can_widen_what_make_has_narrowed():
    env = gymnasium.make("UniScene-v0", **BOTH, parameters={"weather": "clear", "gap_m": 9.5}).unwrapped
    env.reset(options={"scenario": "cut_in", "parameters": {"weather": "fog", "gap_m": [10, 11]}})
    assert env.drawn["weather"] == "fog" and 10 <= env.drawn["gap_m"] <= 11
    env.reset(options={"scenario": "cut_in"})
    assert env.drawn["weather"] == "clear" and env.drawn["gap_m"] == 9.5


@pytest.mark.parametrize(
    ("given", "match"),
    [({"gap": 9}, "gap"), ({"gap_m": "wide"}, "gap_m"), ({"weather": "hail"}, "weather"), ([9], "parameters"),
     ({"gap_m": [9, 8]}, "gap_m")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_by_name(given, match):
    with pytest.raises(InputError, match=match):
        gymnasium.make("UniScene-v0", **BOTH, parameters=given, disable_env_checker=True)
    env = gymnasium.make("UniScene-v0", **BOTH).unwrapped
    with pytest.raises(InputError, match=match):
        env.reset(options={"scenario": "cut_in", "parameters": given})
