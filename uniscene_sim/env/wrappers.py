"""What Gymnasium's wrappers around an environment know of its episode, which a saved state has to bring back too."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any
from weakref import ref

from gymnasium import Wrapper
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

__all__ = ["WrappersAround"]


class WrappersAround:
    """The wrappers of an environment, as far as it has been reached through them: `env.unwrapped` asks each in turn,
    and Gymnasium tells an environment in no other way who wraps it."""

    def __init__(self) -> None:
        self._known: list[ref[Wrapper]] = []

    def look(self) -> None:
        """Remember who asks, where this is called from the property `unwrapped` of an environment."""
        frame: FrameType | None = sys._getframe(2)
        asked: list[ref[Wrapper]] = []
        while frame is not None and frame.f_code is Wrapper.unwrapped.fget.__code__:  # type: ignore[attr-defined]
            asked.append(ref(frame.f_locals["self"]))
            frame = frame.f_back
        self._known = asked or self._known

    def resume(self, steps: int, given: Any) -> None:
        """Have them go on in an episode that has begun.

        Args:
            steps: made in it so far.
            given: what a reset would have given: observation and info.
        """
        for wrapper in [found() for found in self._known]:
            if isinstance(wrapper, TimeLimit):
                wrapper._elapsed_steps = steps  # type: ignore[assignment]
            elif isinstance(wrapper, OrderEnforcing):
                wrapper._has_reset = True
            elif isinstance(wrapper, PassiveEnvChecker) and not wrapper.checked_step:
                wrapper._previous_data = given
