"""`BranchedSource`: a recording up to a moment, and from then on a world that reacts: log to closed loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from uniscene_sim.control import Control, Manners, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.layout import PHYSICS_US, LayoutFrame, Style
from uniscene_sim.limits import bounds
from uniscene_sim.maps.signals import signal_heads
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.scenario import Criterion, EgoSpec, Scenario, Spawn
from uniscene_sim.scenario_files.parts import criterion_of
from uniscene_sim.scenario_files.schema import criteria_schema
from uniscene_sim.storage.yaml_file import YamlFile
from uniscene_sim.wire.messages import layout_of
from uniscene_sim.world.ego import steer_along
from uniscene_sim.world.episode.branch import BranchState, LoggedTrack
from uniscene_sim.world.episode.edited_world import map_props
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["BranchedSource"]

_TRACK_US = 50_000  # between rows of a track that is kept
_SLOWEST_MPS = 5.0  # that the built-in driver wants


@dataclass(frozen=True)
class _Log:
    """What a branch needs of a recording."""

    now: LayoutFrame
    ego_way: np.ndarray  # (R, 3) m
    fastest_mps: float  # of the ego
    tracks: dict[int, LoggedTrack]


class BranchedSource:
    """A `LayoutSource`: the layouts of a recording up to a moment, then agents that react and an ego that is driven.

    Before the branch the ego ignores controls. After it agents keep the way that they have in the log, by the rules of
    traffic, see `world.episode.branch`; criteria count from the branch on.

    Args:
        recording: the file.
        branch_at_s: since its first layout; a multiple of 10 ms.
        seed: of the world and of ways beyond the log, in place of the recorded one.
        style: weather and time of day in place of the recorded ones.
        duration_s: of the whole run; None: as long as the recording.
        criteria: of the free part; None: no collision.

    Raises:
        InputError: the file is no recording, or the branch lies beyond its end.
    """

    name = "branch"
    suffixes = ()
    open_loop = False

    def __init__(
        self,
        recording: Recording,
        branch_at_s: float,
        seed: int | None = None,
        *,
        style: Style | None = None,
        duration_s: float | None = None,
        criteria: Sequence[Criterion] | None = None,
    ):
        self.recording, self._style = recording, style
        self._past = RecordedSource(recording, seed, style=style)
        self.map: StaticMap = recording.map
        self.seed = self._past.seed
        begin_us = int(recording.ego_path[0, 0])
        if not 0.0 <= branch_at_s < self._past.duration_s:
            why = f"expected 0 to {self._past.duration_s:.2f} s, which the recording lasts, got {branch_at_s:g}"
            raise InputError(why, field="branch_at")
        self._branch_us = begin_us + round(branch_at_s * 1e6 / PHYSICS_US) * PHYSICS_US
        self._end_us = begin_us + round((duration_s or self._past.duration_s) * 1e6)
        self._begin_us = begin_us
        if self._end_us <= self._branch_us:
            raise InputError(f"expected more than the {branch_at_s:g} s of the log", field="duration_s")
        self._criteria = (Criterion("collision", 0.0),) if criteria is None else tuple(criteria)
        self._free: _FreeSource | None = None
        self._now_us = begin_us
        self.solid: Callable[[np.ndarray], np.ndarray] | None = None
        self.measures: tuple[str, ...] = ()  # see `ScenarioSource.measures`; of the free part, from its beginning on

    @classmethod
    def open(cls, what: str, seed: int | None = None) -> BranchedSource:
        """Of a YAML file with `source`, the recording beside it, and `branch_at`, s."""
        file = YamlFile(Path(what), _SCHEMA, "a branch of a recording")
        data = file.data
        style = Style(**data["style"]) if "style" in data else None
        criteria = None
        if "criteria" in data:
            criteria = tuple(criterion_of(file, ("criteria", i)) for i in range(len(data["criteria"])))
        given = data.get("seed") if seed is None else seed
        recording = Recording.open(file.path.parent / data["source"])
        try:
            return cls(
                recording, data["branch_at"], given, style=style, duration_s=data.get("duration_s"), criteria=criteria
            )
        except InputError as error:
            raise file.error((error.field,), error.message) if error.field and error.field in data else error from None

    @property
    def title(self) -> str:
        return self.recording.run.title

    @property
    def duration_s(self) -> float:
        return (self._end_us - self._begin_us) * 1e-6

    @property
    def route_path(self) -> np.ndarray:
        """Where the ego drives in the log, and on from there (R, 3), m."""
        return np.vstack([self._past.route_path, self._log.ego_way])

    @property
    def done(self) -> bool:
        return self._now_us >= self._end_us or (self._free is not None and self._free.done)

    @property
    def outcome(self) -> Outcome:
        """Criteria of the free part; RUNNING before it."""
        return Outcome(Status.RUNNING) if self._free is None else self._free.outcome

    @property
    def measured(self) -> Mapping[str, float | None]:
        """See `ScenarioSource.measured`; nothing before the free part."""
        return {} if self._free is None else self._free.measured

    def reset(self) -> LayoutFrame:
        self._free = None
        layout = self._past.reset()
        self._now_us = layout.stamp_us
        self._branch_if_due()
        return layout

    def step(self, control: Control | Trajectory, dt_us: int) -> Sequence[LayoutFrame]:
        """The next layouts: logged ones up to the branch, then free ones.

        Raises:
            InputError: `dt_us` is not a positive multiple of 10,000.
        """
        if dt_us <= 0 or dt_us % PHYSICS_US:
            raise InputError(f"must be a positive multiple of 10,000 us, got {dt_us}", field="dt_us")
        logged = min(dt_us, max(self._branch_us - self._now_us, 0))
        layouts: list[LayoutFrame] = list(self._past.step(control, logged)) if logged else []
        self._now_us += dt_us
        if logged:
            self._branch_if_due()
        if logged < dt_us:
            assert self._free is not None
            self._free.solid = self.solid
            free = self._free.step(control, dt_us - logged)
            return [*layouts, *free] if layouts else free
        return layouts

    def driver_control(self) -> Control | Trajectory:
        return Control() if self._free is None else self._free.driver_control()

    def _branch_if_due(self) -> None:
        if self._free is None and self._now_us >= self._branch_us:
            self._free = self._freed()
            self._free.measures = self.measures

    def _freed(self) -> _FreeSource:
        log = self._log
        at, vehicle = log.now.ego_pose, log.now.ego_vehicle
        ego = EgoSpec(
            Spawn(at.x, at.y, free=True),
            speed_mps=0.0,
            target_speed_mps=float(np.clip(log.fastest_mps, _SLOWEST_MPS, bounds.CRUISE_MPS.most)),
            vehicle=vehicle,
        )
        style = self._style or log.now.style
        scenario = Scenario(
            self.title, self.recording.path, self.seed, self._end_us * 1e-6, ego, style, criteria=self._criteria,
            frame_origin=self.map.frame_origin,
        )  # fmt: skip
        return _FreeSource(scenario, self.map, self.seed, log)

    @cached_property
    def _log(self) -> _Log:
        first_id = len(signal_heads(self.map)) + len(map_props(self.map)) + 1
        now, way, fastest = None, [], 0.0
        rows: dict[int, list[tuple[int, np.ndarray]]] = {}
        for message in self.recording.messages("/uniscene/layout"):
            if message.message.stamp_us % _TRACK_US and message.message.stamp_us != self._branch_us:
                continue
            layout = layout_of(message.message)
            fastest = max(fastest, float(np.hypot(*layout.ego_velocity[:2])))
            for row in layout.agents[layout.agents["id"] >= first_id]:
                rows.setdefault(int(row["id"]), []).append((layout.stamp_us, row))
            if layout.stamp_us == self._branch_us:
                now = layout
            if layout.stamp_us >= self._branch_us:
                way.append(layout.ego_pose.position)
        if now is None:
            raise InputError(f"has no layout at {self._branch_us * 1e-6:.2f} s", file=self.recording.path)
        tracks = {
            identity: LoggedTrack(np.array([t for t, _ in some]), np.array([row for _, row in some]))
            for identity, some in rows.items()
        }
        return _Log(now, np.vstack([*way, layout.route]), fastest, tracks)


class _FreeSource(ScenarioSource):
    """The free part, from the state of the log on."""

    def __init__(self, scenario: Scenario, static_map: StaticMap, seed: int, log: _Log):
        begin = BranchState(scenario, static_map, log.now, log.ego_way, log.tracks, seed)
        super().__init__(scenario, static_map, seed, begin=begin)

    def driver_control(self, manners: Manners | None = None) -> Control | Trajectory:
        """That of a scenario, along the logged way where there are no lanes."""
        state = self._state
        path = state.paths[0, : state.counts[0]]
        steer = steer_along(state.ego, path, int(self._ego_s(state)), self.scenario.ego.vehicle)
        return Control(steer, self._driver_accel(manners))


_SCHEMA = {
    "type": "object",
    "properties": {
        "source": {"type": "string", "minLength": 1},
        "branch_at": {"type": "number", "minimum": 0},
        "seed": bounds.SEED.schema,
        "duration_s": bounds.SCENARIO_S.schema,
        "style": {"type": "object"},
        "criteria": criteria_schema(),
    },
    "required": ["source", "branch_at"],
    "additionalProperties": False,
}
