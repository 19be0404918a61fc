"""Drives, judged: what each earned, whether it succeeded and what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.env.endings import EndReason
from uniscene_sim.env.env import UniSceneEnv
from uniscene_sim.env.settings import SPLITS
from uniscene_sim.suite.drivers import Driver

__all__ = ["DISCOUNTS", "TEST_SEED", "JudgedDrive", "judge_drives"]

#: Discounts a step by which returns are compared; 1 is the plain return.
DISCOUNTS = (1.0, 0.99, 0.98)
#: The first scenario seed of test episodes.
TEST_SEED = SPLITS["test"]


@dataclass(frozen=True)
class JudgedDrive:
    """One judged episode."""

    driver: str
    scenario: str
    seed: int
    returns: tuple[float, ...]  # by DISCOUNTS
    success: bool
    end: EndReason
    collisions: int
    off_road_s: float
    red_lights: int
    blocked: int
    completion: float
    steps: int

    @property
    def clean(self) -> bool:
        """Without a collision, off the road, through a red light or blocking it."""
        return not (self.collisions or self.off_road_s or self.red_lights or self.blocked)


def judge_drives(
    env_of: Callable[[str], UniSceneEnv],
    drivers: Sequence[tuple[str, Driver]],
    episodes: int,
    *,
    first_seed: int = TEST_SEED,
    done: Callable[[], object] = lambda: None,
) -> Iterable[JudgedDrive]:
    """JudgedDrive each scenario of a task with each driver.

    Args:
        env_of: makes an environment of one world for a type of actions.
        drivers: with their names.
        episodes: of each scenario, by seeds from `first_seed` on.
        first_seed: of the scenarios.
        done: called after each drive.
    """
    envs = {kind: env_of(kind) for kind in dict.fromkeys(driver.action_type for _, driver in drivers)}
    for scenario in dict.fromkeys(next(iter(envs.values())).scenarios):
        for seed in range(first_seed, first_seed + episodes):
            for name, driver in drivers:
                yield _drive(envs[driver.action_type], name, driver, scenario, seed)
                done()


def _drive(env: UniSceneEnv, name: str, driver: Driver, scenario: str, seed: int) -> JudgedDrive:
    driver.begin(seed)
    observation, info = env.reset(seed=seed, options={"scenario": scenario, "scenario_seed": seed})
    rewards: list[float] = []
    over = False
    while not over:
        observation, reward, terminated, truncated, info = env.step(driver.action(env, observation))
        rewards.append(reward)
        over = terminated or truncated
    steps = np.arange(len(rewards))
    returns = tuple(float(np.dot(rewards, discount**steps)) for discount in DISCOUNTS)
    return JudgedDrive(
        driver=name,
        scenario=scenario,
        seed=seed,
        returns=returns,
        success=bool(info["is_success"]),
        end=EndReason(info["end_reason"]),
        collisions=int(info["collisions"]),
        off_road_s=info["off_road_s"],
        red_lights=int(info["red_lights"]),
        blocked=int(info["blocked"]),
        completion=info["route_completion"],
        steps=len(rewards),
    )
