"""Drivers to compare with: from random actions to the built-in driver, and trained policies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from uniscene_sim.control import CAREFUL, NORMAL, Control, Manners
from uniscene_sim.env.action_type import Intention
from uniscene_sim.env.env import UniSceneEnv
from uniscene_sim.env.meta_actions import Meta
from uniscene_sim.env.state_vectors import EGO
from uniscene_sim.errors import InputError, shown
from uniscene_sim.suite.policy import Policy
from uniscene_sim.world.ego import EgoState, pure_pursuit

__all__ = ["RULES", "TRAINED", "ConstantDriver", "Driver", "PolicyDriver", "RandomDriver", "RuleDriver", "driver_named"]


_GAIN = 1.5  # 1/s, of the blind driver's speed
_AHEAD_M = 60  # in which it looks for itself on its route


class Driver(Protocol):
    """Drives episodes of an environment of one world.

    Attributes:
        action_type: of its actions, see `env.actions`.
    """

    action_type: str

    def begin(self, seed: int) -> None:
        """An episode with this seed begins."""
        ...

    def action(self, env: UniSceneEnv, observation: Mapping[str, np.ndarray]) -> Any:
        """A member of `env.action_space`."""
        ...


class RandomDriver:
    """Draws each action from the space; the seed of the episode is that of the draws."""

    action_type = "continuous"

    def begin(self, seed: int) -> None:
        self._seed: int | None = seed

    def action(self, env: UniSceneEnv, observation: Mapping[str, np.ndarray]) -> Any:
        if self._seed is not None:
            env.action_space.seed(self._seed)
            self._seed = None
        return env.action_space.sample()


class ConstantDriver:
    """Steers straight on with one acceleration, as a share of the vehicle's limits; of the continuous action space."""

    action_type = "continuous"

    def __init__(self, share: float):
        self._action = np.array([0.0, share], np.float32)

    def begin(self, seed: int) -> None:
        """Nothing depends on the episode."""

    def action(self, env: UniSceneEnv, observation: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._action


class RuleDriver:
    """The built-in driver, which knows the world itself, with some manners."""

    action_type = "continuous"

    def __init__(self, manners: Manners):
        self._manners = manners

    def begin(self, seed: int) -> None:
        """Nothing depends on the episode."""

    def action(self, env: UniSceneEnv, observation: Mapping[str, np.ndarray]) -> Any:
        return env.expert_action(self._manners)


class BlindDriver:
    """Follows the route by pure pursuit at the route speed, and heeds nobody; of the continuous action space."""

    action_type = "continuous"

    def begin(self, seed: int) -> None:
        self._at = 0

    def action(self, env: UniSceneEnv, observation: Mapping[str, np.ndarray]) -> Any:
        world = env.worlds.world(0)
        frame, route = world.recent_layouts[-1], world.source.route_path[:, :2]
        ego = EgoState(frame.ego_pose, float(frame.ego_velocity @ frame.ego_pose.rotation[:, 0]))
        ahead = route[self._at : self._at + _AHEAD_M]
        self._at += int(np.hypot(ahead[:, 0] - ego.pose.x, ahead[:, 1] - ego.pose.y).argmin())
        told = dict(zip(EGO, observation["ego"].tolist(), strict=True))
        accel = _GAIN * EGO["route_speed"] * (told["route_speed"] - told["speed"] * EGO["speed"] / EGO["route_speed"])
        control = Control(pure_pursuit(ego, route, self._at, frame.ego_vehicle), min(max(accel, -4.0), 2.0))
        return env.worlds.action.action_of(Intention(control, route[self._at :]), frame)


class PolicyDriver:
    """A trained policy, which knows what it observes. Between two of its actions it goes on: idle, or with the same."""

    def __init__(self, policy: Policy):
        self._policy, self.action_type = policy, policy.action_type

    def begin(self, seed: int) -> None:
        self._random, self._waits_ms = np.random.default_rng(seed), 0

    def action(self, env: UniSceneEnv, observation: Mapping[str, np.ndarray]) -> Any:
        if self._waits_ms <= 0:
            self._waits_ms = self._policy.step_ms
            self._last = self._policy.action(observation, self._random)
        elif self.action_type == "meta":
            self._last = np.int64(Meta.IDLE)
        self._waits_ms -= round(1000 * env.worlds.step_s)
        return self._last


#: Drivers that need no training, worst first.
RULES = ("random", "standing", "constant", "blind", "careful", "expert")
#: Policies of the zoo's model `driving`, trained on all scenarios, for task `town` on towns.
TRAINED = ("ppo_100k", "ppo_200k")


def driver_named(name: str, task: str = "lane") -> Driver:
    """A driver of `RULES` or `TRAINED`, or the policy of a file "MODEL/PART" of the zoo, or of a folder.

    Args:
        name: of the driver.
        task: for which, of a policy of the zoo.

    Raises:
        InputError: there is none of this name.
    """
    made: dict[str, Driver] = {
        "random": RandomDriver(),
        "standing": ConstantDriver(-1.0),
        "constant": ConstantDriver(0.3),
        "blind": BlindDriver(),
        "careful": RuleDriver(CAREFUL),
        "expert": RuleDriver(NORMAL),
    }
    if name in made:
        return made[name]
    if name in TRAINED:
        return PolicyDriver(Policy.load("driving", name.replace("ppo", "town" if task == "town" else "scenarios")))
    model, _, part = name.rpartition("/")
    if not model:
        known = ", ".join((*RULES, *TRAINED))
        raise InputError(f"expected one of {known}, or MODEL/PART of a trained one; got {shown(name)}", field="driver")
    return PolicyDriver(Policy.load(Path(model) if Path(model).exists() else model, part))
