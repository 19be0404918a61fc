"""Many steps of an env: steps a second and memory, by tenths. Run by hand:

    python tests/env/long_env.py [--env UniScene-v0] [--steps 100000]

Exits with 1 where the process holds over 5 % more memory at the end than after a tenth of the way.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

import gymnasium

import uniscene_sim  # noqa: F401 - registers the environments


def resident_mib() -> float:
    """Memory that this process holds now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024.0
    raise RuntimeError("no VmRSS: /proc is needed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="UniScene-v0")
    parser.add_argument("--steps", type=int, default=100_000)
    arguments = parser.parse_args()
    env = gymnasium.make(arguments.env)
    env.action_space.seed(0)
    env.reset(seed=0)
    held, episodes = [], 1
    print("steps     1/s    MiB  episodes")
    for tenth in range(10):
        start, count = perf_counter(), arguments.steps // 10
        for _ in range(count):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                env.reset()
                episodes += 1
        held.append(resident_mib())
        rate = count / (perf_counter() - start)
        print(f"{(tenth + 1) * count:6}  {rate:6.0f}  {held[-1]:5.0f}  {episodes:8}", flush=True)
    return int(held[-1] > 1.05 * held[0])


if __name__ == "__main__":
    sys.exit(main())
