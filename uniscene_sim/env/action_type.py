"""What a type of actions is: a space, and the control that an action stands for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.env.progress import Progress
from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.world.ego import follow_trajectory

__all__ = [
    "ActionType",
    "Command",
    "DirectAction",
    "Intention",
    "Situation",
    "alternating",
    "clipped_action",
    "control_now",
    "number_of",
]

_GOLDEN = 0.5 * (5.0**0.5 - 1.0)  # whose multiples fill [0, 1) evenly


@dataclass(frozen=True)
class Situation:
    """A world as an action finds it.

    Args:
        frame: the current layout.
        progress: the ego's, along its route.
        map: the static map.
        step_s: how long the action lasts, s.
    """

    frame: LayoutFrame
    progress: Progress
    map: StaticMap
    step_s: float


@dataclass(frozen=True)
class Command:
    """What an action comes to: a control, and what its type keeps in mind until the next action of this world."""

    control: Control | Trajectory
    aim: Any = None


@dataclass(frozen=True)
class Intention:
    """What a driver is about to do.

    Args:
        control: its control now.
        path: (R, 2) m, map frame: the way that it keeps to, a point each metre, from about base_link on.
    """

    control: Control | Trajectory
    path: np.ndarray


class ActionType(ABC):
    """A space of actions, and the control that an action stands for.

    What a type keeps in mind from action to action, its aim, is a value of its own, so that a world can be saved and
    many worlds can share the type; most types have none.
    """

    space: Space[Any]

    @abstractmethod
    def first_aim(self, situation: Situation) -> Any:
        """The aim with which an episode begins."""

    @abstractmethod
    def command(self, action: np.ndarray, situation: Situation, aim: Any) -> Command:
        """The control for an action, and the aim from then on.

        Raises:
            InputError: the action is not in the space.
        """

    @abstractmethod
    def mask(self, situation: Situation, aim: Any) -> np.ndarray | None:
        """Which actions can be taken now, int8 (n,); None of a type whose actions always can."""

    @abstractmethod
    def action_of(self, intention: Intention, frame: LayoutFrame) -> Any:
        """The action that does most nearly what a driver intends, given the current layout; it lies in the space."""


class DirectAction(ActionType):
    """Actions that say all by themselves: such a type has no aim, and they can always be taken."""

    @abstractmethod
    def control(self, action: np.ndarray, frame: LayoutFrame) -> Control | Trajectory:
        """The control for an action, given the current layout.

        Raises:
            InputError: the action is not in the space.
        """

    def first_aim(self, situation: Situation) -> None:
        return None

    def command(self, action: np.ndarray, situation: Situation, aim: None) -> Command:
        return Command(self.control(action, situation.frame))

    def mask(self, situation: Situation, aim: None) -> None:
        return None


def control_now(intention: Intention, frame: LayoutFrame) -> Control:
    """The control of a driver, that along its trajectory where it has one."""
    control = intention.control
    return control if isinstance(control, Control) else follow_trajectory(control, frame)


def alternating(values: Sequence[float], wanted: float, stamp_us: int) -> int:
    """Index of one of the two of rising values beside a wanted one: now this and now that, so that their mean is the
    wanted one. Time chooses, so that equal layouts give equal actions."""
    above = min(max(int(np.searchsorted(values, wanted)), 1), len(values) - 1)
    low, high = values[above - 1], values[above]
    return above if stamp_us / 100_000 * _GOLDEN % 1.0 < (wanted - low) / (high - low) else above - 1


def number_of(action: Any, space: Discrete) -> int:
    """A discrete action as a number; InputError if it is none of the space."""
    number = _as_array(action)
    if number.size != 1 or number.dtype.kind not in "iu" or not 0 <= number.item() < space.n:
        raise InputError(f"must be a whole number below {space.n}, got {shown(action)}", field="action")
    return int(number.item())


def clipped_action(action: np.ndarray, space: Box) -> np.ndarray:
    """An action within the bounds of the space; InputError if it has another shape or is not finite."""
    values = _as_array(action, np.float64)
    if values.shape != space.shape or not np.isfinite(values).all():
        raise InputError(f"must be {space.shape} finite numbers in [-1, 1], got {shown(action)}", field="action")
    clipped: np.ndarray = np.clip(values, -1.0, 1.0)
    return clipped


def _as_array(action: Any, dtype: Any = None) -> np.ndarray:
    """An action as an array; one that fits no space if it is none."""
    try:
        array: np.ndarray = np.asarray(action, dtype)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    return array
