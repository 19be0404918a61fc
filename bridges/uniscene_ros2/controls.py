"""Control messages: converted to `Control` or `Trajectory`, and received by `ControlInbox`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import atan, isfinite
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time

from uniscene_ros2.messages.ego_state import speed_mps
from uniscene_ros2.messages.stamps import to_us
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutFrame

__all__ = ["COMMAND_KINDS", "Command", "CommandKind", "ControlInbox", "ReceivedCommand", "StaleControl"]

#: The control that a message stands for, given the current layout and the ROS time, us.
Command = Callable[[LayoutFrame, int], Control | Trajectory]
#: Time constant with which a requested speed is approached, s.
_REACH_S = 0.5
_SLOWEST_MPS = 0.5
#: Stamps may lie this far ahead of the clock, us; and from here on they are of another clock.
_AHEAD_US, _OTHER_CLOCK_US = 1_000_000, 3_600_000_000


_OTHER_CLOCK = "of the wall's or another clock; the stack needs use_sim_time:=true"


class StaleControl(Exception):
    """A control that comes too late, or whose stamp is from another clock."""


@dataclass(frozen=True)
class CommandKind:
    """A kind of control message.

    Attributes:
        what: its topic's key in a profile.
        type_name: for example "geometry_msgs/Twist".
        command: converts a message.
        stamp: a message's stamp; None if it has none.
    """

    what: str
    type_name: str
    command: Callable[[Any], Command]
    stamp: Callable[[Any], Time] | None = None


@dataclass(frozen=True)
class ReceivedCommand:
    """A control as it was received.

    Attributes:
        received_ns: wall clock of this machine.
        received_us: ROS time.
        stamp_us: its own; None if it has none.
    """

    command: Command
    topic: str
    received_ns: int
    received_us: int = 0
    stamp_us: int | None = None


def _accel_to(speed: float, layout: LayoutFrame) -> float:
    return (speed - speed_mps(layout)) / _REACH_S


def twist(message: Any) -> Command:
    """geometry_msgs/Twist: forward speed, m/s, and yaw rate, rad/s; the rest must be finite, but has no effect."""
    _finite("twist", message.linear.x, message.linear.y, message.linear.z)
    _finite("twist", message.angular.x, message.angular.y, message.angular.z)
    speed, rate = message.linear.x, message.angular.z

    def command(layout: LayoutFrame, now_us: int) -> Control:
        moving = max(speed_mps(layout), abs(speed), _SLOWEST_MPS)
        return Control(atan(layout.ego_vehicle.wheelbase_m * rate / moving), _accel_to(speed, layout))

    return command


def ackermann(message: Any) -> Command:
    """ackermann_msgs/AckermannDrive: an acceleration of 0 means no limit on the way to the requested speed."""
    _finite("ackermann", message.steering_angle, message.speed, message.acceleration)

    def command(layout: LayoutFrame, now_us: int) -> Control:
        accel = _accel_to(message.speed, layout)
        if message.acceleration:
            accel = float(np.clip(accel, -abs(message.acceleration), abs(message.acceleration)))
        return Control(message.steering_angle, accel)

    return command


def autoware(message: Any) -> Command:
    """autoware_control_msgs/Control: the acceleration where it is defined, otherwise the velocity."""
    steer, along = message.lateral.steering_tire_angle, message.longitudinal
    _finite("control", steer, along.velocity)

    def command(layout: LayoutFrame, now_us: int) -> Control:
        return Control(
            steer, along.acceleration if along.is_defined_acceleration else _accel_to(along.velocity, layout)
        )

    return command


def carla(message: Any) -> Command:
    """carla_msgs/CarlaEgoVehicleControl: shares of the vehicle's limits, steering positive to the right; gear."""
    _finite("control", message.throttle, message.steer, message.brake)

    def command(layout: LayoutFrame, now_us: int) -> Control:
        vehicle = layout.ego_vehicle
        brake = 1.0 if message.hand_brake else message.brake
        accel = message.throttle * vehicle.max_accel_mps2 - brake * vehicle.max_brake_mps2
        return Control(-message.steer * vehicle.max_steer_rad, accel, bool(message.reverse))

    return command


def path(message: Any) -> Command:
    """nav_msgs/Path in the map frame: each pose's stamp is the ROS time at which to be there."""
    if message.header.frame_id not in ("", "map", "odom"):
        raise InputError(f"must be in frame map, is in {message.header.frame_id!r}", field="path.header.frame_id")
    rows = [(to_us(p.header.stamp), p.pose.position.x, p.pose.position.y) for p in message.poses]
    return _trajectory(np.array(rows, float).reshape(-1, 3))


def trajectory(message: Any) -> Command:
    """autoware_planning_msgs/Trajectory: each point's time is from the message's stamp."""
    start = to_us(message.header.stamp)
    rows = [
        (start + to_us(p.time_from_start), p.pose.position.x, p.pose.position.y) for p in message.points
    ]  # fmt: skip
    return _trajectory(np.array(rows, float).reshape(-1, 3))


def _trajectory(rows: np.ndarray) -> Command:
    """A trajectory command from rows (N, 3) of ROS time, us, x, y, m."""
    begin_us = rows[0, 0] if len(rows) else 0.0
    Trajectory((rows - (begin_us, 0.0, 0.0)) * (1e-6, 1.0, 1.0))  # refuses invalid points now

    def command(layout: LayoutFrame, now_us: int) -> Trajectory:
        if rows[0, 0] > now_us + _OTHER_CLOCK_US:
            raise StaleControl(f"its points are {_OTHER_CLOCK}")
        if rows[-1, 0] <= now_us:
            raise StaleControl("its last point lies in the past")
        return Trajectory((rows - (now_us, 0.0, 0.0)) * (1e-6, 1.0, 1.0))

    return command


def _finite(what: str, *values: float) -> None:
    if not all(map(isfinite, values)):
        raise InputError(f"must hold finite numbers, got {', '.join(f'{v:g}' for v in values)}", field=what)


COMMAND_KINDS = (
    CommandKind("twist_cmd", "geometry_msgs/Twist", twist),
    CommandKind("twist_stamped_cmd", "geometry_msgs/TwistStamped", lambda m: twist(m.twist), lambda m: m.header.stamp),
    CommandKind("ackermann_cmd", "ackermann_msgs/AckermannDrive", ackermann),
    CommandKind("autoware_cmd", "autoware_control_msgs/Control", autoware, lambda m: m.stamp),
    CommandKind("carla_cmd", "carla_msgs/CarlaEgoVehicleControl", carla),
    CommandKind("path_cmd", "nav_msgs/Path", path),
    CommandKind("autoware_trajectory_cmd", "autoware_planning_msgs/Trajectory", trajectory, lambda m: m.header.stamp),
)


class ControlInbox:
    """Keeps the latest control message, refuses invalid ones, and counts them.

    Attributes:
        counts: of "received", "refused" (not finite, too large, malformed) and "stale" by the inbox; of "used", "early"
            and "repeated" (see `exchange`) by the loop.
        reasons: how often controls were refused, or stale, for each reason; what follows a comma in one is left out.
        trouble: the last refusal and its reason.
    """

    def __init__(self, stale_us: int):
        self.stale_us = stale_us
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.trouble = ""
        self._last: ReceivedCommand | None = None

    def receive(
        self, kind: CommandKind, message: Any, received_ns: int, layout: LayoutFrame, now_us: int
    ) -> str | None:
        """Receive a message.

        Args:
            kind: of the message.
            message: of the type `kind.type_name`.
            received_ns: wall-clock time of its arrival.
            layout: the current one.
            now_us: ROS time.

        Returns:
            The reason for a refusal, None if the message is accepted.
        """
        self.counts["received"] += 1
        try:
            stamp_us = kind.stamp and to_us(kind.stamp(message))
            if stamp_us is not None:
                self._check_stamp(stamp_us, now_us)
            command = kind.command(message)
            command(layout, now_us)
        except InputError as error:
            return self.refuse("refused", kind.what, str(error))
        except StaleControl as error:
            return self.refuse("stale", kind.what, str(error))
        self._last = ReceivedCommand(command, kind.what, received_ns, now_us, stamp_us)
        return None

    def take(self) -> ReceivedCommand | None:
        """Remove and return the last control."""
        last, self._last = self._last, None
        return last

    def latest(self, now_us: int) -> ReceivedCommand | None:
        """The last control, unless it has become stale by the ROS time `now_us`; it stays."""
        if self._last is not None and self._last.received_us < now_us - self.stale_us:
            self.refuse("stale", self._last.topic, "no new control came in time; braking")
            self._last = None
        return self._last

    def clear(self) -> None:
        """Forget the controls of another run."""
        self._last, self.trouble = None, ""
        self.counts.clear()
        self.reasons.clear()

    def refuse(self, why: str, topic: str, reason: str) -> str:
        """Count a control that is "refused" or "stale"; returns what to say about it."""
        self.counts[why] += 1
        self.trouble = f"{topic}: {reason}"
        self.reasons[self.trouble.partition(", ")[0]] += 1
        return self.trouble

    def _check_stamp(self, stamp_us: int, now_us: int) -> None:
        if stamp_us == 0:
            raise StaleControl("its stamp is 0, not set or from before the first /clock")
        if stamp_us > now_us + _OTHER_CLOCK_US:
            raise StaleControl(f"its stamp is {_OTHER_CLOCK}")
        if stamp_us > now_us + _AHEAD_US:
            raise StaleControl(f"its stamp is in the future, by {1e-6 * (stamp_us - now_us):.3f} s")
        if stamp_us < now_us - self.stale_us:
            raise StaleControl(f"its stamp is too old, by {1e-6 * (now_us - stamp_us):.3f} s")
