"""How well PPO drives in towns that it never saw, over the number of towns that it learned in.

    python docs/train_generalisation.py [--towns 1 5 20 100] [--steps 120000] [--out docs/generalisation]

For each number of towns a policy learns in the first ones of the split of training and is tested in the split of tests,
a town for each episode, and in its own towns. Policies and numbers are kept in a folder as they are made, so that a run
which was stopped goes on where it was; the defaults take about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gymnasium
import matplotlib
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.env_util import make_vec_env
from tqdm import tqdm

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.env.settings import SPLITS
from uniscene_sim.storage.output_file import output_file, write_file

matplotlib.use("Agg")
from matplotlib import pyplot as plt

ENV = "UniScene-v0"
SETTINGS = {"n_steps": 256, "batch_size": 512, "n_epochs": 6, "learning_rate": 5e-4, "gamma": 0.98}
NETWORK = {"net_arch": [128, 128], "log_std_init": -1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--towns", type=int, nargs="+", default=[1, 5, 20, 100], help="numbers of training towns")
    parser.add_argument("--steps", type=int, default=120_000, help="of training, for each number")
    parser.add_argument("--episodes", type=int, default=40, help="of each test")
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--map", default="town", help='"town", or blocks as "blocks:7"')
    parser.add_argument("--out", type=Path, default=Path("docs/generalisation"), help="figure and numbers: .png, .json")
    parser.add_argument("--work", type=Path, default=Path("generalisation"), help="folder of policies and numbers")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for towns in arguments.towns:
        kept = arguments.work / f"{towns}_{arguments.steps}_{arguments.seed}.json"
        if not kept.exists():
            policy = trained(arguments, towns)
            row = {
                "towns": towns,
                "seen": tested(arguments, policy, "train", towns),
                "unseen": tested(arguments, policy, "test", None),
            }
            write_file(kept, json.dumps(row).encode() + b"\n")
        rows.append(json.loads(kept.read_text(encoding="utf-8")))
    result = {"steps": arguments.steps, "episodes": arguments.episodes, "rows": rows}
    print(json.dumps(result, indent=2))
    write_file(arguments.out.with_suffix(".json"), json.dumps(result, indent=2).encode() + b"\n")
    draw(rows, arguments.steps, arguments.out.with_suffix(".png"))


def trained(arguments: argparse.Namespace, towns: int) -> PPO:
    """A policy that has learned in a number of towns; from its latest checkpoint, if there is one."""
    kwargs = {"map": arguments.map, "towns": towns}
    env = make_vec_env(ENV, n_envs=arguments.envs, seed=arguments.seed, env_kwargs=kwargs)
    prefix = f"{towns}_{arguments.seed}"
    saved = sorted(arguments.work.glob(f"{prefix}_*_steps.zip"), key=lambda file: int(file.stem.split("_")[-2]))
    if saved:
        policy = PPO.load(saved[-1], env)
    else:
        policy = PPO("MultiInputPolicy", env, policy_kwargs=NETWORK, seed=arguments.seed, **SETTINGS)
    left = arguments.steps - policy.num_timesteps
    if left > 0:
        keep = CheckpointCallback(max(20_000 // arguments.envs, 1), str(arguments.work), prefix)
        bar = _Bar(arguments.steps, f"{towns} towns")
        policy.learn(left, callback=[keep, bar], reset_num_timesteps=not saved)
        policy.save(arguments.work / f"{prefix}_{policy.num_timesteps}_steps.zip")
    env.close()
    return policy


class _Bar(BaseCallback):
    """Shows how far training is."""

    def __init__(self, steps: int, title: str):
        super().__init__()
        self._bar = tqdm(total=steps, unit="step", desc=title, disable=None)

    def _on_step(self) -> bool:
        self._bar.update(self.num_timesteps - self._bar.n)
        return True

    def _on_training_end(self) -> None:
        self._bar.close()


def tested(arguments: argparse.Namespace, policy: PPO, split: str, towns: int | None) -> dict[str, float]:
    """Success and route completion in other traffic and on other routes than in training."""
    env = gymnasium.make(ENV, map=arguments.map, towns=towns, split=split)
    first = SPLITS[split] + (0 if split == "test" else 2**30)
    driven, success = [], []
    for k in tqdm(range(arguments.episodes), unit="episode", desc=f"test in {split}", disable=None):
        observation, info = env.reset(options={"scenario_seed": first + k})
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(policy.predict(observation, deterministic=True)[0])
            over = terminated or truncated
        driven.append(info["route_completion"])
        success.append(info["is_success"])
    env.close()
    return {"success": round(float(np.mean(success)), 4), "route_completion": round(float(np.mean(driven)), 4)}


def draw(rows: list[dict], steps: int, file: Path) -> None:
    figure, axes = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    towns = [row["towns"] for row in rows]
    for key, name, colour in (("seen", "towns of training", "#2a6fb0"), ("unseen", "new towns", "#2e9e5b")):
        for value, style in (("success", "-"), ("route_completion", "--")):
            label = f"{name}: {value.replace('_', ' ')}"
            shares = [100 * row[key][value] for row in rows]
            axes.plot(towns, shares, style, color=colour, marker="o", ms=4, label=label)
    axes.set(xscale="log", xlabel=f"towns of training ({steps:,} steps each)", ylabel="%", ylim=(0, 103))
    axes.set_xticks(towns, [str(n) for n in towns])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    with output_file(file) as part:
        figure.savefig(part, dpi=110)


if __name__ == "__main__":
    main()
