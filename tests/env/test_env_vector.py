"""Many worlds in one process: each is what the single env is."""

import pickle

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.errors import InputError

SENSORS = {"scenario": "cut_in", "observations": ("rgb", "range", "layout", "ego", "agents")}


def check_same(a, b, where=""):
    """Equal bit for bit, with the same keys and dtypes."""
    if isinstance(a, dict):
        assert set(a) == set(b), where
        for key in a:
            check_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, tuple) or (isinstance(a, np.ndarray) and a.dtype == object):
        for i, pair in enumerate(zip(a, b, strict=True)):
            check_same(*pair, f"{where}[{i}]")
    else:
        assert type(a) is type(b), where
        assert not isinstance(a, np.ndarray) or a.dtype == b.dtype, where
        assert np.array_equal(a, b), where


def actions_of(count, worlds):
    rng = np.random.default_rng(4)
    return np.stack([rng.uniform(-0.2, 0.2, (count, worlds)), rng.uniform(0, 1, (count, worlds))], -1).astype("f4")


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize(
    ("settings", "steps"),
    [({"scenario": "lane_following"}, 90), ({"max_episode_steps": 20}, 60), (SENSORS, 8)],
)
def test_each_world_is_what_gymnasium_makes_of_single_envs(mode, settings, steps):
    """Observations, rewards, ends and infos are those of Gymnasium's own vector env over single ones."""
    ours = gymnasium.make_vec("UniScene-v0", 3, autoreset_mode=mode, **settings)
    theirs = gymnasium.make_vec(
        "UniScene-v0", 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **settings
    )
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    check_same(ours.reset(seed=5), theirs.reset(seed=5))
    ends = 0
    for actions in actions_of(steps, 3):
        mine = ours.step(actions)
        check_same(mine, theirs.step(actions))
        ends += int((mine[2] | mine[3]).sum())
    assert ends > 2 or settings is SENSORS


def test_reset_by_hand_and_by_mask():
    env = gymnasium.make_vec("UniScene-v0", 3, autoreset_mode=AutoresetMode.DISABLED)
    first, _ = env.reset(seed=1)
    over = np.zeros(3, bool)
    for _ in range(100):
        obs, _, terminated, truncated, _ = env.step(np.tile(np.array([1.0, 0.5], np.float32), (3, 1)))
        over = terminated | truncated
        if over.any():
            break
    with pytest.raises(InputError, match="reset"):
        env.step(np.zeros((3, 2), np.float32))
    again, info = env.reset(seed=[1, 2, 3], options={"reset_mask": over})
    for i in range(3):
        expected = first if over[i] else obs
        assert np.array_equal(again["ego"][i], expected["ego"][i])
    assert np.array_equal(info["_scenario"], over)
    env.step(np.zeros((3, 2), np.float32))


def test_a_bad_action_in_one_world_moves_none():
    env = gymnasium.make_vec("UniScene-v0", 3, scenario="hard_brake")
    env.reset(seed=0)
    actions = np.zeros((3, 2), np.float32)
    actions[2, 0] = np.nan
    with pytest.raises(InputError, match="action"):
        env.step(actions)
    assert all(env.unwrapped.worlds.world(i).recent_layouts[-1].stamp_us == 0 for i in range(3))


def test_worlds_share_maps_and_tiles():
    env = gymnasium.make_vec("UniScene-v0", 4, observations=("front_depth",), scenario=["cut_in", "hard_brake"])
    env.reset(seed=0)
    for _ in range(2):
        env.reset()
    worlds = [env.unwrapped.worlds.world(i) for i in range(4)]
    maps = {w.source.map.ref: w.source.map for w in worlds}
    assert all(w.source.map is maps[w.source.map.ref] for w in worlds)
    drives = env.unwrapped.worlds.drives
    seeds = [drives[episode.scenario].seed for episode in env.unwrapped.worlds.episodes]
    places = {(w.source.map.ref, seed) for w, seed in zip(worlds, seeds, strict=True)}
    assert len({id(w.store) for w in worlds}) == len(places)


def test_episodes_can_be_limited():
    env = gymnasium.make_vec("UniScene-v0", 2, scenario="hard_brake", max_episode_steps=5)
    env.reset(seed=0)
    truncated = [env.step(np.zeros((2, 2), np.float32))[3] for _ in range(5)]
    assert not np.any(truncated[:4]) and np.all(truncated[4])


def test_saved_worlds_go_on_as_they_did():
    env = gymnasium.make_vec("UniScene-v0", 3, autoreset_mode="SameStep", max_episode_steps=25).unwrapped
    other = gymnasium.make_vec("UniScene-v0", 3, autoreset_mode="SameStep", max_episode_steps=25).unwrapped
    env.reset(seed=2)
    other.reset(seed=8)
    actions = actions_of(60, 3)
    for action in actions[:30]:
        seen = env.step(action)[0]
    state = pickle.loads(pickle.dumps(env.get_state()))
    future = [env.step(action) for action in actions[30:]]
    check_same(other.set_state(state), seen)
    check_same(tuple(future), tuple(other.step(action) for action in actions[30:]))
    with pytest.raises(InputError, match="state: expected 3 worlds"):
        other.set_state(state[:2])


def test_as_many_actions_as_worlds():
    env = gymnasium.make_vec("UniScene-v0", 2, scenario="hard_brake")
    env.reset(seed=0)
    for count in (1, 3):
        with pytest.raises(InputError, match="actions: expected 2"):
            env.step(np.zeros((count, 2), np.float32))


def test_pictures_of_all_worlds():
    env = gymnasium.make_vec("UniScene-v0", 2, scenario="cut_in", render_mode="rgb_array")
    env.reset(seed=0)
    pictures = env.render()
    assert len(pictures) == 2 and all(p.shape == (424, 400, 3) for p in pictures)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"num_envs": 2.5}, "num_envs: expected a whole number"),
        (
            {"num_envs": 60_000, "rig": "nuscenes", "observations": ("rgb",)},
            r"num_envs: needs [0-9,.]+ GiB \(60000 worlds\)",
        ),
        ({"num_envs": 1, "max_episode_steps": True}, "max_episode_steps: expected a whole number"),
        ({"autoreset_mode": "sometimes"}, "autoreset_mode: expected one of 'NextStep'"),
        ({"render_mode": "human"}, "render_mode"),
        ({"max_episode_steps": 0}, "max_episode_steps"),
    ],
)
def test_bad_settings_are_named(settings, match):
    from uniscene_sim.env.vector import UniSceneVectorEnv

    with pytest.raises(InputError, match=match):
        UniSceneVectorEnv(**settings)


def test_bad_seeds_and_masks_are_named():
    env = gymnasium.make_vec("UniScene-v0", 2, scenario="hard_brake")
    with pytest.raises(InputError, match="seed: expected 2"):
        env.reset(seed=[1, 2, 3])
    for mask in ([True, False], np.array([1, 0]), np.zeros(2, bool), np.ones(3, bool)):
        with pytest.raises(InputError, match="reset_mask"):
            env.reset(options={"reset_mask": mask})
