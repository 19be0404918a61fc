"""Minari data sets of the built-in driver's drives."""

import gymnasium
import numpy as np
import pytest

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.cli.main import main
from uniscene_sim.env.demonstrations import write_demonstrations
from uniscene_sim.errors import InputError

minari = pytest.importorskip("minari")
NAME = "uniscene/mixed-v0"
COMMAND = ["demonstrations", "cut_in", "hard_brake", "--episodes", "3", "--seed", "7", "--out", NAME]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    return tmp_path / "sets"


def test_one_command_writes_a_set_that_minari_loads_and_that_drives_again(folder, capsys):
    assert main(COMMAND) == 0
    data = minari.load_dataset(NAME)
    assert f"{folder / NAME}: 3 episodes, {data.total_steps:,} steps, 3 successes" in capsys.readouterr().out
    assert (data.total_episodes, data.action_space.shape) == (3, (2,)) and NAME in minari.list_local_datasets()
    assert [m["seed"] for m in data.storage.get_episode_metadata(range(3))] == [7, 8, 9]
    env = data.recover_environment()
    assert env.unwrapped.scenarios == ("cut_in", "hard_brake") and env.observation_space == data.observation_space
    episode, actions = data[1], data[1].actions
    observation, info = env.reset(seed=8)
    said, seen, rewards = [info], [observation], []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        said, seen, rewards = [*said, info], [*seen, observation], [*rewards, reward]
    assert (terminated or truncated) and episode.infos["is_success"][-1]
    assert np.array_equal(episode.rewards, rewards)
    assert all(np.array_equal(episode.observations[k], [o[k] for o in seen]) for k in observation)
    assert all(np.array_equal(episode.infos[k], [i[k] for i in said if k in i]) for k in info)


def test_images_are_kept_exactly_and_discrete_actions_too():
    settings = {"scenario": "cut_in", "action": "discrete", "observations": ["front_rgb", "layout"]}
    written = write_demonstrations("images-v3", episodes=1, settings=settings)
    episode = minari.load_dataset("images-v3")[0]
    env = gymnasium.make("UniScene-v0", **settings)
    observation, _ = env.reset(seed=0)
    assert episode.actions.shape == (written.steps,) and episode.actions.dtype == np.int64
    for k, action in enumerate(episode.actions[:4]):
        assert all(np.array_equal(episode.observations[name][k], observation[name]) for name in observation)
        observation = env.step(action)[0]


def test_it_is_whole_or_not_there(folder, monkeypatch):
    with pytest.raises(InputError, match=r"^action: expected one of"):
        write_demonstrations(NAME, episodes=1, settings={"action": "nosuch"})
    from uniscene_sim.env.env import UniSceneEnv

    monkeypatch.setattr(UniSceneEnv, "expert_action", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_demonstrations(NAME, episodes=1, settings={"scenario": "cut_in"})
    assert not list(folder.rglob("*mixed*")) and not list(folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("name", "told"),
    [("mixed", "expected an id as uniscene/lane_following-v0, got 'mixed'"), ("a/../../b-v0", "expected an id"),
     (None, "expected an id as"), ("", "expected an id as")],
)  # fmt: skip
def test_what_is_no_id_is_refused(name, told):
    with pytest.raises(InputError, match=f"^name: {told}"):
        write_demonstrations(name, episodes=1)


def test_a_set_that_exists_is_refused_and_stays(folder, capsys):
    (folder / NAME).mkdir(parents=True)
    assert main(COMMAND) == 2
    assert "exists already, expected another name or version" in capsys.readouterr().err
    assert list((folder / NAME).iterdir()) == []


def test_arguments_are_refused_by_name():
    for field, given in (("episodes", 0), ("seed", -1), ("env_id", "CartPole-v1")):
        with pytest.raises(InputError, match=f"^{field}: "):
            write_demonstrations("a-v0", **{"episodes": 1, field: given})
