"""The node: connects parameters, services and control topics of ROS to a run and its loop.

The next scenario is loaded by setting the parameter `scenario`: `ros2 param set /uniscene scenario red_light`, or a
call of `/uniscene/set_parameters` (rcl_interfaces/srv/SetParameters), which sets parameters one by one and loads at
each. `/uniscene/set_parameters_atomically` sets scenario and seed together: one load, or none if either is refused. The
answer comes when the new run has started; a refusal gives its reason, and the present run continues.

The service `~/edit` changes the world while it runs, by an edit as scenario files have them.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.srv import AddDiagnostics
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from uniscene_ros2 import qos
from uniscene_ros2.controls import COMMAND_KINDS, CommandKind, ControlInbox
from uniscene_ros2.diagnostics import ProblemLog, diagnostics, policy_name
from uniscene_ros2.loop import RunLoop
from uniscene_ros2.messages.geodesy import Origin
from uniscene_ros2.packages import Packages
from uniscene_ros2.parameters import NODE_PARAMETERS, descriptor, refusal_reason
from uniscene_ros2.profiles import PROFILES
from uniscene_ros2.recordings import NodeRecordings
from uniscene_ros2.run import RosRun, answered_sensor
from uniscene_ros2.topics import PublishTime, TopicTable, in_namespace
from uniscene_ros2.twins import TwinWatch
from uniscene_sim.errors import InputError, one_line
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.plugins import DEFAULTS
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.remote.address import Remote
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.disk_cache import user_cache

__all__ = ["UnisceneNode"]

_TOPIC_CHECK_S = 5.0
_RESTART = "call the service reset, or set the parameter scenario"


class UnisceneNode(Node):
    """Runs scenarios for a stack.

    Args:
        overrides: values of parameters, by name.

    Raises:
        InputError: an invalid parameter, scenario or rig.
    """

    def __init__(self, overrides: dict[str, Any] | None = None):
        given = [Parameter(name, value=value) for name, value in (overrides or {}).items()]
        try:
            super().__init__("uniscene", parameter_overrides=given)
        except Exception as error:  # of an argument or variable of ROS
            raise InputError(f"no node can be made: {error}", field="ROS") from error
        twins = TwinWatch(self)
        self._declare()
        self.packages = Packages()
        self.problems = ProblemLog(self.get_logger())
        profile, role = PROFILES[self.get("profile")], self.get("role")
        options = RecordOptions(self.get("record_images"), self.get("record_sweeps"), self.get("record_limit"))
        folder = Path(self.get("record")) if self.get("record") else None
        self.recordings = NodeRecordings(folder, options, self.problems.report)
        engines = {slot: self.get(slot) for slot in DEFAULTS}
        rig = load_rig(self.get("rig"))
        self.run = RosRun(
            self.get("scenario"),
            rig,
            source=self.get("source"),
            seed=self._seed(),
            engines=engines,
            trace=self.get("trace"),
            tile_cache=user_cache("tiles"),
            remote=Remote(self.get("remote"), self.get("tls_ca") or None) if self.get("remote") else None,
            origin=Origin(self.get("origin_lat_deg"), self.get("origin_lon_deg"), self.get("origin_alt_m")),
        )
        answered_sensor(rig, self.get("answer_to"))
        self._twin = ""
        twins.claim(lambda conflict: setattr(self, "_twin", conflict))
        self.topics = TopicTable(
            self,
            rig,
            profile,
            self.packages,
            role=role,
            cloud_layout=self.get("cloud_layout"),
            reliability=self.get("reliability"),
            on_mismatch=self._on_mismatch,
        )
        self.inbox = ControlInbox(int(1e6 * self.get("control_stale_s")))
        self.loop = RunLoop(
            self.run,
            self.topics,
            self.inbox,
            self.get,
            lambda: diagnostics(self.loop, self.problems, self.packages),
            self.problems.repeat,
            self.recordings,
        )
        self._inputs: list[tuple[str, CommandKind]] = []
        self._listen(profile, role)
        for act in (self.loop.reset, self.loop.play, self.loop.pause, self.loop.step):
            self.create_service(Trigger, f"~/{act.__name__}", partial(self._serve, act))
        # Of the types that all installations have, this one takes a text and answers with success and a message.
        self.create_service(AddDiagnostics, "~/edit", self._edit)
        for line in self.packages.report:
            self.get_logger().warning(line)
        self._callbacks = SingleThreadedExecutor(context=self.context)
        self._callbacks.add_node(self)
        self.add_on_set_parameters_callback(self._on_set)
        self.exit_code: int | None = None
        self._checked_at = 0.0
        self._open()

    def spin(self) -> int:
        """Run until `stop`, or until the run ends if `exit_at_end` is set; returns the exit code.

        Raises:
            InputError: another node started in this namespace at the same moment, just before this one.
        """
        status = ""
        with self.recordings:
            while self.exit_code is None:
                self.turn()
                self._check_topics()
                if status != self.loop.status:
                    status = self.loop.status
                    self._report(status)
        return self.exit_code

    def _serve_others(self) -> None:
        try:
            self._callbacks.spin_once(timeout_sec=self.loop.idle_s())
        except Exception as error:  # nobody ends the node by what he sends, such as a parameter of no known type
            self.problems.repeat("request", f"what another node sent cannot be used, {type(error).__name__}: {error}")

    def drive(self, source: LayoutSource) -> None:
        """Start a run of a source that is open already; `turn` goes on with it."""
        self.run.load_source(source)
        self._open()

    def turn(self) -> None:
        """Receive what has come, and do what is due."""
        self._serve_others()
        if self._twin:
            raise InputError(self._twin)
        self.loop.spin_once()

    def stop(self, *_: object) -> None:
        """End the loop; accepts the arguments of a signal handler."""
        self.exit_code = 130 if self.get("exit_at_end") else 0

    def close(self) -> None:
        """Wait until the last status is delivered, and destroy the node."""
        for topic in self.topics.table:
            if topic.when is PublishTime.STATUS:
                topic.publisher.wait_for_all_acked(Duration(seconds=1))
        self.destroy_node()

    def _report(self, status: str) -> None:
        where = ", ".join(name for name, _ in self._inputs)
        waits = f"waits for a control on {where}" if self.get("driver") == "stack" else "drives itself"
        self.get_logger().info(f"{one_line(self.run.source.title)}: {waits if status == 'RUNNING' else status}")
        if status != "RUNNING" and self.get("exit_at_end"):
            self.exit_code = 0 if status in ("SUCCESS", "ACCEPTABLE") else 1

    # --- listeners ------------------------------------------------------------------------------------------------

    def _listen(self, profile: Any, role: str) -> None:
        for kind in COMMAND_KINDS:
            name = profile.topic(kind.what, role)
            name = name and in_namespace(self, name)
            message = name and self.packages.find(kind.type_name, name)
            if name and message:
                events = SubscriptionEventCallbacks(incompatible_qos=partial(self._on_mismatch, name))
                self.create_subscription(message, name, self._on_control(kind), qos.COMMAND, event_callbacks=events)
                self._inputs.append((name, kind))
        name = profile.topic("carla_control", role)
        message = name and self.packages.find("carla_msgs/CarlaControl", name)
        if message:
            self.create_subscription(message, name, self._on_carla_control, qos.COMMAND)

    def _on_control(self, kind: CommandKind) -> Any:
        def receive(message: Any, info: Any) -> None:
            self.loop.receive(kind, message, info["received_timestamp"])
            if self.loop.status != "RUNNING":
                self.problems.repeat("over", f"a control came, but the run is over ({self.loop.status}): {_RESTART}")

        return receive

    def _on_mismatch(self, topic: str, event: Any) -> None:
        self.problems.qos(topic, policy_name(event))

    def _on_carla_control(self, message: Any) -> None:
        {0: self.loop.play, 1: self.loop.pause, 2: self.loop.step}.get(message.command, self.loop.pause)()

    def _check_topics(self) -> None:
        now = time.monotonic()
        if now - self._checked_at > _TOPIC_CHECK_S:
            self._checked_at = now
            self.problems.check_topics(self, [t.name for t in self.topics.table], [name for name, _ in self._inputs])

    # --- services and parameters ----------------------------------------------------------------------------------

    def _serve(self, act: Any, request: Any, response: Any) -> Any:
        response.message = act()
        response.success = True
        return response

    def _edit(self, request: Any, response: Any) -> Any:
        try:
            response.message, response.success = self.run.edit(request.load_namespace), True
        except Exception as error:  # whatever it is, the run goes on
            response.message, response.success = one_line(str(error)), False
        return response

    def _declare(self) -> None:
        for setting in NODE_PARAMETERS:
            try:
                self.declare_parameter(setting.name, setting.default, descriptor(setting))
            except Exception as error:
                raise InputError(f"{error}; expected: {setting.text}", field=setting.name) from error
            reason = refusal_reason(setting, self.get(setting.name))
            if reason:
                raise InputError(reason)

    def _on_set(self, parameters: list[Parameter]) -> SetParametersResult:
        settings = {setting.name: setting for setting in NODE_PARAMETERS}
        values = {p.name: p.value for p in parameters}
        for name, value in values.items():
            reason = refusal_reason(settings[name], value) if name in settings else None
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        try:
            answered_sensor(self.run.rig, values.get("answer_to", ""))
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if values.keys() & {"scenario", "source", "seed"}:
            scenario, source, seed = (values.get(name, self.get(name)) for name in ("scenario", "source", "seed"))
            try:
                self.run.load(scenario, source, None if seed < 0 else seed)
            except Exception as error:  # whatever it is, the present run goes on
                kind = "" if isinstance(error, InputError) else f"cannot be loaded: {type(error).__name__}: "
                return SetParametersResult(successful=False, reason=one_line(f"{kind}{error}"))
            self._open()
        self.inbox.stale_us = int(1e6 * values.get("control_stale_s", self.get("control_stale_s")))
        if "mode" in values or "realtime_factor" in values:
            self.loop.restart_clock()
        return SetParametersResult(successful=True)

    def _open(self) -> None:
        self.problems.forget("run", "control", "earth", "resent", "answer_to", "over")
        if self.run.earth_problem:
            self.problems.report("earth", self.run.earth_problem)
        if not self.run.map_text():
            self.problems.report("map", "this map has no OpenDRIVE form: none is published")
        self.loop.open()

    def get(self, name: str) -> Any:
        """The value of a parameter."""
        return self.get_parameter(name).value

    def _seed(self) -> int | None:
        seed = self.get("seed")
        return None if seed < 0 else seed
