"""The loop: publish a frame, receive a control, advance the world; in one thread, with a timeout on every wait."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from uniscene_ros2.controls import Command, ControlInbox, StaleControl
from uniscene_ros2.run import RosRun
from uniscene_ros2.topics import PublishContext, PublisherMessage, PublishTime, TopicTable
from uniscene_ros2.wall_clock import WallClockPacer
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame
from uniscene_sim.layout import PHYSICS_US

__all__ = ["RunLoop"]

#: The current frame is sent again to new subscribers after this time without further ones, s; they may connect slowly.
_RESEND_AFTER_S = 0.5
#: Braking of an ego whose stack sends no controls in real time.
_BRAKE_MPS2 = 4.0
_RUNNING = "RUNNING"


class RunLoop:
    """Advances a run, at the pace of the stack's answers or of the wall clock.

    Args:
        run: the run.
        topics: where messages are published.
        inbox: controls received.
        setting: returns a parameter's value by name.
        diagnostics: returns the diagnostics to publish.
        complain: called with a description of each problem.

    Attributes:
        status: RUNNING, or the result of the run.
        started: whether the first control was received; until then the world stays at its first frame.
        budget: number of ticks that may still be simulated, None for no limit.
        frame: the last frame.
        bridge_ms: time for making and publishing the messages of the last frame.
    """

    def __init__(
        self,
        run: RosRun,
        topics: TopicTable,
        inbox: ControlInbox,
        setting: Callable[[str], Any],
        diagnostics: Callable[[], DiagnosticArray],
        complain: Callable[[str], None],
    ):
        self.run, self.topics, self.inbox, self._setting = run, topics, inbox, setting
        self._diagnostics, self._complain = diagnostics, complain
        self.real_time = WallClockPacer()
        self.status, self.started, self.bridge_ms = _RUNNING, False, 0.0
        self.budget: int | None = 0 if setting("paused") else None
        self.frame: SensorFrame | None = None
        self._sent_ns, self._sent_at = 0, 0.0  # when the frame was sent: wall clock, ns, and monotonic clock, s
        self._new: set[str] = set()
        self._resend_at = 0.0

    # --- turns ----------------------------------------------------------------------------------------------------

    def idle_s(self) -> float:
        """How long to wait for messages before something else is due."""
        if self.is_idle:
            return 0.05
        if self._setting("mode") == "realtime" and self.started:
            return max(self.real_time.due - time.monotonic(), 0.0)
        return 0.0 if self._setting("driver") == "builtin" else 0.02

    def spin_once(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        self._resend_to_newcomers(now)
        if self.is_idle:
            return
        builtin = self._setting("driver") == "builtin"
        if builtin and not self.started:
            self._start(now)
        if self._setting("mode") == "realtime" and self.started:
            if now >= self.real_time.due:
                self._advance(None if builtin else self._latest(), whole_tick=False)
                step_s = 1e-6 * PHYSICS_US / self._setting("realtime_factor")
                self.real_time.step_done(time.monotonic(), step_s, self.run.at_tick)
        elif builtin:
            self._advance(None)
        elif self.started or not self._new:
            self._advance_if_answered(now)

    @property
    def is_idle(self) -> bool:
        """Whether the run is over or paused."""
        return self.status != _RUNNING or self.budget == 0

    def _start(self, now: float) -> None:
        self.started = True
        self.real_time.start(now)

    def _advance_if_answered(self, now: float) -> None:
        """Advance if the frame is answered; end the run if no answer comes in time."""
        command = self.inbox.take_reply(self._sent_ns)
        control = command and self._control_of(command)
        if control is not None:
            if not self.started:
                self._start(now)
            self._advance(control)
        elif now - self._sent_at > self._setting("lockstep_timeout_s" if self.started else "connect_timeout_s"):
            at, counts = 1e-6 * self.run.stamp_us, dict(self.inbox.counts)
            hint = "; does it answer before all of a frame is sent? answer_from:=first_message"
            self._complain(
                f"no control in {now - self._sent_at:.1f} s after the frame at {at:.2f} s, of controls: "
                f"{counts or 'none'}{hint if counts.get('early') else ''}"
            )
            self._end("TIMEOUT")

    def _latest(self) -> Control | Trajectory:
        since_ns = time.time_ns() - int(1e9 * self._setting("control_stale_s"))
        command = self.inbox.latest(since_ns)
        return (command and self._control_of(command)) or Control(self.run.layout.ego_steer, -_BRAKE_MPS2)

    def _control_of(self, command: Command) -> Control | Trajectory | None:
        """The control for a command now; None if it has become stale since it was received."""
        try:
            return command(self.run.layout, self.run.stamp_us)
        except (InputError, StaleControl) as error:
            self.inbox.counts["stale"] += 1
            self._complain(str(error))
            return None

    def _advance(self, control: Control | Trajectory | None, whole_tick: bool = True) -> None:
        run = self.run
        run.advance(control, whole_tick)
        if not run.at_tick:
            self._send(self._step_messages())
            return
        self._sense()
        if self.budget is not None:
            self.budget -= 1
        if run.source.done:
            for late in run.flush(self.topics.needs):
                self.frame = late
                self._send(list(self.topics.messages(PublishTime.FRAME, self._now())))
            self._end(run.source.outcome.status)

    # --- publishing ------------------------------------------------------------------------------------------------

    def _sense(self) -> None:
        """Simulate the sensors and publish the frame."""
        self.frame = self.run.sense(self.topics.needs)
        start = time.perf_counter()
        self._send([*self._step_messages(), *self.topics.messages(PublishTime.FRAME, self._now())])
        self.bridge_ms = 1e3 * (time.perf_counter() - start)
        self._sent_at = time.monotonic()

    def _step_messages(self) -> list[PublisherMessage]:
        run, layouts = self.run, self.run.simulator.tick_layouts
        return list(
            self.topics.messages(
                PublishTime.PHYSICS_STEP,
                *(
                    PublishContext(
                        run.ros_stamp_us(layout), layout, frame_origin=run.source.map.frame_origin, earth=run.earth
                    )
                    for layout in layouts
                ),
            )
        )

    def _send(self, messages: list[PublisherMessage]) -> None:
        """Publish messages and note the time just before the last one: controls received later answer the frame."""
        self._sent_ns, last = time.time_ns(), self._setting("answer_from") == "last_message"
        for k, (publisher, message) in enumerate(messages, start=1):
            if k == len(messages) and last:
                self._sent_ns = time.time_ns()
            publisher.publish(message)

    def _resend_to_newcomers(self, now: float) -> None:
        """Publish the frame again for subscribers that came after it was sent, unless another one follows anyway."""
        new = self.topics.topics_with_new_subscribers()
        if new:
            self._new |= new
            self._resend_at = now + _RESEND_AFTER_S
        if not self._new or now < self._resend_at:
            return
        names, self._new = self._new, set()
        if not self.started:
            # The whole frame: only answers to this one count, so a stack that received it twice stays in step.
            self._sense()
        elif self.is_idle or self._setting("mode") == "lockstep":
            sent_ns, self.frame = self._sent_ns, self.run.sense(self.topics.needs)
            context = self._now()
            self._send(
                [
                    m
                    for when in (PublishTime.PHYSICS_STEP, PublishTime.FRAME)
                    for m in self.topics.messages(when, context, only=names)
                ]
            )
            self._sent_ns = sent_ns

    def _now(self) -> PublishContext:
        run = self.run
        return PublishContext(
            run.stamp_us,
            run.layout,
            self.frame,
            run.simulator.recent_layouts,
            self._diagnostics,
            self._status,
            run.map_text,
            run.source.map.frame_origin,
            run.earth,
        )

    def _status(self) -> str:
        run = self.run
        facts = {
            "scenario": run.source.title,
            "seed": run.source.seed,
            **run.source.outcome.as_dict(),
            "status": self.status,
        }
        return json.dumps({**facts, "controls": dict(self.inbox.counts)})

    # --- runs -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start a run: publish its description and its first frame."""
        self.status, self.started = _RUNNING, False
        self.inbox.clear()
        now = self._now()
        self._send([m for when in (PublishTime.SCENARIO, PublishTime.STATUS) for m in self.topics.messages(when, now)])
        self._sense()

    def _end(self, status: str) -> None:
        self.status = status
        self._send(list(self.topics.messages(PublishTime.STATUS, self._now())))

    def reset(self) -> str:
        self.run.restart()
        self.open()
        return f"{self.run.source.title} starts again at {1e-6 * self.run.stamp_us:.2f} s"

    def play(self) -> str:
        self.budget = None
        self.restart_clock()
        return "plays"

    def pause(self) -> str:
        self.budget = 0
        return "paused"

    def step(self) -> str:
        self.budget = 1
        self.restart_clock()
        return f"one tick from {1e-6 * self.run.stamp_us:.2f} s"

    def restart_clock(self) -> None:
        """Restart timeouts and real-time pacing from now."""
        self._sent_at = time.monotonic()
        self.real_time.start(self._sent_at)
