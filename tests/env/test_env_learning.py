"""Other people's libraries take the env as it is."""

import gymnasium
import numpy as np
import pytest

import uniscene_sim  # noqa: F401 - registers the environments

pytest.importorskip("torch", reason="learning needs torch")
CAMERA = {"scenario": "cut_in", "observations": ("rgb", "layout", "range", "ego")}


@pytest.mark.parametrize("settings", [{}, CAMERA, {"action": "discrete"}])
def test_stable_baselines3_learns_on_it(settings, recwarn):
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_checker import check_env

    env = gymnasium.make("UniScene-v0", **settings)
    if settings is not CAMERA:  # its checker wants images of one channel or three
        check_env(env, warn=True)
        said = [str(w.message) for w in recwarn if "stable_baselines3" in w.filename]
        assert all("unconventional shape" in text for text in said)  # route and agents are tables
    model = sb3.PPO("MultiInputPolicy", env, n_steps=16, batch_size=16, n_epochs=1, seed=0)
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(32)
    assert any(not np.array_equal(a, b.detach()) for a, b in zip(before, model.policy.parameters(), strict=True))
    action, _ = model.predict(env.reset(seed=0)[0], deterministic=True)
    assert env.action_space.contains(action) or env.action_space.contains(int(action))


def test_skrl_learns_on_many_worlds():
    pytest.importorskip("skrl")
    import torch
    from gymnasium.spaces.utils import flatdim
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(gymnasium.make_vec("UniScene-v0", 3), verbose=False)
    observation, _ = env.reset()
    assert observation.shape == (3, flatdim(env.observation_space))
    policy = torch.nn.Linear(observation.shape[1], 2)
    for _ in range(4):
        observation, reward, terminated, truncated, _ = env.step(torch.tanh(policy(observation)).detach())
    assert torch.isfinite(reward).all() and reward.shape == terminated.shape == truncated.shape == (3, 1)
    env.close()


def test_gymnasiums_wrappers_stack_and_resize():
    env = gymnasium.make("UniScene-v0", scenario="cut_in", observations=("rgb", "ego"))
    env = gymnasium.wrappers.FilterObservation(env, ["front_rgb"])
    env = gymnasium.wrappers.FlattenObservation(env)
    env = gymnasium.wrappers.FrameStackObservation(env, 3)
    observation, _ = env.reset(seed=0)
    assert observation.shape == (3, 84 * 84 * 3) and env.observation_space.contains(observation)
