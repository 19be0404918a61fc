"""RLlib on many worlds in one process: its environment runner steps the vector environment itself.

Run by hand, with `ray[rllib]` and torch:

python docs/train_with_rllib.py [--iterations 3]
"""

import argparse

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.connectors.env_to_module import FlattenObservations

import uniscene_sim  # noqa: F401 - registers the environments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=3)
    iterations = parser.parse_args().iterations
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    config = (
        PPOConfig()
        # The module's name before the colon registers the ids in RLlib's own processes too.
        .environment("uniscene_sim:UniScene-v0", env_config={"scenario": "lane_following"})
        .env_runners(
            num_env_runners=0,
            num_envs_per_env_runner=8,
            gym_env_vectorize_mode="vector_entry_point",
            env_to_module_connector=lambda env, spaces, device: FlattenObservations(),
        )
        .training(train_batch_size_per_learner=512, minibatch_size=128, num_epochs=4)
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    print("env:", type(algorithm.env_runner.env.unwrapped).__name__)
    for iteration in range(iterations):
        seen = algorithm.train()["env_runners"]
        steps, returns = seen["num_env_steps_sampled_lifetime"], seen["episode_return_mean"]
        print(f"iteration {iteration + 1}: {steps:.0f} steps, mean return {returns:.1f}")
    algorithm.stop()


if __name__ == "__main__":
    main()
