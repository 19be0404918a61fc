"""Behaviour cloning: a small network learns from drives of the built-in driver, and drives on seeds it has not seen.

python examples/behaviour_cloning.py [--data uniscene/lane_following-v0] [--episodes 40] [--epochs 20]

The drives are a Minari data set, which is made if it is missing; `uniscene-sim demonstrations` makes others.
"""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium
import minari
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from uniscene_sim.env.demonstrations import write_demonstrations

HELD_OUT = 1_000_000  # seeds of the test; those of the data set begin with 0


def features(observation: dict[str, np.ndarray]) -> np.ndarray:
    """Observations of N moments, arrays (N, ...), as rows (N, F)."""
    rows = [observation[name] for name in ("ego", "route", "agents")]
    return np.concatenate([row.reshape(len(row), -1) for row in rows], axis=1, dtype=np.float32)


class Clone(nn.Module):
    """An MLP from features to actions, each in units of its deviation in the data."""

    def __init__(self, rows: np.ndarray, actions: np.ndarray):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(rows.shape[1], 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, actions.shape[1])
        )
        for name, values in (("x", rows), ("y", actions)):
            self.register_buffer(f"{name}_mean", torch.from_numpy(values.mean(axis=0)))
            self.register_buffer(f"{name}_std", torch.from_numpy(values.std(axis=0) + 1e-3))

    def forward(self, rows: Any) -> Any:
        return self.net((rows - self.x_mean) / self.x_std) * self.y_std + self.y_mean


def train(data: minari.MinariDataset, epochs: int) -> Clone:
    """A clone of the driver of a data set."""
    episodes = list(data)
    rows = np.concatenate([features(e.observations)[: len(e.actions)] for e in episodes])
    actions = np.concatenate([e.actions for e in episodes])
    clone, x, y = Clone(rows, actions), torch.from_numpy(rows), torch.from_numpy(actions)
    optimiser = torch.optim.AdamW(clone.parameters(), 1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=epochs * -(-len(x) // 256))
    for _ in (bar := tqdm(range(epochs), desc="training", unit="epoch", disable=None)):
        losses = []
        for some in torch.randperm(len(x)).split(256):
            loss = ((clone(x[some]) - y[some]) / clone.y_std).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        bar.set_postfix(loss=f"{np.mean(losses):.4f}")
    return clone


def success(env: gymnasium.Env, policy: Any, episodes: int) -> float:
    """Share of episodes on held-out seeds that end as their scenario asks for."""
    won = []
    for k in tqdm(range(episodes), desc="test", unit="episode", disable=None):
        observation, info = env.reset(seed=HELD_OUT + k)
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(policy(observation))
            over = terminated or truncated
        won.append(info["is_success"])
    return float(np.mean(won))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="uniscene/lane_following-v0", help="Minari data set")
    parser.add_argument("--episodes", type=int, default=40, help="of the data set, if it is made (default: 40)")
    parser.add_argument("--epochs", type=int, default=20, help="of the training (default: 20)")
    parser.add_argument("--tests", type=int, default=20, help="held-out episodes (default: 20)")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    if arguments.data not in minari.list_local_datasets():
        write_demonstrations(arguments.data, episodes=arguments.episodes, progress=True)
    data = minari.load_dataset(arguments.data)
    print(f"{data.total_episodes} episodes, {data.total_steps:,} steps: {arguments.data}")
    clone = train(data, arguments.epochs).eval()
    env = data.recover_environment()

    @torch.no_grad()
    def drive(observation: dict[str, np.ndarray]) -> np.ndarray:
        rows = features({name: values[None] for name, values in observation.items()})
        action: np.ndarray = clone(torch.from_numpy(rows))[0].clamp(-1.0, 1.0).numpy()
        return action

    driver: Any = env.unwrapped
    expert = success(env, lambda _: driver.expert_action(), arguments.tests)
    print(f"success on {arguments.tests} held-out seeds: clone {success(env, drive, arguments.tests):.2f}, "
          f"driver {expert:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
