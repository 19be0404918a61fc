"""Which control answers which frame, by a stack that answers every copy of a frame in order, some of which are lost."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.third_party.late_camera import LateCameras
from uniscene_ros2 import diagnostics
from uniscene_ros2.controls import ReceivedCommand
from uniscene_ros2.diagnostics import ProblemLog
from uniscene_ros2.exchange import ANSWER, EARLY, REPEATED, Exchange
from uniscene_ros2.run import EVERY_FRAME, RosRun, answered_sensor
from uniscene_sim.errors import InputError
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.disk_cache import user_cache

RESEND_S, TIMEOUT_S = 1.0, 10.0


def control(received_ns=1, stamp_us=None):
    return ReceivedCommand(lambda layout, now_us: None, "twist_cmd", received_ns, 0, stamp_us)


class Drive:
    """Lockstep in simulated time. The stack works on one copy after another for `work_s(frame, copy)` each, and never
    gets those that are `lost(frame, copy)`."""

    def __init__(self, work_s, lost=lambda frame, copy: False, stamped=False, frames=12):
        self.exchange, self.answers, self.took = Exchange(), [], []
        now = free_at = 0.0
        coming: list[tuple[float, int]] = []  # answers: when, and to which frame

        def send(frame, copy):
            nonlocal free_at
            if not lost(frame, copy):
                free_at = max(now, free_at) + work_s(frame, copy)
                coming.append((free_at, frame))

        for frame in range(frames):
            copy, since, answer, last = 0, now, None, None
            self.exchange.frame_sent(now)
            send(frame, 0)
            while answer is None:
                now += 0.02
                patience_s = self.exchange.patience_s(RESEND_S, TIMEOUT_S)
                if coming and coming[0][0] <= now:
                    last = coming.pop(0)[1]
                    reply = control(stamp_us=last if stamped else None)
                    answer = last if self.exchange.judge(reply, now, frame) == ANSWER else None
                elif self.exchange.take_aside(now, patience_s):
                    answer = last
                assert now - self.exchange.sent_at < TIMEOUT_S, f"timeout at frame {frame}: {self.answers}"
                if answer is None and self.exchange.is_lost(now, patience_s):
                    copy += 1
                    self.exchange.sent_again(now)
                    send(frame, copy)
            self.exchange.answered()
            self.answers.append(answer)
            self.took.append(now - since)


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize(
    "lost",
    [
        lambda frame, copy: False,
        lambda frame, copy: copy == 0 and frame in (0, 3, 4, 5, 9),  # frames of which the first copy is lost
        lambda frame, copy: frame == 2 and copy < 2,
        lambda frame, copy: copy == 0,  # always
    ],
)
def test_lost_frames_are_sent_again_and_each_answer_is_to_its_own_frame(lost, stamped):
    drive = Drive(lambda frame, copy: 0.1, lost, stamped)
    assert drive.answers == list(range(12))
    assert drive.exchange.resent >= sum(lost(k, 0) for k in range(12))


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize("work_s", [0.9, 1.5, 2.9, 4.0])
def test_a_stack_that_is_slow_answers_copies_too_and_stays_in_step(work_s, stamped):
    drive = Drive(lambda frame, copy: work_s, stamped=stamped)
    assert drive.answers == list(range(12))
    assert drive.exchange.resent <= 3  # it is not asked over and over


def test_a_stack_that_is_slow_once_is_in_step_at_once():
    drive = Drive(lambda frame, copy: 5.0 if (frame, copy) == (4, 0) else 0.1)
    assert drive.answers == list(range(12)) and drive.exchange.resent >= 2
    assert max(drive.took[6:]) < 0.2


def test_a_refused_answer_costs_no_more_than_the_wait():
    exchange = Exchange()
    exchange.frame_sent(0.0)
    exchange.refused(0.1)
    assert not exchange.is_lost(1.0, RESEND_S) and exchange.is_lost(1.2, RESEND_S)
    exchange.sent_again(1.2)
    assert exchange.judge(control(), 1.3, 0) == ANSWER
    exchange.answered()
    exchange.frame_sent(1.4)
    assert exchange.judge(control(), 1.5, 0) == ANSWER  # nothing is owed


def test_how_long_a_stack_takes_is_counted_from_the_copy_it_works_on():
    exchange = Exchange()
    exchange.frame_sent(0.0)
    exchange.refused(0.1)
    exchange.sent_again(1.2)
    assert exchange.judge(control(), 1.3, 0) == ANSWER
    exchange.answered()
    assert exchange.patience_s(RESEND_S, TIMEOUT_S) == RESEND_S  # the refused one was as quick


def test_who_comes_later_has_no_more_time():
    exchange = Exchange()
    exchange.frame_sent(0.0)
    exchange.frame_sent(5.0, again=True)
    assert exchange.sent_at == 0.0 and not exchange.is_lost(5.5, RESEND_S)


def test_early_controls_and_repeated_ones():
    exchange = Exchange()
    exchange.sent_ns = 10
    exchange.frame_sent(0.0)
    assert exchange.judge(control(9), 0.1, 0) == EARLY
    exchange.sent_again(1.2)
    assert exchange.judge(control(11), 1.3, 0) == ANSWER
    exchange.answered()
    exchange.sent_ns = 20
    exchange.frame_sent(1.4)
    assert exchange.judge(control(15), 1.5, 0) == EARLY  # the second answer to the frame before, owed
    assert exchange.judge(control(21), 1.6, 0) == ANSWER
    exchange.sent_again(2.0)
    exchange.answered()
    exchange.frame_sent(2.2)
    assert exchange.judge(control(22), 2.3, 0) == REPEATED and exchange.take_aside(3.2, RESEND_S) is None
    assert exchange.take_aside(3.4, RESEND_S) is not None  # no other came: it was the answer


def rig_file(tmp_path, *sensors):
    """A rig of cameras "c0", ... and LiDARs "l1", ..., of (kind, period in ms, phase in ms)."""
    rows = {"cameras": [], "lidars": []}
    for k, (kind, period, phase) in enumerate(sensors):
        spec = (
            "fov_deg: 90, width: 16, height: 16, max_range_m: 30"
            if kind == "cameras"
            else "elevation_deg: [-10, 0], azimuth_steps: 60, max_range_m: 30"
        )
        rows[kind].append(
            f"  - {{name: {kind[0]}{k}, {spec}, position: [1, 0, 2], period_ms: {period}, phase_ms: {phase}}}"
        )
    text = "".join(f"{kind}:\n" + "\n".join(some) + "\n" for kind, some in rows.items() if some)
    file = tmp_path / "mixed.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("sensors", "engines"),
    [
        ([("cameras", 50, 0), ("lidars", 100, 0)], {}),
        ([("cameras", 50, 0), ("lidars", 100, 50)], {}),
        ([("cameras", 100, 20), ("lidars", 100, 0), ("lidars", 200, 100)], {}),
        ([("cameras", 50, 0), ("cameras", 100, 50), ("lidars", 100, 0)], {"camera": LateCameras}),
    ],
)
def test_the_frames_that_are_answered_are_those_that_hold_the_sensor(tmp_path, monkeypatch, sensors, engines):
    rig = load_rig(rig_file(tmp_path, *sensors))
    run = RosRun("cut_in", rig, tile_cache=user_cache("tiles"))
    for slot, kind in engines.items():
        run.simulator.engines[slot] = kind()
        run.simulator._latency_us[slot] = kind.latency_ticks * run.tick_us
    names = [sensor.name for sensor in rig.sensors]
    for _ in range(24):
        there = run.sense(names).records
        assert [run.is_answered(name) for name in names] == [name in there for name in names]
        assert run.is_answered(EVERY_FRAME)
        run.advance(None, whole_tick=True)
    run.advance(None, whole_tick=False)
    assert not run.is_answered(EVERY_FRAME)  # in the midst of a tick


def test_the_first_lidar_is_answered_else_the_first_camera_and_unknown_names_are_refused(tmp_path):
    mixed = load_rig(rig_file(tmp_path, ("cameras", 50, 0), ("cameras", 100, 0), ("lidars", 100, 0)))
    assert answered_sensor(mixed, "") == "l2" and answered_sensor(mixed, "c1") == "c1"
    with pytest.raises(InputError, match="answer_to: expected one of l2, c0, c1, every_frame, got 'top'"):
        answered_sensor(mixed, "top")
    assert answered_sensor(load_rig(rig_file(tmp_path, ("cameras", 50, 0), ("cameras", 100, 0))), "") == "c0"
    assert answered_sensor(SensorRig("bare"), "") == EVERY_FRAME


def test_what_goes_on_is_told_now_and_then_and_new_things_at_once(monkeypatch):
    told, now = [], [0.0]
    monkeypatch.setattr(diagnostics.time, "monotonic", lambda: now[0])
    log = ProblemLog(SimpleNamespace(error=told.append, warning=told.append))
    for now[0] in np.arange(0.0, 11.0, 0.1):
        log.repeat("control", f"its stamp is too old, by {now[0]:.1f} s")
    log.repeat("control", "its stamp is of another clock")
    assert [line[:24] for line in told] == ["its stamp is too old, by"] * 3 + ["its stamp is of another "]
    assert "and 49 times before" in told[1]
    log.forget("control")
    log.repeat("control", "its stamp is of another clock")
    assert len(told) == 5 and log.reported == {"control": "its stamp is of another clock"}
