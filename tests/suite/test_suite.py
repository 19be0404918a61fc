"""The benchmark suite: its tasks and splits, its drivers, and a reward that ranks them as an instructor would."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from uniscene_sim.env.endings import EndReason  # noqa: E402
from uniscene_sim.env.settings import SPLITS  # noqa: E402
from uniscene_sim.errors import InputError  # noqa: E402
from uniscene_sim.storage.data_folders import scenario_names  # noqa: E402
from uniscene_sim.suite.drivers import RULES, TRAINED, PolicyDriver, driver_named  # noqa: E402
from uniscene_sim.suite.judge import DISCOUNTS, JudgedDrive, judge_drives  # noqa: E402
from uniscene_sim.suite.policy import Policy  # noqa: E402
from uniscene_sim.suite.tables import outranked, ranking_table, task_table  # noqa: E402
from uniscene_sim.suite.tasks import TASKS, make_task  # noqa: E402

SCENARIO_TASKS = [name for name, task in TASKS.items() if task.scenarios]


def env_of(task, action):
    return make_task(task, "test", action=action)


def test_the_tasks_are_of_the_library():
    assert len(TASKS) == 8
    of = [name for task in TASKS.values() for name in task.scenarios]
    assert len(of) == len(set(of)) and set(of) <= set(scenario_names())


@pytest.mark.parametrize("task", TASKS)
def test_each_task_is_made_and_its_splits_share_no_seed(task):
    for split, first in SPLITS.items():
        env = gymnasium.make("UniScene-Bench-v0", task=task, split=split)
        seeds = [env.reset(seed=seed)[1]["scenario_seed"] for seed in range(3)]
        assert all(first <= seed < first + 2**31 for seed in seeds) and len(set(seeds)) == 3
        assert env.observation_space.contains(env.step(env.action_space.sample())[0])
    worlds = gymnasium.make_vec("UniScene-Bench-v0", 2, task=task, split="test", max_episode_steps=3)
    infos = worlds.reset(seed=0)[1]
    assert (infos["scenario_seed"] >= SPLITS["test"]).all()


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"task": "parking lot"}, "task: expected one of lane"), ({"task": 3}, "task: expected one of lane"),
     ({"split": "valid"}, "split: expected one of train, test"), ({"scenario": "cut_in"}, "scenario: is what the task"),
     ({"map": "town"}, "map: is what the task")],
)  # fmt: skip
def test_a_task_is_refused_by_name(settings, match):
    with pytest.raises(InputError, match=match):
        gymnasium.make("UniScene-Bench-v0", **settings)
    with pytest.raises(InputError, match=match):
        gymnasium.make_vec("UniScene-Bench-v0", 2, **settings)


def test_unknown_drivers_are_refused():
    for name in ("nobody", "nothing/there", "driving/nowhere_100k"):
        with pytest.raises(InputError):
            driver_named(name)


@pytest.mark.parametrize("action", ["continuous", "meta"])
def test_a_policy_drives_as_it_was_trained(action, tmp_path):
    """The arrays of a policy give what Stable-Baselines3 predicts, to what half precision costs."""
    sb3 = pytest.importorskip("stable_baselines3")
    from uniscene_sim.suite.train_ppo import PpoRecipe, train_policies

    recipe = PpoRecipe(steps=(64,), action=action, worlds=2, rollout=32, batch=32, epochs=1, width=16)
    kept = []
    learn = sb3.PPO.learn

    def keep(self, *args, **kwargs):
        kept.append(self)
        return learn(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sb3.PPO, "learn", keep)
        train_policies({"one": {"scenario": "cut_in"}}, recipe, tmp_path / "model")
    policy = Policy.load(tmp_path / "model", "one_64")
    env = make_task("distance")
    observation, _ = env.reset(seed=5)
    normalised = kept[0].get_env().normalize_obs({key: value[None] for key, value in observation.items()})
    wanted = kept[0].predict(normalised, deterministic=True)[0][0]
    draws = np.random.default_rng(0)
    acts = [policy.action(observation, draws) for _ in range(200)]
    assert policy.action_type == action
    if action == "continuous":
        assert acts[0] == pytest.approx(wanted, abs=0.02) and np.array_equal(acts[0], acts[1])
    else:
        given = kept[0].policy.obs_to_tensor(normalised)[0]
        odds = kept[0].policy.get_distribution(given).distribution.probs[0].detach().numpy()
        assert np.bincount(acts, minlength=5) / 200 == pytest.approx(odds, abs=0.12)
    train_policies({"one": {"scenario": "no such"}, "two": {"scenario": "hard_brake"}}, recipe, tmp_path / "model")
    assert Policy.load(tmp_path / "model", "two_64"), "and the one that is there is kept, not trained"
    with pytest.raises(InputError, match="holds policies of another recipe"):
        train_policies({"three": {}}, replace(recipe, seed=1), tmp_path / "model")


def test_drives_repeat_and_are_judged_by_what_happened():
    drivers = [(name, driver_named(name)) for name in ("expert", "blind", "random")]
    first, again = (list(judge_drives(partial(env_of, "distance"), drivers, 1)) for _ in range(2))
    assert first == again and len(first) == 6
    for drive in first:
        assert drive.clean == (drive.end in (EndReason.ROUTE_END, EndReason.TIME_LIMIT))
        assert drive.returns[0] != drive.returns[1]


def test_the_reward_ranks_drivers_as_an_instructor_would():
    """In the mean over all scenarios: the built-in driver, a careful one, a trained one, a blind one, and those that
    know nothing; by return and discounted. No drive with a violation earns as much as a clean one."""
    drives = []
    for task in SCENARIO_TASKS:
        named = [*RULES, "ppo_100k"]
        drives += judge_drives(partial(env_of, task), [(name, driver_named(name)) for name in named], 2)
    for k in range(len(DISCOUNTS)):
        mean = {name: np.mean([d.returns[k] for d in drives if d.driver == name]) for name in named}
        order = ["expert", "careful", "ppo_100k", "blind"]
        assert sorted(order, key=lambda name: -mean[name]) == order, mean
        assert mean["blind"] > max(mean[name] for name in ("constant", "standing", "random")), mean
    assert all(d.success and d.clean for d in drives if d.driver == "expert")
    assert not outranked(drives)


def test_tables():
    one = JudgedDrive("a", "s", 1, (3.0, 2.0, 1.0), True, EndReason.ROUTE_END, 0, 0.0, 0, 0, 1.0, 10)
    bad = replace(one, driver="b", returns=(-20.0, -10.0, -5.0), success=False, end=EndReason.COLLISION, collisions=1)
    other = replace(bad, scenario="t", returns=(4.0, 4.0, 4.0))
    assert ranking_table([bad, one, other]).splitlines()[2:] == [
        "| a | 3.0 | 2.0 | 1.0 | 100 % | 100 % | 100 % |",
        "| b | -8.0 | -3.0 | -0.5 | 0 % | 0 % | 100 % |",
    ]
    assert task_table({"x": [one, bad], "y": [one]}).splitlines()[2:] == ["| `x` | 100 % | 0 % |", "| `y` | 100 % |  |"]
    assert outranked([one, bad, other]) == []
    assert outranked([one, replace(bad, driver="a", returns=(3.0, 0.0, 0.0))]) != []


def test_a_trained_policy_is_a_driver():
    for name in TRAINED:
        for task in TASKS:
            assert isinstance(driver_named(name, task), PolicyDriver)
