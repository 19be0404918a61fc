"""The loop: publish a frame, receive a control, advance the world; in one thread, with a timeout on every wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from uniscene_ros2.controls import CommandKind, ControlInbox, ReceivedCommand, StaleControl
from uniscene_ros2.exchange import ANSWER, REPEATED, Exchange
from uniscene_ros2.recordings import NodeRecordings
from uniscene_ros2.run import RosRun
from uniscene_ros2.run_report import RUNNING, RunReport, nobody_listens
from uniscene_ros2.topics import PublishContext, PublisherMessage, PublishTime, TopicTable
from uniscene_ros2.wall_clock import WallClockPacer
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame

__all__ = ["RunLoop"]

#: The current frame is sent again to new subscribers after this time without further ones, s, as they may connect
#: slowly; and after this time since the first of them, as some may come and go for ever.
_RESEND_AFTER_S, _RESEND_WITHIN_S = 0.5, 2.0
#: Braking of an ego whose stack sends no controls in real time.
_BRAKE_MPS2 = 4.0


class RunLoop:
    """Advances a run, at the pace of the stack's answers or of the wall clock.

    Args:
        run: the run.
        topics: where messages are published.
        inbox: controls received.
        setting: returns a parameter's value by name.
        diagnostics: returns the diagnostics to publish.
        complain: called for each problem, with what it is about and its description.
        recordings: where each run is kept.

    Attributes:
        report: the status of the run.
        started: whether the first control was received; until then the world stays at its first frame that is to be
            answered.
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
        complain: Callable[[str, str], None],
        recordings: NodeRecordings,
    ):
        self.run, self.topics, self.inbox, self._setting = run, topics, inbox, setting
        self._diagnostics, self._complain, self._recordings = diagnostics, complain, recordings
        self.real_time, self.exchange = WallClockPacer(), Exchange()
        self.report = RunReport(run, inbox, self.exchange)
        self.started, self.bridge_ms = False, 0.0
        self.budget: int | None = 0 if setting("paused") else None
        self.frame: SensorFrame | None = None
        self._held: ReceivedCommand | None = None  # the last control that was used
        self._new: set[str] = set()
        self._resend_at = self._resend_by = 0.0

    # --- turns ----------------------------------------------------------------------------------------------------

    def idle_s(self) -> float:
        """How long to wait for messages before something else is due."""
        if self.is_idle:
            return 0.05
        if self._setting("mode") == "realtime" and self.started:
            return max(self.real_time.due - time.monotonic(), 0.0)
        return 0.02 if self._setting("driver") == "stack" and self._is_waiting else 0.0

    def spin_once(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        self._resend_to_newcomers(now)
        if self.report.is_due(now):
            self._publish_status()
        if self.is_idle:
            return
        builtin = self._setting("driver") == "builtin"
        if builtin and not self.started:
            self._start(now)
        if self._setting("mode") == "realtime" and self.started:
            if now >= self.real_time.due:
                self._advance(None if builtin else self._latest(), whole_tick=False)
                step_s = 1e-6 * self.run.step_us / self._setting("realtime_factor")
                self.real_time.step_done(time.monotonic(), step_s, self.run.at_tick)
        elif builtin:
            self._advance(None)
        elif self.started or not self._new:
            self._advance_if_answered(now)

    @property
    def is_idle(self) -> bool:
        """Whether the run is over or paused."""
        return self.status != RUNNING or self.budget == 0

    @property
    def status(self) -> str:
        """RUNNING, or the result of the run."""
        return self.report.status

    @property
    def _needs(self) -> Set[str]:
        """What is to be simulated: what is listened to or recorded."""
        return self.topics.needs | self._recordings.needs(self.run)

    def _start(self, now: float) -> None:
        self.started = True
        self.real_time.start(now)

    def receive(self, kind: CommandKind, message: Any, received_ns: int) -> str | None:
        """Receive a control, see `ControlInbox.receive`."""
        reason = self.inbox.receive(kind, message, received_ns, self.run.layout, self.run.stamp_us)
        if reason:
            self.exchange.refused(time.monotonic())
            self._complain("control", f"refused: {reason}")
        return reason

    @property
    def _is_waiting(self) -> bool:
        """Whether the present frame is to be answered before the world goes on."""
        return self.run.is_answered(self._setting("answer_to"))

    def _advance_if_answered(self, now: float) -> None:
        """Advance if the frame is answered or need not be; send it again if not; end the run if that does not help."""
        if not self._is_waiting:
            self._advance(self._held_control())
            return
        timeout_s = self._setting("lockstep_timeout_s" if self.started else "connect_timeout_s")
        patience_s = self.exchange.patience_s(self._setting("resend_s"), timeout_s)
        is_over = now - self.exchange.sent_at > timeout_s
        reply = self._reply(now, 0.0 if is_over else patience_s)
        control = None if reply is None else self._control_of(reply)
        if reply is not None and control is not None:
            self.exchange.answered()
            self._held = reply
            self.inbox.counts[ANSWER] += 1
            if not self.started:
                self._start(now)
                self._check_listeners()
            self._advance(control)
        elif is_over:
            self.report.seen = self._what_was_seen()
            self._complain("run", f"no control in {now - self.exchange.sent_at:.1f} s: {self.report.seen}")
            self._end("TIMEOUT")
        elif self.exchange.is_lost(now, patience_s):
            self._send_again(now)

    def _reply(self, now: float, patience_s: float) -> ReceivedCommand | None:
        """The answer to the frame, None if there is none yet."""
        reply = self.inbox.take()
        if reply is None:
            aside = self.exchange.take_aside(now, patience_s)
            self.inbox.counts[REPEATED] -= aside is not None
            return aside
        verdict = self.exchange.judge(reply, now, self.run.stamp_us)
        if verdict == ANSWER:
            return reply
        self.inbox.counts[verdict] += 1
        return None

    def _latest(self) -> Control | Trajectory:
        """In real time: the last control; braking, if it is stale."""
        self._held = self.inbox.latest(self.run.stamp_us)
        if self._held is None:
            return self._braking()
        self.inbox.counts[ANSWER] += 1
        return self._control_of(self._held) or self._braking()

    def _held_control(self) -> Control | Trajectory:
        """For a tick that is not waited for: the last control; coasting before the first, braking after its end."""
        layout = self.run.layout
        if self._held is None:
            return Control(layout.ego_steer, 0.0)
        try:
            return self._held.command(layout, self.run.stamp_us)
        except (InputError, StaleControl):
            return self._braking()

    def _braking(self) -> Control:
        return Control(self.run.layout.ego_steer, -_BRAKE_MPS2)

    def _control_of(self, reply: ReceivedCommand) -> Control | Trajectory | None:
        """The control for a command now; None if it has become stale since it was received."""
        try:
            return reply.command(self.run.layout, self.run.stamp_us)
        except (InputError, StaleControl) as error:
            self._complain("control", f"refused: {self.inbox.refuse('stale', reply.topic, str(error))}")
            return None

    def _what_was_seen(self) -> str:
        """Why the present frame has no answer."""
        seen, listeners = self.report.seen_since_frame(), self._nobody_listens()
        return f"{seen}; {listeners}" if listeners else seen

    def _nobody_listens(self) -> str:
        return nobody_listens(self.run, self.topics.needs, self._setting("answer_to"))

    def _check_listeners(self) -> None:
        rates = {(s.period_us, s.phase_us) for s in self.run.rig.sensors}
        if len(rates) > 1 and (listeners := self._nobody_listens()):
            self._complain("answer_to", listeners)

    def _advance(self, control: Control | Trajectory | None, whole_tick: bool = True) -> None:
        run = self.run
        run.advance(control, whole_tick)
        self._recordings.advanced(run)
        if not run.at_tick:
            self._send(self._step_messages())
            return
        self._sense()
        if self.budget is not None:
            self.budget -= 1
        if run.source.done:
            for late in run.flush(self._needs):
                self.frame = late
                self._recordings.add(run, late)
                self._send(list(self.topics.messages(PublishTime.FRAME, self._now())))
            self._end(run.source.outcome.status)

    # --- publishing ------------------------------------------------------------------------------------------------

    def _sense(self, again: bool = False) -> None:
        """Simulate the sensors and publish the frame; `again` at the same time as before."""
        self.frame = self.run.sense(self._needs)
        start = time.perf_counter()
        if not again:
            self._recordings.add(self.run, self.frame)
        steps = [] if again else self._step_messages()
        self._send([*steps, *self._frame_messages(again)])
        self.bridge_ms = 1e3 * (time.perf_counter() - start)
        self.exchange.frame_sent(time.monotonic(), again)
        self.report.frame_sent()

    def _frame_messages(self, with_now: bool = False, only: Set[str] | None = None) -> list[PublisherMessage]:
        """Messages of the present frame; `with_now` also those of the physics step at its time."""
        now, frame, step = self._now(), PublishTime.FRAME, PublishTime.PHYSICS_STEP
        return [
            m for when in ((step, frame) if with_now else (frame,)) for m in self.topics.messages(when, now, only=only)
        ]

    def _send_again(self, now: float) -> None:
        """Publish the frame again as it was: the stack, or its answer, may have been lost."""
        messages = self._frame_messages(with_now=True)
        for publisher, message in messages:
            publisher.publish(message)
        self.exchange.sent_again(now, to_somebody=bool(messages))
        if messages and self.started:
            self._complain("resent", f"the frame is sent again, {self._what_was_seen()}")

    def _step_messages(self) -> list[PublisherMessage]:
        run, origin = self.run, self.run.source.map.frame_origin
        steps = (
            PublishContext(run.ros_stamp_us(layout), layout, frame_origin=origin, earth=run.earth, earlier=earlier)
            for layout, earlier in run.steps()
        )
        return list(self.topics.messages(PublishTime.PHYSICS_STEP, *steps))

    def _send(self, messages: list[PublisherMessage]) -> None:
        """Publish messages and note the time just before the last one: controls received later answer the frame."""
        self.exchange.sent_ns, last = time.time_ns(), self._setting("answer_from") == "last_message"
        for k, (publisher, message) in enumerate(messages, start=1):
            if k == len(messages) and last:
                self.exchange.sent_ns = time.time_ns()
            publisher.publish(message)

    def _resend_to_newcomers(self, now: float) -> None:
        """Publish the frame again for subscribers that came after it was sent, unless another one follows anyway."""
        new = self.topics.topics_with_new_subscribers()
        if new:
            if not self._new:
                self._resend_by = now + _RESEND_WITHIN_S
            self._new |= new
            self._resend_at = min(now + _RESEND_AFTER_S, self._resend_by)
        if not self._new or now < self._resend_at:
            return
        names, self._new = self._new, set()
        if not self.started:
            # The whole frame: only answers to this one count, so a stack that received it twice stays in step.
            self._sense(again=True)
        elif self.is_idle or self._setting("mode") == "lockstep":
            self.frame = self.run.sense(self._needs)
            for publisher, message in self._frame_messages(with_now=True, only=names):
                publisher.publish(message)

    def _now(self) -> PublishContext:
        run = self.run
        *_, (_, earlier) = run.steps()
        return PublishContext(
            run.stamp_us,
            run.layout,
            self.frame,
            run.simulator.recent_layouts,
            self._diagnostics,
            self.report.text,
            run.map_text,
            run.source.map.frame_origin,
            run.earth,
            earlier,
        )

    # --- runs -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start a run: publish its description and its first frame."""
        self.started, self._held = False, None
        self.inbox.clear()
        self.exchange.begin(time.monotonic())
        self.report.begin()
        self._recordings.begin(self.run)
        now = self._now()
        self._send([m for when in (PublishTime.SCENARIO, PublishTime.STATUS) for m in self.topics.messages(when, now)])
        self._sense()

    def _end(self, status: str) -> None:
        self.report.status = status
        self._recordings.end()
        self._publish_status()

    def _publish_status(self) -> None:
        for publisher, message in self.topics.messages(PublishTime.STATUS, self._now()):
            publisher.publish(message)

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
        now = time.monotonic()
        self.exchange.restart(now)
        self.real_time.start(now)
