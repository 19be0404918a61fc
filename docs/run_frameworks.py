"""Runs the environment in TorchRL and Tianshou for some steps, and says what came out; needs both.

python docs/run_frameworks.py
"""

from __future__ import annotations

import gymnasium
import torch

import uniscene_sim  # noqa: F401 - registers the environments

SETTINGS = {"scenario": ["cut_in", "hard_brake"]}


def torchrl() -> str:
    """A rollout of one environment with all of `info`, and one of two at once."""
    from torchrl.envs import GymEnv
    from torchrl.envs.utils import check_env_specs

    one = GymEnv("UniScene-v0", **SETTINGS)
    one.auto_register_info_dict()
    check_env_specs(one)
    torch.manual_seed(0)
    rollout = one.rollout(20)
    two = GymEnv("UniScene-v0", num_envs=2, **SETTINGS)
    both = two.rollout(20, break_when_any_done=False)
    two.close()
    infos = len([key for key in rollout["next"].keys() if key.startswith(("reward_", "cost", "criterion_"))])
    return f"specs hold; {len(rollout)} steps with {infos} entries of info; two at once: {tuple(both.shape)}"


def tianshou() -> str:
    """A collector of an untrained policy over three environments."""
    from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import ContinuousActorProbabilistic
    from torch.distributions import Independent, Normal

    def make() -> gymnasium.Env:
        return gymnasium.wrappers.FlattenObservation(gymnasium.make("UniScene-v0", **SETTINGS))

    worlds = DummyVectorEnv([make for _ in range(3)])
    observed, acts = make().observation_space, make().action_space
    net = Net(state_shape=observed.shape, hidden_sizes=[64])
    actor = ContinuousActorProbabilistic(preprocess_net=net, action_shape=acts.shape, unbounded=True)
    policy = ProbabilisticActorPolicy(
        actor=actor, dist_fn=lambda given: Independent(Normal(*given), 1), action_space=acts
    )
    collector = Collector(policy, worlds, VectorReplayBuffer(1000, 3))
    collector.reset(gym_reset_kwargs={"seed": 0})
    got = collector.collect(n_step=150)
    worlds.close()
    return f"{got.n_collected_steps} steps, {got.n_collected_episodes} episodes, info of each kept: " + ", ".join(
        key for key in ("is_success", "cost") if key in collector.buffer.info.keys()
    )


def main() -> None:
    for run in (tianshou, torchrl):
        print(f"{run.__name__}: {run()}", flush=True)


if __name__ == "__main__":
    main()
