"""PPO learns to keep its lane among other traffic: writes the learning curve that the README shows.

    python docs/train_lane_following.py [--minutes 9] [--seed 0] [--out docs/lane_following]

Trains with Stable-Baselines3 on seeds below 2**31 and tests on seeds from there on, which no training episode draws.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import gymnasium
import matplotlib
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from tqdm import tqdm

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.storage.output_file import output_file, write_file

matplotlib.use("Agg")
from matplotlib import pyplot as plt

ENV = "UniScene-v0"
HELD_OUT = 2**31


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="training time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=100, help="held-out episodes of each test")
    parser.add_argument("--out", type=Path, default=Path("docs/lane_following"), help="figure and numbers: .png, .json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    env = make_vec_env(ENV, n_envs=8, seed=arguments.seed)
    model = PPO(
        "MultiInputPolicy",
        env,
        n_steps=256,
        batch_size=512,
        n_epochs=6,
        learning_rate=5e-4,
        gamma=0.98,
        policy_kwargs={"net_arch": [128, 128], "log_std_init": -1.0},
        seed=arguments.seed,
    )
    rule = _Progress(60.0 * arguments.minutes)
    start = time.perf_counter()
    model.learn(10**9, callback=rule)
    minutes = (time.perf_counter() - start) / 60.0
    result = {
        "steps": model.num_timesteps,
        "minutes": round(minutes, 2),
        "held_out": completion(lambda obs: model.predict(obs, deterministic=True)[0], arguments.episodes),
        "random": completion(None, arguments.episodes),
    }
    print(json.dumps(result, indent=2))
    write_file(arguments.out.with_suffix(".json"), json.dumps(result | {"curve": rule.curve}).encode() + b"\n")
    draw(rule.curve, result, arguments.out.with_suffix(".png"))


class _Progress(BaseCallback):
    """Stops after a time and records: steps, minutes, mean route completion of the last 100 training episodes."""

    def __init__(self, seconds: float):
        super().__init__()
        self.curve: list[tuple[int, float, float]] = []
        self._seconds, self._recent = seconds, []

    def _on_training_start(self) -> None:
        self._start = time.perf_counter()
        self._bar = tqdm(total=round(self._seconds), unit="s", desc="training")

    def _on_step(self) -> bool:
        for info, done in zip(self.locals["infos"], self.locals["dones"], strict=True):
            if done:
                self._recent = [*self._recent[-99:], info["route_completion"]]
        passed = time.perf_counter() - self._start
        self._bar.update(min(int(passed), round(self._seconds)) - self._bar.n)
        return passed < self._seconds

    def _on_rollout_end(self) -> None:
        if self._recent:
            minutes = (time.perf_counter() - self._start) / 60.0
            self.curve.append((self.num_timesteps, round(minutes, 3), round(float(np.mean(self._recent)), 4)))
            self._bar.set_postfix(steps=self.num_timesteps, completion=f"{self.curve[-1][2]:.2f}")

    def _on_training_end(self) -> None:
        self._bar.close()


def completion(policy, episodes: int) -> dict[str, float]:
    """Mean route completion and success on held-out seeds; a policy of None acts at random."""
    env = gymnasium.make(ENV)
    env.action_space.seed(0)
    driven, success = [], []
    for k in tqdm(range(episodes), unit="episode", desc="test"):
        observation, info = env.reset(options={"scenario_seed": HELD_OUT + k})
        over = False
        while not over:
            action = env.action_space.sample() if policy is None else policy(observation)
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        driven.append(info["route_completion"])
        success.append(info["is_success"])
    return {"route_completion": round(float(np.mean(driven)), 4), "success": round(float(np.mean(success)), 4)}


def draw(curve: list[tuple[int, float, float]], result: dict, file: Path) -> None:
    steps, minutes, share = np.array(curve).T
    figure, axes = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    axes.plot(minutes, 100 * share, color="#2a6fb0", label="training, mean of the last 100 episodes")
    for key, name, colour in (("held_out", "held-out seeds", "#2e9e5b"), ("random", "random actions", "#b04a2a")):
        level = 100 * result[key]["route_completion"]
        axes.axhline(level, color=colour, ls="--", lw=1.2, label=f"{name}: {level:.1f} %")
    axes.set(xlabel=f"minutes on two cores ({int(steps[-1]):,} steps)", ylabel="route completion, %", ylim=(0, 103))
    axes.legend(frameon=False, loc="center right")
    axes.spines[["top", "right"]].set_visible(False)
    with output_file(file) as part:
        figure.savefig(part, dpi=110)


if __name__ == "__main__":
    main()
