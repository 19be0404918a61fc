"""Readers of values that Python and ROS hand over: controls, actions, settings of environments, parameters, messages.

A case is a JSON file, so that it can be kept; what JSON cannot hold or Python cannot read of it is no case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.fuzz.case import Bases
from tests.fuzz.oracle import Told
from uniscene_sim import plugins
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.layout import LayoutFrame

__all__ = [
    "CONTROLS", "MESSAGES", "PARAMETERS", "SETTINGS", "read_controls", "read_message", "read_parameters",
    "read_settings",
]  # fmt: skip


def _values(**examples: Any) -> Callable[[], Bases]:
    return lambda: {name: {"values.json": json.dumps(value).encode()} for name, value in examples.items()}


def _given(folder: Path) -> dict[str, Any]:
    try:
        given = json.loads((folder / "values.json").read_bytes())
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


# --- controls and actions ---------------------------------------------------------------------------------------------

CONTROLS = _values(
    control={"control": [0.1, -2.0]},
    trajectory={"trajectory": [[0.0, 0.0, 0.0], [1.0, 5.0, 0.1], [2.0, 10.0, 0.2]]},
    continuous={"action": "continuous", "values": [0.5, -0.5]},
    discrete={"action": "discrete", "values": 7},
    waypoints={"action": "waypoints", "values": [[-0.5, 0.0]] * 6},
)


def read_controls(folder: Path) -> None:
    from uniscene_sim.env.actions import action_type

    given = _given(folder)
    if "control" in given:
        values = given["control"] if isinstance(given["control"], list) else [given["control"]]
        _drive(Control(*values[:2]))
    if "trajectory" in given:
        _drive(Trajectory(given["trajectory"]))
    if isinstance(given.get("action"), str):
        _drive(action_type(given["action"]).control(given.get("values"), _world().reset()))


@cache
def _world() -> Any:
    return plugins.open_source("lane_following")


def _drive(control: Control | Trajectory) -> None:
    world = _world()
    world.reset()
    frame: LayoutFrame = world.step(control, 100_000)[-1]
    assert np.isfinite([frame.ego_pose.x, frame.ego_pose.y, frame.ego_steer, frame.ego_accel]).all()


# --- environments -----------------------------------------------------------------------------------------------------

SETTINGS = _values(
    rl={"scenario": "lane_following", "rig": "rl", "observations": ["ego", "route", "agents"], "action": "waypoints",
        "reward": {"progress": 1.0}, "terminate_on": ["collision"], "step_ms": 100, "world_seed": 3},
    engines={"scenario": ["lane_following", "roundabout_entry"], "rig": "rl", "observations": ["rgb", "points"],
             "camera": "raycast-plain", "lidar": "raycast:effects=none", "window": "exact", "trace": "tiles",
             "source": "scenario"},
)  # fmt: skip


def read_settings(folder: Path) -> None:
    from uniscene_sim.env.env import UniSceneEnv
    from uniscene_sim.env.settings import EnvSettings

    known = EnvSettings.__dataclass_fields__
    UniSceneEnv(**{key: value for key, value in _given(folder).items() if key in known}).close()


# --- ROS --------------------------------------------------------------------------------------------------------------


def PARAMETERS() -> Bases:
    """The defaults."""
    from uniscene_ros2.parameters import NODE_PARAMETERS

    return _values(defaults={setting.name: setting.default for setting in NODE_PARAMETERS})()


def read_parameters(folder: Path) -> None:
    """Values of all parameters."""
    from uniscene_ros2.parameters import NODE_PARAMETERS, refusal_reason

    given = _given(folder)
    for setting in NODE_PARAMETERS:
        value = given.get(setting.name)
        if (reason := refusal_reason(setting, value)) is not None:
            raise Told(reason)
        if isinstance(value, str):
            with suppress(ValueError):
                setting.parse(value)


_STAMP = {"sec": 1, "nanosec": 5}
_POSES = [{"x": 1.0, "y": 2.0, "stamp": _STAMP}, {"x": 5.0, "y": 2.5, "stamp": {"sec": 2, "nanosec": 0}}]
MESSAGES = _values(
    twist_cmd={"linear": {"x": 1.0, "y": 0.0, "z": 0.0}, "angular": {"x": 0.0, "y": 0.0, "z": 0.1}},
    ackermann_cmd={"steering_angle": 0.1, "speed": 5.0, "acceleration": 1.0},
    carla_cmd={"throttle": 0.5, "steer": 0.1, "brake": 0.0, "hand_brake": False, "reverse": False},
    autoware_cmd={"stamp": _STAMP, "lateral": {"steering_tire_angle": 0.1},
                  "longitudinal": {"velocity": 3.0, "acceleration": 1.0, "is_defined_acceleration": True}},
    path_cmd={"header": {"frame_id": "map", "stamp": _STAMP},
              "poses": [{"header": {"stamp": p["stamp"]}, "pose": {"position": p}} for p in _POSES]},
    autoware_trajectory_cmd={"header": {"frame_id": "map", "stamp": _STAMP},
                             "points": [{"time_from_start": p["stamp"], "pose": {"position": p}} for p in _POSES]},
)  # fmt: skip


def read_message(folder: Path) -> None:
    """Messages of the kind that their fields are of; a value of a type that ROS would not have there is no case."""
    from uniscene_ros2.controls import COMMAND_KINDS, StaleControl

    message, frame = _given(folder), _world().reset()
    for kind in COMMAND_KINDS:
        example = MESSAGES().get(kind.what)
        if example is None or not _fits(message, json.loads(example["values.json"])):
            continue
        with suppress(StaleControl):
            control = kind.command(_message(message))(frame, 0)
            _drive(control)


def _fits(value: Any, example: Any) -> bool:
    """Whether a value has the types of an example; whole numbers within 32 bits."""
    if isinstance(example, dict):
        return isinstance(value, dict) and value.keys() == example.keys() and all(
            _fits(value[key], example[key]) for key in example
        )  # fmt: skip
    if isinstance(example, list):
        return isinstance(value, list) and all(_fits(one, example[0]) for one in value)
    if type(example) is int:
        return type(value) is int and 0 <= value < 2**31
    return type(value) is type(example)


def _message(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{key: _message(one) for key, one in value.items()})
    return [_message(one) for one in value] if isinstance(value, list) else value
