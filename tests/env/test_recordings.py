"""Recordings of environments: one file an episode, replayed with equal digests."""

import gymnasium
import numpy as np

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.cli.main import main
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.options import RecordOptions

BARE = RecordOptions("none", "none")
SETTINGS = {"observations": ("ego", "range"), "scenario": ("cut_in", "red_light"), "step_ms": 50}


def test_every_episode_of_an_env_is_replayed(tmp_path, capsys):
    env = gymnasium.make("UniScene-v0", record=tmp_path, **SETTINGS)
    for seed in (1, 2):
        env.reset(seed=seed)
        for _ in range(4):
            env.step(np.array([0.1, 0.5], np.float32))
    state = env.unwrapped.get_state()
    env.unwrapped.set_state(state)
    env.step(np.array([0.1, 0.5], np.float32))
    env.close()
    files = sorted(tmp_path.glob("*.mcap"))
    assert [file.name for file in files] == [f"world0_episode{k:03}.mcap" for k in range(3)]
    for file, ticks in zip(files, (5, 5, 2), strict=True):
        assert main(["replay", str(file)]) == 0
        assert f"{ticks} ticks" in capsys.readouterr().out
        assert Recording.open(file).outcome is not None


def test_worlds_of_a_vector_env_have_files_of_their_own(tmp_path):
    env = gymnasium.make_vec("UniScene-v0", num_envs=2, record=tmp_path, record_options=BARE, **SETTINGS)
    env.reset(seed=1)
    env.step(np.zeros((2, 2), np.float32))
    env.close()
    files = sorted(tmp_path.glob("*.mcap"))
    assert [file.name for file in files] == [f"world{k}_episode000.mcap" for k in range(2)]
    topics = [
        f"/{sensor.name}/{what}" for sensor in Recording.open(files[0]).rig.sensors for what in ("image", "points")
    ]
    assert not list(Recording.open(files[0]).messages(*topics))
