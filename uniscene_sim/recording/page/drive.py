"""What moved in a recorded run, and what happened, at moments of equal distance: numbers for the page's charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.page.time_to_collision import times_to_collision
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.wire.messages import layout_of
from uniscene_sim.wire.uniscene.v1.edit_pb2 import Edit as EditMessage
from uniscene_sim.wire.uniscene.v1.layout_pb2 import LayoutFrame as LayoutMessage

__all__ = ["NEAR_M", "Drive", "as_integers", "class_name"]

#: How far from the ego's way things are shown.
NEAR_M = 120.0
_MOMENTS = 1200
_STEP_US = 100_000
_HEAD = int(AgentClass.SIGNAL_HEAD)
_BESIDE_LANE_M = 4.0  # farther off, a lane's limit is not the ego's


def as_integers(values: Any, scale: float) -> list[int]:
    """Finite numbers in units of 1 / `scale`, which JSON holds in few characters."""
    return np.round(np.clip(np.asarray(values, float) * scale, -1e12, 1e12)).astype(np.int64).tolist()  # type: ignore[no-any-return]


@dataclass
class Drive:
    """A run as layouts at moments, and what happened between them.

    Attributes:
        step_us: between moments.
        layouts: one for each moment.
        stages_ms: durations of the stages at each moment.
        events: stamp in us and name, in order; edits of the world are among them.
    """

    begin_us: int
    end_us: int
    step_us: int
    layouts: list[LayoutFrame] = field(default_factory=list)
    stages_ms: list[dict[str, float]] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, recording: Recording) -> Drive:
        """Read from a recording; InputError if it holds no layouts."""
        stamps = recording.ego_path[:, 0]
        begin, end = int(stamps[0]), int(stamps[-1])
        drive = cls(begin, end, _STEP_US * max(-((begin - end) // (_STEP_US * _MOMENTS)), 1))
        due, stages, edits = begin, dict[str, float](), LayoutMessage().edits
        for topic, stamp_us, message in recording.messages("/uniscene/layout", "/uniscene/frame"):
            if topic == "/uniscene/frame":
                stages = {name: ms for name, ms in message.stages_ms.items() if np.isfinite(ms)}
                if drive.stages_ms:
                    drive.stages_ms[-1] = stages
                continue
            if message.edits != edits:
                drive.events += [(stamp_us, event) for event in _told_of_edits(edits, message.edits)]
                edits = message.edits
            drive.events += [(stamp_us, event) for event in message.events]
            if stamp_us >= due:
                drive.layouts.append(layout_of(message))
                drive.stages_ms.append({})
                due = stamp_us + drive.step_us
        return drive

    @property
    def ego_xy(self) -> np.ndarray:
        """Places (M, 2), m, of the ego."""
        return np.array([[layout.ego_pose.x, layout.ego_pose.y] for layout in self.layouts])

    def milliseconds(self, stamp_us: int) -> int:
        """Since the beginning."""
        return round((stamp_us - self.begin_us) * 1e-3)

    def as_columns(self, static_map: StaticMap) -> dict[str, Any]:
        """Times (ms), poses (cm, mrad), speeds (cm/s), times to collision (ms, None for none) and stages (us)."""
        poses = [layout.ego_pose for layout in self.layouts]
        vehicle = self.layouts[0].ego_vehicle
        ttc = times_to_collision(self.layouts, static_map)
        names = sorted({name for stages in self.stages_ms for name in stages})
        return {
            "t": [self.milliseconds(layout.stamp_us) for layout in self.layouts],
            "end": self.milliseconds(self.end_us),
            "ego": {
                "x": as_integers([p.x for p in poses], 100), "y": as_integers([p.y for p in poses], 100),
                "yaw": as_integers([p.yaw for p in poses], 1000),
                "v": as_integers([np.linalg.norm(layout.ego_velocity) for layout in self.layouts], 100),
                "size": [vehicle.length_m, vehicle.width_m, vehicle.rear_axle_to_centre_m],
            },
            "limit": [_limit(layout, static_map) for layout in self.layouts],
            "ttc": [round(s * 1000) if np.isfinite(s) else None for s in ttc],
            "stages": {n: as_integers([stages.get(n, 0.0) for stages in self.stages_ms], 1000) for n in names},
            "agents": list(self._agents()),
            "signals": self._signals(),
            "events": self._events(),
        }  # fmt: skip

    def _agents(self) -> Iterator[dict[str, Any]]:
        """Agents that come near the ego, a piece for each stay; one that stands has one place."""
        pieces: dict[int, list[list[tuple[int, np.ndarray]]]] = {}
        for k, (layout, here) in enumerate(zip(self.layouts, self.ego_xy, strict=True)):
            near = np.hypot(*(layout.agents["pos"][:, :2] - here).T) < NEAR_M
            for agent in layout.agents[near & (layout.agents["cls"] != _HEAD)]:
                stays = pieces.setdefault(int(agent["id"]), [])
                if not stays or stays[-1][-1][0] != k - 1:
                    stays.append([])
                stays[-1].append((k, agent))
        for identity, stays in sorted(pieces.items()):
            for stay in stays:
                rows = np.array([agent for _, agent in stay])
                first = rows[0]
                stands = not (np.ptp(rows["pos"][:, :2], axis=0) > 0.01).any() and not (
                    np.ptp(rows["rpy"][:, 2]) > 0.01
                )
                shown = rows[:1] if stands else rows
                yield {
                    "id": identity, "cls": class_name(int(first["cls"])), "at": stay[0][0], "n": len(stay),
                    "size": np.round(first["size"][:2], 2).tolist(),
                    "x": as_integers(shown["pos"][:, 0], 100), "y": as_integers(shown["pos"][:, 1], 100),
                    "yaw": as_integers(shown["rpy"][:, 2], 1000),
                    "v": as_integers(np.hypot(*shown["vel"][:, :2].T), 100),
                }  # fmt: skip

    def _signals(self) -> list[tuple[int, list[int]]]:
        """States of all traffic lights, at moments at which one changes."""
        changes: list[tuple[int, list[int]]] = []
        for k, layout in enumerate(self.layouts):
            states = layout.signals.tolist()
            if not changes or changes[-1][1] != states:
                changes.append((k, states))
        return changes

    def _events(self) -> list[dict[str, Any]]:
        """Events by name, those that last as one with a beginning and an end (ms)."""
        classes = {int(a["id"]): class_name(int(a["cls"])) for layout in self.layouts for a in layout.agents}
        found: list[dict[str, Any]] = []
        lasting: dict[str, dict[str, Any]] = {}
        for stamp_us, name in self.events:
            at, last = self.milliseconds(stamp_us), lasting.get(name)
            if last is not None and at - last["until"] <= 50:
                last["until"] = at
                continue
            kind, *about = name.split(":")
            who = [f"{classes[int(w)]} {w}" if w.isdecimal() and int(w) in classes else w for w in about]
            lasting[name] = {"kind": kind, "about": who, "t": at, "until": at}
            found.append(lasting[name])
        return found


def _told_of_edits(before: Sequence[EditMessage], now: Sequence[EditMessage]) -> Iterator[str]:
    """Events of edits that came into force or are no more: "edit:add:a cone", "undo:style"."""
    for kind, these, others in (("undo", before, now), ("edit", now, before)):
        for edit in these:
            if edit not in others and (name := edit.WhichOneof("kind")):
                noun = getattr(edit, name)
                about = noun.agent.name if name == "add" else getattr(noun, "name", "")
                yield ":".join(filter(None, (kind, name, about.replace(":", " "))))


def class_name(cls: int) -> str:
    """Of an `AgentClass`, in words; "class 99" if there is none."""
    return AgentClass(cls).name.lower().replace("_", " ") if cls in list(AgentClass) else f"class {cls}"


def _limit(layout: LayoutFrame, static_map: StaticMap) -> int | None:
    """The speed limit where the ego is, cm/s; None where there is none."""
    pose = layout.ego_pose
    lane, s, offset = static_map.nearest_lane(pose.x, pose.y, pose.z, pose.yaw)
    if lane < 0 or abs(offset) > _BESIDE_LANE_M:
        return None
    limit = static_map.lanes[lane].limit_at(s)
    return round(limit * 100) if np.isfinite(limit) else None
