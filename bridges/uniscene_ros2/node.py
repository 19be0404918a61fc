"""The node: a scenario runs, its frames are published, and the stack's controls drive it.

One thread, one loop: callbacks take controls and requests in, `turn` moves the world on. Nothing waits without end.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from uniscene_ros2 import qos
from uniscene_ros2.controls import KINDS, Command, ControlDesk, Kind, StaleControl
from uniscene_ros2.diagnostics import Troubles, diagnostics, policy_name
from uniscene_ros2.geodesy import Origin
from uniscene_ros2.names import PROFILES
from uniscene_ros2.pacing import RealTime
from uniscene_ros2.packages import Packages
from uniscene_ros2.parameters import SETTINGS, descriptor, refusal
from uniscene_ros2.run import Run
from uniscene_ros2.topics import Made, Now, Topics, When
from uniscene_sim.disk_cache import user_cache
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame
from uniscene_sim.rig_file import load_rig
from uniscene_sim.simulator import PHYSICS_US
from uniscene_sim.world.ego import Control, Trajectory

__all__ = ["UnisceneNode"]

#: Whoever comes hears the frame of now when nobody else has come for so long, s: before, it may not listen yet.
_GREET_S = 0.5
_LOOK_ROUND_S = 5.0
_BRAKE_MPS2 = 4.0


class UnisceneNode(Node):
    """Runs scenarios for a stack.

    Args:
        overrides: of parameters, by name.

    Raises:
        InputError: a parameter, scenario or rig that will not do.
    """

    def __init__(self, overrides: dict[str, Any] | None = None):
        super().__init__("uniscene", parameter_overrides=[Parameter(k, value=v) for k, v in (overrides or {}).items()])
        self._declare()
        self.packages = Packages()
        self.troubles = Troubles(self.get_logger())
        profile, role = PROFILES[self._get("profile")], self._get("role")
        engines = {slot: self._get(slot) for slot in ("occupancy", "camera", "lidar")}
        rig = load_rig(self._get("rig"))
        self.run = Run(self._get("scenario"), rig, seed=self._seed(), engines=engines, tile_cache=user_cache("tiles"))
        self.topics = Topics(
            self,
            rig,
            profile,
            self.packages,
            role=role,
            cloud_layout=self._get("cloud_layout"),
            origin=Origin(self._get("origin_lat_deg"), self._get("origin_lon_deg"), self._get("origin_alt_m")),
            on_mismatch=self._on_mismatch,
        )
        self.desk = ControlDesk(int(1e6 * self._get("control_stale_s")))
        self.real_time = RealTime()
        self._listen(profile, role)
        for name in ("reset", "play", "pause", "step"):
            self.create_service(Trigger, f"~/{name}", partial(self._serve, getattr(self, f"_{name}")))
        for line in self.packages.report:
            self.get_logger().warning(line)
        self._callbacks = SingleThreadedExecutor(context=self.context)
        self._callbacks.add_node(self)
        self.add_on_set_parameters_callback(self._on_set)
        #: Ticks that may still be made, None for all of them.
        self.budget: int | None = 0 if self._get("paused") else None
        self.exit_code: int | None = None
        self.status, self.begun = "RUNNING", False
        self.bridge_ms = 0.0
        self._frame: SensorFrame | None = None
        self._asked_ns, self._asked_at, self._looked = 0, 0.0, 0.0
        self._new: set[str] = set()
        self._greet_at = 0.0
        self._open()

    # --- the loop -------------------------------------------------------------------------------------------------

    def spin(self) -> int:
        """Go on until `stop`, or until the run ends and `exit_at_end` is set; the exit code."""
        while self.exit_code is None:
            self._callbacks.spin_once(timeout_sec=self._idle_s())
            self.turn()
        return self.exit_code

    def stop(self, *_: object) -> None:
        """End the loop; takes what a signal handler is given."""
        self.exit_code = 130 if self._get("exit_at_end") else 0

    def turn(self) -> None:
        """Do what is due now."""
        now = time.monotonic()
        self._greet(now)
        self._look_round(now)
        if self.budget == 0 or self.status != "RUNNING":
            return
        builtin = self._get("driver") == "builtin"
        if builtin and not self.begun:
            self._begin(now)
        if self._get("mode") == "realtime" and self.begun:
            if now >= self.real_time.due:
                self._move(None if builtin else self._latest(), whole_tick=False)
                self.real_time.stepped(time.monotonic(), self._step_s(), self.run.at_tick)
        elif builtin:
            self._move(None)
        else:
            self._answered(now)

    def _begin(self, now: float) -> None:
        self.begun = True
        self.real_time.start(now)

    def _answered(self, now: float) -> None:
        if self._new and not self.begun:
            return
        command = self.desk.answer(self._asked_ns)
        control = command and self._asked(command)
        if control is not None:
            if not self.begun:
                self._begin(now)
            self._move(control)
        elif now - self._asked_at > self._get("lockstep_timeout_s" if self.begun else "connect_timeout_s"):
            early = self.desk.counts["early"]
            self.get_logger().error(
                f"no control in {now - self._asked_at:.1f} s after the frame at {1e-6 * self.run.stamp_us:.2f} s; "
                f"{dict(self.desk.counts) or 'none received'}"
                + ("; for a stack that answers before all of a frame is sent: answer_from:=first_message" * (early > 0))
            )
            self._end("TIMEOUT")

    def _move(self, control: Control | Trajectory | None, whole_tick: bool = True) -> None:
        run = self.run
        run.advance(control, whole_tick)
        if not run.at_tick:
            self._send(self._moments())
            return
        self._sense()
        if self.budget is not None:
            self.budget -= 1
        if run.source.done:
            self._end(run.source.outcome["status"])

    def _sense(self) -> None:
        """Make the frame of now and say it."""
        self._frame = self.run.sense(self.topics.needs)
        start = time.perf_counter()
        self._send([*self._moments(), *self.topics.made(When.FRAME, self._now())])
        self.bridge_ms = 1e3 * (time.perf_counter() - start)
        self._asked_at = time.monotonic()

    def _moments(self) -> list[Made]:
        run = self.run
        said: list[Made] = []
        for layout in run.simulator.passed:
            said += self.topics.made(When.MOMENT, Now(run.on_ros_us(layout), layout))
        return said

    def _send(self, made: list[Made]) -> None:
        """Publish; what comes after the last message answers it, so its moment is taken just before."""
        first = self._get("answer_from") == "first_message"
        asked_ns = time.time_ns()
        for k, (publisher, message) in enumerate(made):
            if k == len(made) - 1 and not first:
                asked_ns = time.time_ns()
            publisher.publish(message)
        self._asked_ns = asked_ns

    def _latest(self) -> Control | Trajectory:
        since_ns = time.time_ns() - int(1e9 * self._get("control_stale_s"))
        command = self.desk.latest(since_ns)
        return (command and self._asked(command)) or Control(self.run.layout.ego_steer, -_BRAKE_MPS2)

    def _asked(self, command: Command) -> Control | Trajectory | None:
        try:
            return command(self.run.layout, self.run.stamp_us)
        except (InputError, StaleControl) as error:
            self.desk.counts["stale"] += 1
            self.troubles.say("control", str(error))
            return None

    def _idle_s(self) -> float:
        if self.budget == 0 or self.status != "RUNNING":
            return 0.05
        if self._get("mode") == "realtime" and self.begun:
            return max(self.real_time.due - time.monotonic(), 0.0)
        return 0.0 if self._get("driver") == "builtin" else 0.02

    def _step_s(self) -> float:
        return 1e-6 * PHYSICS_US / self._get("realtime_factor")

    # --- runs -----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """A run begins: say what it is, and its first frame."""
        self.status, self.begun = "RUNNING", False
        self.desk.clear()
        if not self.run.map_text:
            self.troubles.say("map", "this map has no OpenDRIVE form: none is published")
        self._send(list(self.topics.made(When.SCENARIO, self._now())))
        self._say_status()
        self._sense()
        where = ", ".join(name for name, _ in self._inputs)
        waits = f"waits for a control on {where}" if self._get("driver") == "stack" else "drives itself"
        self.get_logger().info(f"{self.run.source.title}: {waits}")

    def _end(self, status: str) -> None:
        self.status = status
        self._say_status()
        self.get_logger().info(f"{self.run.source.title}: {status}")
        if self._get("exit_at_end"):
            self.exit_code = 0 if status in ("SUCCESS", "ACCEPTABLE") else 1

    def _say_status(self) -> None:
        self._send(list(self.topics.made(When.STATUS, self._now())))

    def close(self) -> None:
        """Let the last words be heard, and go."""
        for topic in self.topics.table:
            if topic.when is When.STATUS:
                topic.publisher.wait_for_all_acked(Duration(seconds=1))
        self.destroy_node()

    def _now(self) -> Now:
        run = self.run
        status = {
            "scenario": run.source.title,
            "seed": run.source.seed,
            **run.source.outcome,
            "status": self.status,
            "controls": dict(self.desk.counts),
        }
        return Now(
            run.stamp_us,
            run.layout,
            self._frame,
            run.simulator.moments,
            self._diagnostics,
            run.map_text,
            json.dumps(status),
        )

    def _diagnostics(self) -> DiagnosticArray:
        return diagnostics(self)

    # --- listeners ------------------------------------------------------------------------------------------------

    def _listen(self, profile: Any, role: str) -> None:
        self._inputs: list[tuple[str, Kind]] = []
        for kind in KINDS:
            name = profile.topic(kind.what, role)
            message = name and self.packages.find(kind.type_name, name)
            if name and message:
                events = SubscriptionEventCallbacks(incompatible_qos=partial(self._on_mismatch, name))
                self.create_subscription(message, name, self._on_control(kind), qos.COMMAND, event_callbacks=events)
                self._inputs.append((name, kind))
        name = profile.topic("carla_control", role)
        message = name and self.packages.find("carla_msgs/CarlaControl", name)
        if message:
            self.create_subscription(message, name, self._on_carla_control, qos.COMMAND)

    def _on_control(self, kind: Kind) -> Any:
        def take(message: Any, info: Any) -> None:
            reason = self.desk.take(kind, message, info["received_timestamp"], self.run.layout, self.run.stamp_us)
            if reason:
                self.troubles.say("control", f"refused: {reason}")

        return take

    def _on_mismatch(self, topic: str, event: Any) -> None:
        self.troubles.qos(topic, policy_name(event))

    def _on_carla_control(self, message: Any) -> None:
        {0: self._play, 1: self._pause, 2: self._step}.get(message.command, self._pause)()

    def _greet(self, now: float) -> None:
        """Say the frame to those who came after it was said, unless another follows it anyway."""
        new = self.topics.newcomers()
        if new:
            self._new |= new
            self._greet_at = now + _GREET_S
        if not self._new or now < self._greet_at:
            return
        names, self._new = self._new, set()
        if not self.begun:
            self._sense()  # the whole frame: only answers to that count, so a stack that heard it twice keeps step
        elif self.budget == 0 or self.status != "RUNNING" or self._get("mode") == "lockstep":
            asked_ns, self._frame = self._asked_ns, self.run.sense(self.topics.needs)
            told = self._now()
            self._send([m for when in (When.MOMENT, When.FRAME) for m in self.topics.made(when, told, names)])
            self._asked_ns = asked_ns

    def _look_round(self, now: float) -> None:
        if now - self._looked > _LOOK_ROUND_S:
            self._looked = now
            self.troubles.look_round(self, [t.name for t in self.topics.table], [name for name, _ in self._inputs])

    # --- services and parameters ----------------------------------------------------------------------------------

    def _serve(self, act: Any, request: Any, response: Any) -> Any:
        response.message = act()
        response.success = True
        return response

    def _reset(self) -> str:
        self.run.restart()
        self._open()
        return f"{self.run.source.title} begins anew at {1e-6 * self.run.stamp_us:.2f} s"

    def _play(self) -> str:
        self.budget = None
        self._go_on()
        return "plays"

    def _pause(self) -> str:
        self.budget = 0
        return "paused"

    def _step(self) -> str:
        self.budget = 1
        self._go_on()
        return f"one tick from {1e-6 * self.run.stamp_us:.2f} s"

    def _go_on(self) -> None:
        self._asked_at = time.monotonic()
        self.real_time.start(self._asked_at)

    def _declare(self) -> None:
        for setting in SETTINGS:
            try:
                self.declare_parameter(setting.name, setting.default, descriptor(setting))
            except Exception as error:
                raise InputError(f"{error}", field=setting.name) from error
            reason = refusal(setting, self._get(setting.name))
            if reason:
                raise InputError(reason)

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        settings = {setting.name: setting for setting in SETTINGS}
        wishes = {p.name: p.value for p in parameters}
        for name, value in wishes.items():
            reason = refusal(settings[name], value) if name in settings else None
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        if wishes.keys() & {"scenario", "seed"}:
            seed = wishes.get("seed", self._get("seed") if "scenario" not in wishes else -1)
            try:
                self.run.load(wishes.get("scenario", self._get("scenario")), None if seed < 0 else seed)
            except InputError as error:
                return SetParametersResult(successful=False, reason=str(error))
            self._open()
        self.desk.stale_us = int(1e6 * wishes.get("control_stale_s", self._get("control_stale_s")))
        if "mode" in wishes or "realtime_factor" in wishes:
            self._go_on()
        return SetParametersResult(successful=True)

    def _get(self, name: str) -> Any:
        return self.get_parameter(name).value

    def _seed(self) -> int | None:
        seed = self._get("seed")
        return None if seed < 0 else seed
