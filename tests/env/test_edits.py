"""Edits through the environments: the same as anywhere, saved and restored with the world."""

import gymnasium
import numpy as np
import pytest

from uniscene_sim.edit import AddAgent, ChangeStyle, MoveCrossing, Undo
from uniscene_sim.errors import InputError
from uniscene_sim.scenario import AgentSpec, Spawn

CAR = AddAgent(AgentSpec("car", "car", Spawn(relative_to="ego", ahead_m=25), behaviour="parked"))


def test_an_environment_is_edited_and_saved_with_its_edits():
    env = gymnasium.make("UniScene-v0", scenario="crossing_pedestrian", observations=["ego", "layout"]).unwrapped
    first, _ = env.reset(seed=1)
    action = np.zeros(env.action_space.shape, env.action_space.dtype)
    env.edit(MoveCrossing(90.0, 72.2, (0.0, -30.0)))
    env.edit(CAR)
    edited, *_ = env.step(action)
    crossing, car = 1, 8
    assert edited["layout"][:, :, crossing].sum() > first["layout"][:, :, crossing].sum()
    assert edited["layout"][:, :, car].sum() > first["layout"][:, :, car].sum()
    state = env.get_state()
    after, *_ = env.step(action)
    env.edit(Undo())
    env.edit(Undo())
    without, *_ = env.step(action)
    assert not np.array_equal(without["layout"][:, :, crossing], after["layout"][:, :, crossing])
    env.set_state(state)
    again, *_ = env.step(action)
    assert all(np.array_equal(again[key], after[key]) for key in after)
    with pytest.raises(InputError, match="is taken"):
        env.edit(CAR)
    env.reset(seed=1)
    assert env.worlds.world(0).recent_layouts[-1].edits == ()
    env.close()


def test_one_world_of_many_is_edited():
    env = gymnasium.make_vec("UniScene-v0", num_envs=2, vectorization_mode="vector_entry_point",
                             scenario="crossing_pedestrian", observations=["ego"])  # fmt: skip
    env.reset(seed=[3, 3])
    for none in ([0, 2], [1, "0"], 1):
        with pytest.raises(InputError, match="expected indices of 2 worlds"):
            env.unwrapped.edit(ChangeStyle("snow"), worlds=none)
    env.unwrapped.edit(ChangeStyle("snow"), worlds=[1])
    env.step(np.zeros(env.action_space.shape, env.action_space.dtype))
    worlds = env.unwrapped.worlds
    assert [worlds.world(i).recent_layouts[-1].style.weather for i in (0, 1)] != ["snow", "snow"]
    assert worlds.world(1).recent_layouts[-1].style.weather == "snow"
    env.close()
