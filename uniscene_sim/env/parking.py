"""`ParkingEnv`: the ego parks in a gap at the kerb, backwards too; with goals, for hindsight experience replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict

from uniscene_sim.env.endings import EndReason, EpisodeOutcome
from uniscene_sim.env.env import UniSceneEnv
from uniscene_sim.env.parking_street import PARKING, Bay, bay_of
from uniscene_sim.env.state_vectors import AGENTS, write_agent_states
from uniscene_sim.errors import InputError
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["GOAL", "ParkingEnv"]

#: Entries of a goal, and the value that each is divided by: place of the ego's middle along the street and to its left,
#: m, velocity likewise, m/s, heading.
GOAL = {"x": 10.0, "y": 10.0, "vx": 5.0, "vy": 5.0, "cos": 1.0, "sin": 1.0}
_SCALE = np.array(list(GOAL.values()))
#: What each entry of the difference from the goal counts in the reward.
_WEIGHTS = np.array([1.0, 1.0, 0.1, 0.1, 0.2, 0.2])
_WITHIN_M, _WITHIN_RAD, _STANDS_MPS = 0.5, np.radians(10.0), 0.3
_ORIGIN, _CARS = np.array([4.6, 46.0]), 4
_FIXED = ("scenario", "source", "map", "action", "observations", "reward", "terminate_on")


class ParkingEnv(UniSceneEnv):
    """The ego parks in a gap between parked cars: `UniSceneParking-v0`.

    Observations are those of a goal-conditioned environment as Gymnasium-Robotics, highway-env and the HER of
    Stable-Baselines3 know them: `achieved_goal` and `desired_goal`, both float64 (6,) `GOAL`, and `observation`,
    float64 (43,): the achieved goal, the front-wheel angle as a share of its limit, and the four nearest cars as
    `state_vectors.AGENTS`. Each seed has another gap and another start. Actions are those of `ReversingAction`.

    The reward is `compute_reward`, 0 at the goal and below 0 elsewhere: minus the root of the weighted difference from
    the goal, and minus 1 while the ego touches something or is off the road. The episode terminates when the ego stands
    within 0.5 m and 10 degrees of the gap's middle: `is_success`, the end reason is ROUTE_END. It is truncated after
    30 s, or when the ego has driven 40 m down the street: the end reason is TIME_LIMIT.

    Args:
        render_mode: None, "rgb_array" or "human".
        settings: see `env.settings.EnvSettings`; scenario, map, action, observations, reward and endings are set.

    Raises:
        InputError: an invalid argument.
    """

    def __init__(self, render_mode: str | None = None, **settings: Any):
        for name in _FIXED:
            if name in settings:
                raise InputError("parking has its own; leave it out", field=name)
        settings.setdefault("step_ms", 200)
        super().__init__(
            render_mode, scenario=PARKING, action="reversing", observations=("agents",), terminate_on=(), **settings
        )
        goal = Box(-np.inf, np.inf, (len(GOAL),), np.float64)
        seen = Box(-np.inf, np.inf, (len(GOAL) + 1 + _CARS * len(AGENTS),), np.float64)
        self.observation_space = Dict({"observation": seen, "achieved_goal": goal, "desired_goal": goal})

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> Any:
        """The reward of goals (6,) or (N, 6): a number or float64 (N,).

        Args:
            achieved_goal, desired_goal: see `GOAL`.
            info: of the step, or one for each of the N; where it has `violation`, that is taken off.
        """
        away = (np.abs(np.asarray(achieved_goal) - np.asarray(desired_goal)) * _WEIGHTS).sum(axis=-1)
        given: Sequence[Mapping[str, Any]] = [info] if isinstance(info, Mapping) else list(info)
        violations = np.array([float(one.get("violation", 0.0)) for one in given])
        return -np.sqrt(away) - (violations[0] if np.ndim(away) == 0 else violations)

    def compute_terminated(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> bool:
        """Whether the ego stands in the gap."""
        return parked(achieved_goal, desired_goal)

    def compute_truncated(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> bool:
        """Never: the time limit, which no goal knows of, truncates."""
        return False

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        observation, _, terminated, truncated, info = super().step(action)
        success = bool(info["is_success"])
        self._over = over = success or terminated or truncated
        reward = self.compute_reward(observation["achieved_goal"], observation["desired_goal"], info)
        return observation, float(reward), success, over and not success, info

    @property
    def _source(self) -> ScenarioSource:
        source = self.worlds.world(0).source
        assert isinstance(source, ScenarioSource)
        return source

    def _goals(self) -> tuple[np.ndarray, np.ndarray]:
        """The goal (6,) that is achieved now, and the one that is desired."""
        frame, bay = self.worlds.world(0).recent_layouts[-1], bay_of(self._source.seed)
        middle = frame.ego_pose.apply(np.array([[frame.ego_vehicle.rear_axle_to_centre_m, 0.0, 0.0]]))[0, :2]
        achieved = _goal(bay, middle, frame.ego_velocity[:2], frame.ego_pose.yaw)
        return achieved, _goal(bay, np.array([bay.x, bay.y]), np.zeros(2), bay.yaw)

    def _info(self, entries: dict[str, Any]) -> dict[str, Any]:
        info = super()._info(entries)
        outcome, reason = EpisodeOutcome.RUNNING, EndReason.NONE
        if success := parked(*self._goals()):
            outcome, reason = EpisodeOutcome.SUCCESS, EndReason.ROUTE_END
        elif info["end_reason"] != EndReason.NONE:
            outcome, reason = EpisodeOutcome.FAILURE, EndReason.TIME_LIMIT
        own = {
            "violation": bool(self._source.state.tally.touching) or info["cost_off_road"] > 0.0,
            "is_success": success,
            "outcome": outcome,
            "end_reason": reason,
        }
        return info | {key: np.float64(value) for key, value in own.items()}

    def _observation(self) -> dict[str, np.ndarray]:
        super()._observation()
        frame = self.worlds.world(0).recent_layouts[-1]
        pose, velocity = frame.ego_pose, frame.ego_velocity
        achieved, desired = self._goals()
        cars = np.zeros((_CARS, len(AGENTS)), np.float32)
        write_agent_states(pose.x, pose.y, pose.yaw, velocity[0], velocity[1], frame.agents, cars)
        steer = frame.ego_steer / frame.ego_vehicle.max_steer_rad
        return {
            "observation": np.concatenate([achieved, [steer], cars.ravel()]),
            "achieved_goal": achieved,
            "desired_goal": desired,
        }


def _goal(bay: Bay, middle: np.ndarray, velocity: np.ndarray, yaw: float) -> np.ndarray:
    """A goal (6,) from a place and a velocity in the map frame, m and m/s, and a heading, rad."""
    along = np.array([np.cos(bay.yaw), np.sin(bay.yaw)])
    axes, turn = np.stack([along, [-along[1], along[0]]]), yaw - bay.yaw
    goal: np.ndarray = (
        np.concatenate([axes @ (middle - _ORIGIN), axes @ velocity, [np.cos(turn), np.sin(turn)]]) / _SCALE
    )
    return goal


def parked(achieved_goal: np.ndarray, desired_goal: np.ndarray) -> bool:
    """Whether a goal is reached: within 0.5 m and 10 degrees, standing."""
    x, y, vx, vy, c, s = np.asarray(achieved_goal) * _SCALE
    wx, wy, _, _, wc, ws = np.asarray(desired_goal) * _SCALE
    turn = np.arctan2(s * wc - c * ws, c * wc + s * ws)
    near = bool(np.hypot(x - wx, y - wy) <= _WITHIN_M and abs(turn) <= _WITHIN_RAD)
    return near and bool(np.hypot(vx, vy) <= _STANDS_MPS)
