"""PPO of Stable-Baselines3 on `UniScene-v0`, whose observations are state vectors.

python examples/train_rl.py [--steps 20000] [--worlds 4] [--out out/ppo.zip]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import uniscene_sim  # noqa: F401 - registers the environments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps (default: 20000)")
    parser.add_argument("--worlds", type=int, default=4, help="number of environments (default: 4)")
    parser.add_argument("--episodes", type=int, default=5, help="episodes of the test (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("out/ppo.zip"), help="trained agent (default: out/ppo.zip)")
    arguments = parser.parse_args()
    worlds = make_vec_env("UniScene-v0", n_envs=arguments.worlds, seed=0)
    rollout = max(2, min(256, arguments.steps // arguments.worlds))
    agent = PPO("MultiInputPolicy", worlds, n_steps=rollout, batch_size=arguments.worlds * rollout // 2, seed=0)
    agent.learn(arguments.steps)
    agent.save(arguments.out)
    print(f"trained for {agent.num_timesteps} steps: {arguments.out}")

    env = gymnasium.make("UniScene-v0")
    driven = []
    for episode in range(arguments.episodes):
        observation, info = env.reset(seed=10_000 + episode)
        over = False
        while not over:
            action, _ = agent.predict(observation, deterministic=True)
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        driven.append(info["route_completion"])
    print(f"mean route completion: {np.mean(driven):.2f}")


if __name__ == "__main__":
    main()
