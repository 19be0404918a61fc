"""What is kept of a drive while it lasts: curves, tracks, digests, controls, and when criteria began to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.criteria.collisions import partner_of
from uniscene_sim.criteria.moment import Moment
from uniscene_sim.criteria.speeding import limit_at
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.outcome import FAR_ENOUGH, CriterionResult, Outcome
from uniscene_sim.recording.stages import layout_digest
from uniscene_sim.regression.results import SERIES_DTYPE, TRACK_DTYPE, Violation
from uniscene_sim.simulator import Simulator
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["LAYOUT", "DriveLog"]

#: Key of the layout among the digests of a tick; no sensor can have this name.
LAYOUT = "/layout"
_NEAR_M = 120.0  # around the ego, within which others are kept
_SHORT = 16  # hexadecimal digits of a digest


class _Contact(NamedTuple):
    """Whom the ego has begun to touch."""

    partner: str  # type of partner, as criteria of collisions have it
    text: str  # with the time, and how fast it was


class DriveLog:
    """The log of a drive.

    Args:
        source: of its world.
    """

    def __init__(self, source: ScenarioSource):
        self._source = source
        self._rows: list[tuple[float, ...]] = []
        self._tracks: list[np.ndarray] = []
        self._digests: list[Mapping[str, str]] = []
        self._sha = hashlib.sha256()
        self._fails_since: dict[int, float] = {}  # by index of the criterion
        self._contacts: list[_Contact] = []
        self._collisions = 0
        self._statistics: dict[str, dict[str, list[float]]] = {}
        #: What moved the ego, with the time from which it did, us since the beginning.
        self.controls: list[tuple[int, Control | Trajectory]] = []

    def add(self, frame: SensorFrame, simulator: Simulator[Any]) -> None:
        """Take in a tick."""
        layout, source = frame.layout, self._source
        if frame.control is not None:
            self.controls.append((layout.stamp_us - simulator.tick_us - self._begin_us, frame.control))
        moment, state = Moment(layout, source.map), source.state
        ego = moment.ego
        limit = limit_at(source.map, moment.lane) if moment.lane is not None else float("nan")
        tick = len(self._rows)
        self._rows.append((1e-6 * ego.time_us, ego.x, ego.y, ego.yaw, ego.speed, ego.accel, state.tally.ttc_s, limit))
        self._tracks.append(_tracks_of(layout, tick, ego.x, ego.y))
        digests = {LAYOUT: layout_digest(layout)[:_SHORT], **{n: d[:_SHORT] for n, d in frame.digests.items()}}
        self._digests.append(digests)
        self._sha.update(repr(sorted(digests.items())).encode())
        for name, record in frame.records.items():
            for key, value in _statistics(record).items():
                self._statistics.setdefault(name, {}).setdefault(key, []).append(value)
        if state.tally.collisions > self._collisions:  # else no layout between two ticks is made
            self._collisions = state.tally.collisions
            for step in frame.steps:
                self._note_contacts(step)
        for k, criterion in enumerate(source.outcome.criteria):
            if criterion.success:
                self._fails_since.pop(k, None)
            else:
                self._fails_since.setdefault(k, 1e-6 * layout.stamp_us)

    @property
    def digest(self) -> str:
        """SHA-256 of all ticks."""
        return self._sha.hexdigest()

    @property
    def digests(self) -> tuple[Mapping[str, str], ...]:
        """Of each tick, shortened, by name of the sensor, and of the `LAYOUT`."""
        return tuple(self._digests)

    @property
    def series(self) -> np.ndarray:
        """(T,) SERIES_DTYPE."""
        return np.array(self._rows, SERIES_DTYPE)

    @property
    def tracks(self) -> np.ndarray:
        """(M,) TRACK_DTYPE."""
        return np.concatenate(self._tracks) if self._tracks else np.zeros(0, TRACK_DTYPE)

    @property
    def sensors(self) -> Mapping[str, Mapping[str, float]]:
        """Means of each sensor's statistics, by name."""
        return {
            name: {key: float(np.mean(values)) for key, values in row.items()} for name, row in self._statistics.items()
        }

    @property
    def simulated_s(self) -> float:
        return self._rows[-1][0] - self._rows[0][0] if self._rows else 0.0

    def violations(self, outcome: Outcome) -> tuple[Violation, ...]:
        """The criteria that fail at the end, the first one to fail first; that the ego did not get far enough is known
        at the end only."""
        told = []
        for k, criterion in enumerate(outcome.criteria):
            if not criterion.success:
                moment = None if criterion.name in FAR_ENOUGH else self._fails_since.get(k)
                told.append(Violation(criterion.name, moment, self._text(criterion, moment)))
        return tuple(sorted(told, key=lambda v: float("inf") if v.moment_s is None else v.moment_s))

    @property
    def _begin_us(self) -> int:
        return round(1e6 * self._rows[0][0])

    def _text(self, criterion: CriterionResult, moment_s: float | None) -> str:
        value = "nothing measured" if criterion.actual is None else f"{criterion.actual:g}"
        text = f"{criterion.name} is {value}, expected {criterion.expected}"
        if moment_s is not None:
            row = self._rows[[r[0] for r in self._rows].index(moment_s)]
            text += f", from {moment_s:.2f} s on at ({row[1]:.1f}, {row[2]:.1f}) and {row[4]:.1f} m/s"
        kind, _, partner = criterion.name.partition("_")
        if kind == "collision" and (touched := [c.text for c in self._contacts if partner in ("", c.partner)]):
            text += f"; touched {', '.join(touched[:3])}"
        return text

    def _note_contacts(self, step: LayoutFrame) -> None:
        """Keep whom the ego has begun to touch in a step."""
        for event in step.events:
            kind, _, what = event.partition(":")
            if kind != "contact":
                continue
            who, partner = "something that stands beside the road", "static"
            if what.isdigit() and len(rows := step.agents[step.agents["id"] == int(what)]):
                cls, speed = AgentClass(rows[0]["cls"]), float(np.hypot(*rows[0]["vel"][:2]))
                who = f"{self._name_of(int(what)) or f'#{what}'} ({cls.name.lower()}, {speed:.1f} m/s)"
                partner = partner_of(cls)
            self._contacts.append(_Contact(partner, f"{who} at {1e-6 * step.stamp_us:.2f} s"))

    def _name_of(self, agent_id: int) -> str:
        """What the scenario calls an agent; "" for one of the ambient traffic."""
        bodies = self._source.state.bodies
        for row, agent in enumerate(self._source.scenario.agents, 1):
            if row < len(bodies) and bodies[row]["id"] == agent_id:
                return agent.name
        return ""


def _statistics(record: Any) -> dict[str, float]:
    """A few numbers that tell one sensor's record from another's."""
    if isinstance(record, CameraFrame):
        return {"brightness": float(record.rgb.mean()), "contrast": float(record.rgb.std()),
                "sky": float(np.isinf(record.depth).mean())}  # fmt: skip
    if isinstance(record, LidarSweep):
        ranges = np.sqrt((record.xyz.astype(np.float64) ** 2).sum(axis=1))
        means = {"range_m": ranges, "intensity": record.intensity} if len(ranges) else {}
        return {"points": float(len(ranges)), **{key: float(values.mean()) for key, values in means.items()}}
    return {}


def _tracks_of(layout: LayoutFrame, tick: int, x: float, y: float) -> np.ndarray:
    """(M,) TRACK_DTYPE of those near the ego that can move, and what lies on the road."""
    agents = layout.agents
    near = np.hypot(agents["pos"][:, 0] - x, agents["pos"][:, 1] - y) < _NEAR_M
    agents = agents[near & (agents["cls"] != AgentClass.SIGNAL_HEAD)]
    out = np.zeros(len(agents), TRACK_DTYPE)
    out["tick"], out["id"], out["cls"] = tick, agents["id"], agents["cls"]
    out["x"], out["y"] = agents["pos"][:, 0], agents["pos"][:, 1]
    out["yaw"] = agents["rpy"][:, 2]
    out["length"], out["width"] = agents["size"][:, 0], agents["size"][:, 1]
    return out
