"""Diagnostics: problems, each logged once or now and then, and the numbers of each tick."""

from __future__ import annotations

import time
from collections import Counter
from difflib import get_close_matches
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind

from uniscene_ros2.loop import RunLoop
from uniscene_ros2.messages.stamps import as_time
from uniscene_ros2.packages import Packages
from uniscene_sim.metrics.consistency import AGREE_M, consistency

__all__ = ["ProblemLog", "diagnostics", "policy_name"]


_COUNTS = ("received", "used", "refused", "stale", "early", "repeated")
#: What goes on is told again after this time, s.
_REPEAT_S = 5.0


class ProblemLog:
    """Problems because of which a stack gets no data or does not drive. They stay in the diagnostics."""

    def __init__(self, logger: Any):
        self._logger = logger
        self.reported: dict[str, str] = {}
        self._told_at: dict[tuple[str, str], float] = {}
        self._untold: Counter[tuple[str, str]] = Counter()

    def report(self, about: str, what: str) -> None:
        """Report a problem, which is logged once."""
        if self.reported.get(about) != what:
            self.reported[about] = what
            self._logger.warning(what)

    def repeat(self, about: str, what: str) -> None:
        """Report a problem that may occur often: an error in the log now and then, as long as it occurs; what follows
        a comma is details."""
        self.reported[about] = what
        key, now = (about, what.partition(", ")[0]), time.monotonic()
        if now - self._told_at.get(key, -_REPEAT_S) < _REPEAT_S:
            self._untold[key] += 1
            return
        self._told_at[key] = now
        untold = self._untold.pop(key, 0)
        self._logger.error(f"{what} (and {untold} times before)" if untold else what)

    def forget(self, *about: str) -> None:
        """Remove the problems of the last run."""
        for key in about:
            self.reported.pop(key, None)
        self._told_at = {key: at for key, at in self._told_at.items() if key[0] not in about}

    def qos(self, topic: str, policy: str) -> None:
        """Report a node whose quality of service is incompatible with ours."""
        hint = (
            "; sensors are offered as RViz asks for them with --reliability reliable" if policy == "RELIABILITY" else ""
        )
        what = (
            f"{topic}: another node asks for a {policy} that this topic does not offer; no message passes between "
            f"them{hint}"
        )
        if self.reported.get(f"qos {topic}") != what:
            self.reported[f"qos {topic}"] = what
            self._logger.error(what)

    def check_topics(self, node: Node, ours: list[str], inputs: list[str]) -> None:
        """Report topics that other nodes use with a wrong name or type."""
        known = {*ours, *inputs}
        if (clocks := node.count_publishers("/clock")) > 1:
            what = f"/clock has {clocks} publishers, and nodes with use_sim_time hear all: set another ROS_DOMAIN_ID"
            self.report("clock", what)
        for name, types in node.get_topic_names_and_types():
            if name in known and len(types) > 1:
                self.report(f"type {name}", f"{name} is used with different types: {', '.join(sorted(types))}")
            if name not in known and node.count_subscribers(name) and not node.count_publishers(name):
                near = get_close_matches(name, ours, 1, cutoff=0.6)
                if near:
                    self.report(f"name {name}", f"{name} has subscribers but nobody publishes it; is {near[0]} meant?")


def policy_name(event: Any) -> str:
    """The policy in which two qualities of service are incompatible."""
    name: str = qos_policy_name_from_kind(event.last_policy_kind)
    return name


def diagnostics(loop: RunLoop, problems: ProblemLog, packages: Packages) -> DiagnosticArray:
    """Status of the run, durations of its stages, agreement of LiDAR and cameras, controls and problems."""
    run, inbox, overruns = loop.run, loop.inbox, loop.real_time.overruns
    stages = {f"{name}_ms": f"{ms:.2f}" for name, ms in run.simulator.stages_ms.items()}
    out = [
        _status("run", {"status": loop.status, "scenario": run.source.title, "paused": str(loop.budget == 0)}),
        _status("tick", {**stages, "bridge_ms": f"{loop.bridge_ms:.2f}", "overruns": str(overruns)},
                f"{overruns} ticks took longer than real time" if overruns else ""),
        _status("consistency", _agreement(loop)),
        _status("controls", {**{k: str(inbox.counts[k]) for k in _COUNTS}, "resent": str(loop.exchange.resent)},
                inbox.trouble),
        _status("topics", {**problems.reported, **{k: ", ".join(v) for k, v in packages.missing.items()}},
                "; ".join(v for k, v in problems.reported.items() if k != "control")),
    ]  # fmt: skip
    array = DiagnosticArray(status=out)
    array.header.stamp = as_time(run.stamp_us)
    return array


def _agreement(loop: RunLoop) -> dict[str, str]:
    """LiDAR depth against camera depth in the current frame; empty if one of the two has no subscriber."""
    frame = loop.frame
    found = consistency(frame, loop.run.rig) if frame is not None else None
    if found is None:
        return {"points": "0"}
    share = f"within_{AGREE_M}_m"
    return {
        "points": str(found.points),
        "median_m": f"{found.median_m:.4f}",
        "p95_m": f"{found.p95_m:.4f}",
        share: f"{found.within:.4f}",
    }


def _status(name: str, values: dict[str, str], trouble: str = "") -> DiagnosticStatus:
    return DiagnosticStatus(
        level=DiagnosticStatus.WARN if trouble else DiagnosticStatus.OK,
        name=f"uniscene: {name}",
        message=trouble or "ok",
        hardware_id="uniscene_sim",
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
