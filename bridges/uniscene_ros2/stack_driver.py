"""`RosStack`: a ROS 2 stack as the driver under test.

There is one node for a whole batch, in lockstep: the stack goes on from scenario to scenario without a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uniscene_ros2.run_report import RUNNING
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.loops import Loop, LoopSettings, open_case
from uniscene_sim.simulator import Simulator

__all__ = ["RosStack"]


class RosStack:
    """A stack that subscribes to our topics and sends controls back.

    Args:
        options: parameters of the node, as text.

    Raises:
        InputError: there is no ROS 2 here, or a parameter is invalid.
    """

    def __init__(self, options: Mapping[str, str]):
        self._options, self._node = dict(options), None

    def loop(self, case: Case, settings: LoopSettings) -> Loop:
        source = open_case(case)
        if self._node is None:
            self._node = self._begin(case, settings)
        return _StackLoop(self._node, source)

    def _begin(self, case: Case, settings: LoopSettings) -> Any:
        try:
            import rclpy
            from rclpy.signals import SignalHandlerOptions
        except ImportError as error:
            why = f"no ROS 2 here ({error}): pip install 'uniscene_sim[ros2]', or source an installation"
            raise InputError(why, field="driver") from error
        from uniscene_ros2.node import UnisceneNode
        from uniscene_ros2.parameters import NODE_PARAMETERS

        kinds = {setting.name: type(setting.default) for setting in NODE_PARAMETERS}
        given: dict[str, Any] = {"scenario": str(case.file), "mode": "lockstep", "driver": "stack", **settings.engines}
        if settings.rig is not None:
            given["rig"] = settings.rig
        for name, text in self._options.items():
            if name not in kinds:
                raise InputError(f"the node has no parameter {name!r}", field="driver")
            given[name] = text == "true" if kinds[name] is bool else kinds[name](text)
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        return UnisceneNode(given)


class _StackLoop:
    """One case: the node publishes a frame and waits for the stack's answer."""

    def __init__(self, node: Any, source: LayoutSource):
        self._node = node
        node.drive(source)

    @property
    def simulator(self) -> Simulator[Any]:
        simulator: Simulator[Any] = self._node.run.simulator
        return simulator

    def begin(self) -> SensorFrame:
        frame: SensorFrame = self._node.loop.frame
        return frame

    def advance(self) -> SensorFrame:
        loop, before = self._node.loop, self._node.loop.frame.stamp_us
        while loop.frame.stamp_us == before:
            self._node.turn()
            if loop.status == "TIMEOUT":
                raise InputError(f"the stack sends no control: {loop.report.seen}", field="ros2")
            if loop.status != RUNNING and loop.frame.stamp_us == before:
                break
        frame: SensorFrame = loop.frame
        return frame
