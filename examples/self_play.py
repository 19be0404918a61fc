"""Self-play: one PPO policy of Stable-Baselines3 drives several vehicles of the same world, which meet each other.

python examples/self_play.py [--steps 6000] [--agents 4] [--scenario cross_traffic] [--out out/self_play.zip]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from uniscene_sim.env.multi_agent import UniSceneParallelEnv


class SharedWorld(VecEnv):
    """The agents of a parallel environment as the environments of a `VecEnv`.

    An agent whose part is over sees zeros and gets no reward until all parts are over and the world begins anew.
    """

    def __init__(self, env: UniSceneParallelEnv, seed: int):
        self.env, self._names = env, env.possible_agents
        self._seed: int | None = seed
        one = self._names[0]
        self._spaces = env.observation_space(one).spaces
        super().__init__(len(self._names), env.observation_space(one), env.action_space(one))

    def reset(self) -> dict[str, np.ndarray]:
        observations, _ = self.env.reset(seed=self._seed)
        self._seed = None
        return self._stacked(observations)

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = dict(zip(self._names, actions, strict=True))

    def step_wait(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, list[dict[str, Any]]]:
        alive = self.env.agents
        observations, rewards, terminated, truncated, infos = self.env.step({n: self._actions[n] for n in alive})
        done = np.array([terminated.get(n, True) or truncated.get(n, True) for n in self._names])
        given = [infos.get(n, {}) | {"TimeLimit.truncated": truncated.get(n, False)} for n in self._names]
        for name, info, over in zip(self._names, given, done, strict=True):
            if over:
                info["terminal_observation"] = observations.get(name, self._nothing())
        if not self.env.agents:
            observations, _ = self.env.reset()
        else:
            observations = {name: observations[name] for name in self.env.agents}
        paid = np.array([rewards.get(name, 0.0) for name in self._names], np.float32)
        return self._stacked(observations), paid, done, given

    def _nothing(self) -> dict[str, np.ndarray]:
        return {key: np.zeros_like(space.sample()) for key, space in self._spaces.items()}

    def _stacked(self, observations: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        rows = [observations.get(name, self._nothing()) for name in self._names]
        return {key: np.stack([row[key] for row in rows]) for key in self._spaces}

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self.env, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        return [getattr(self.env, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def drive(env: UniSceneParallelEnv, agent: PPO, seeds: range) -> tuple[float, float]:
    """Metres that a vehicle drives on average, and the share of vehicles whose drive is clean."""
    driven, clean = [], []
    for seed in seeds:
        observations, _ = env.reset(seed=seed)
        while env.agents:
            actions = {name: agent.predict(observations[name], deterministic=True)[0] for name in env.agents}
            observations, _, terminated, truncated, infos = env.step(actions)
            over = [name for name in infos if terminated[name] or truncated[name]]
            driven += [infos[name]["driven_m"] for name in over]
            clean += [infos[name]["is_success"] for name in over]
    return float(np.mean(driven)), float(np.mean(clean))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000, help="steps of all agents together (default: 6000)")
    parser.add_argument("--agents", type=int, default=4, help="number of vehicles (default: 4)")
    parser.add_argument("--scenario", default="cross_traffic", help="(default: cross_traffic)")
    parser.add_argument("--out", type=Path, default=Path("out/self_play.zip"), help="(default: out/self_play.zip)")
    arguments = parser.parse_args()
    env = UniSceneParallelEnv(arguments.agents, arguments.scenario)
    worlds = VecMonitor(SharedWorld(env, seed=0))
    rollout = max(8, min(256, arguments.steps // arguments.agents))
    agent = PPO("MultiInputPolicy", worlds, n_steps=rollout, batch_size=rollout, learning_rate=1e-3, seed=0,
                policy_kwargs={"log_std_init": -1.0})  # fmt: skip
    before = drive(env, agent, range(10_000, 10_003))
    agent.learn(arguments.steps)
    agent.save(arguments.out)
    after = drive(env, agent, range(10_000, 10_003))
    print(f"trained for {agent.num_timesteps} steps: {arguments.out}")
    for when, (metres, clean) in (("before", before), ("after", after)):
        print(f"{when}: {metres:.1f} m a vehicle, {clean:.0%} of them clean")


if __name__ == "__main__":
    main()
