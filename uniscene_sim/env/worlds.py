"""`Worlds`: episodes of many worlds, with observations in arrays whose first axis is the world.

`UniSceneEnv` has one world, `UniSceneVectorEnv` many; both give the same results for the same episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from gymnasium.spaces import Discrete

from uniscene_sim import plugins
from uniscene_sim.compute.last_used import LastUsed
from uniscene_sim.compute.threads import map_threads
from uniscene_sim.control import Manners
from uniscene_sim.env.action_type import Intention, Situation
from uniscene_sim.env.actions import action_type
from uniscene_sim.env.draws import Draws
from uniscene_sim.env.drives import Drive
from uniscene_sim.env.endings import ENDS_ON, Endings, ending_info
from uniscene_sim.env.measurements import MEASUREMENT_DTYPE, episode_info, finish_measurement, write_measurement
from uniscene_sim.env.observations import ObservationInputs, make_observations, rig_for
from uniscene_sim.env.progress import Progress, progress_of
from uniscene_sim.env.recording import EpisodeRecordings
from uniscene_sim.env.reward import Reward, no_terms, reward_terms, step_costs
from uniscene_sim.env.saved import Episode, SavedWorld, savable
from uniscene_sim.env.settings import ENDINGS, EnvSettings, name_list
from uniscene_sim.env.shared import packed_tiles
from uniscene_sim.errors import InputError, shown
from uniscene_sim.frames import FrameRequest
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.interfaces import LayoutSource, RunFacts, WindowEngine
from uniscene_sim.layout import Edit
from uniscene_sim.limits.memory import require_memory
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.tile_store import TileStore
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.remote.address import Remote
from uniscene_sim.remote.session import Session
from uniscene_sim.remote.simulator import RemoteSimulator
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.simulator import TRACE_MODES, Simulator, TraceMode, sense
from uniscene_sim.world.path_columns import X, Y
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["TickResult", "Worlds"]

#: Memory of a world: its state, beside its frame and copies of its observations.
_WORLD_BYTES, _COPIES = 2**20, 3
_PLACES = 4  # maps whose window engines are kept though no world is there
_WINDOW = "window/"  # key among the sensors' records; no sensor can have this name
_IDENTITY = ("scenario", "map", "step_ms", "world_seed", "sensors", "parameters")
_BEHIND_M = 5  # of the ego's centre, where its path begins for a driver: base_link is behind the centre


class _Place(NamedTuple):
    """What tiles are of."""

    map_ref: str
    seed: int


@dataclass(frozen=True)
class TickResult:
    """Result of a tick of n worlds."""

    reward: np.ndarray  # float64 (n,)
    terminated: np.ndarray  # bool (n,)
    truncated: np.ndarray  # bool (n,)
    info: dict[str, Any]  # arrays (n,)


class _SavedWorlds(NamedTuple):
    settings: EnvSettings
    worlds: list[SavedWorld | None]  # None where no episode has begun


class Worlds:
    """Episodes of `count` worlds that share maps, tiles and engines.

    Raises:
        InputError: an invalid setting.
    """

    def __init__(self, count: int, settings: EnvSettings):
        self.settings = settings
        step_ms = settings.step_ms
        terminate_on = name_list(settings.terminate_on, "terminate_on")
        for name in terminate_on:
            if name not in ENDINGS:
                raise InputError(f"expected some of {', '.join(ENDINGS)}, got {name!r}", field="terminate_on")
        if settings.trace not in TRACE_MODES:
            raise InputError(f"expected one of {', '.join(TRACE_MODES)}, got {shown(settings.trace)}", field="trace")
        self.draws = Draws(settings)
        if count > 1:
            self.draws.require_many(count)
        if not isinstance(settings.rig, str | Path | SensorRig):
            raise InputError(f"expected a name, a file or a SensorRig, got {shown(settings.rig)}", field="rig")
        rig = settings.rig if isinstance(settings.rig, SensorRig) else load_rig(str(settings.rig))
        self.observations = make_observations(name_list(settings.observations, "observations"), rig)
        self.rig = rig_for(self.observations, rig)
        self.spaces = {o.key: o.space for o in self.observations}
        self.action = action_type(settings.action)
        self._reward, self._ends = Reward(settings.reward), frozenset(terminate_on)
        self._tick_us, self._world_seed = step_ms * 1000, settings.world_seed
        camera = settings.camera
        if camera == "raycast" and not any(o.key.endswith("_rgb") for o in self.observations):
            camera = "raycast-plain"  # the same except for colour
        named = {slot: getattr(settings, slot) for slot in plugins.ENGINES} | {"camera": camera}
        chosen = plugins.choose_engines(named, settings.trace)
        self._engine_names = chosen.names
        self._trace, self._session = cast(TraceMode, chosen.trace), None
        if settings.remote is not None:
            remote = Remote.of(settings.remote)
            self._session = Session(remote, self.rig, self._engine_names, self._trace, self._tick_us)
        else:
            fields = chosen.fields
            classes = {slot: plugins.load_plugin(slot, name, fields[slot]) for slot, name in chosen.names.items()}
            self._sensors = {slot: plugins.construct(slot, classes[slot]) for slot in ("camera", "lidar")}
            self._windows, self._window_field = classes["window"], fields["window"]
            self._occupancy = self._engine_names["occupancy"], classes["occupancy"]
        window = DEFAULT_GRID if "occupancy" in self.spaces else None
        if not isinstance(settings.record, str | Path | None) or settings.record == "":
            raise InputError(f"expected a folder, got {shown(settings.record)}", field="record")
        if not isinstance(settings.record_options, RecordOptions):
            raise InputError(f"expected RecordOptions, got {shown(settings.record_options)}", field="record_options")
        self._recordings = (
            None if settings.record is None else EpisodeRecordings(Path(settings.record), settings.record_options)
        )
        self._request = FrameRequest(window_grid=window, bev_schema=None, digests=self._recordings is not None)
        observed = sum(int(np.prod(space.shape)) * space.dtype.itemsize for space in self.spaces.values())
        require_memory(
            count * (_WORLD_BYTES + _COPIES * observed + self.rig.frame_bytes), f"{count} worlds", field="num_envs"
        )  # fmt: skip
        self._window_engines: LastUsed[WindowEngine] = LastUsed(_PLACES)  # by map and seed, as simulators are
        self._simulators: list[tuple[_Place, Simulator[LayoutSource]] | None] = [None] * count
        self._progress: list[Progress] = [None] * count  # type: ignore[list-item]
        self._aims: list[Any] = [None] * count
        self.episodes: list[Episode | None] = [None] * count
        self._records: list[dict[str, Any]] = [{} for _ in range(count)]
        self._measured = np.zeros(count, MEASUREMENT_DTYPE)
        self.out = {key: np.zeros((count, *space.shape), space.dtype) for key, space in self.spaces.items()}

    @property
    def drives(self) -> list[Drive]:
        return self.draws.drives

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenarios."""
        return self.draws.names

    @property
    def step_s(self) -> float:
        return self._tick_us * 1e-6

    def drawn(self, i: int) -> dict[str, float | str]:
        """What the seed has drawn for the episode of world `i`, by parameter."""
        return dict(getattr(self.world(i).source, "drawn", {}))

    def begin(self, i: int, episode: Episode) -> None:
        """Start an episode in world `i`, without observing it."""
        self._start_episode(i, episode)
        self._records[i] = {}
        self._measured[i] = np.zeros((), MEASUREMENT_DTYPE)
        write_measurement(self._progress[i], self._measured[i])
        self._aims[i] = self.action.first_aim(self._situation(i))

    def advance(self, some: Sequence[int], actions: Sequence[Any]) -> TickResult:
        """Advance some worlds by a tick, each with its action, without observing them.

        Args:
            some: indices of n worlds.
            actions: n actions.

        Raises:
            InputError: an action is not in the action space; all worlds are unchanged.
        """
        worlds = [self.world(i) for i in some]
        commands = [
            self.action.command(a, self._situation(i), self._aims[i]) for a, i in zip(actions, some, strict=True)
        ]
        before = self._measured[list(some)]

        def move(k: int) -> None:
            worlds[k].advance(commands[k].control)
            self._aims[some[k]] = commands[k].aim
            progress = self._progress[some[k]]
            progress.update(worlds[k].tick_layouts)
            write_measurement(progress, self._measured[some[k]])

        map_threads(move, range(len(worlds)))
        after = self._measured[list(some)]
        finish_measurement(before, after, self.step_s)
        self._measured[list(some)] = after
        ends = Endings(
            over=np.array([world.source.done for world in worlds], dtype=bool),
            arrived=np.array([self._progress[i].arrived for i in some], dtype=bool),
            by_event=np.stack([(name in self._ends) & (after[counter] > before[counter])
                               for name, counter in ENDS_ON.items()], axis=1),
        )  # fmt: skip
        info = self._state_info(some, ends) | step_costs(before, after)
        reward, terms = self._reward(reward_terms(before, after, self.step_s), info)
        return TickResult(reward, ends.terminated, ends.over & ~ends.terminated, _as_told(info | terms))

    def expert_action(self, i: int, manners: Manners | None = None) -> Any:
        """What the built-in driver of world `i` would do now, as a member of the action space.

        Args:
            i: index of the world.
            manners: of the driver, in place of the scenario's.

        Raises:
            InputError: its source has no driver.
        """
        source, progress = self.world(i).source, self._progress[i]
        if not isinstance(manners, Manners | None):
            raise InputError(f"expected Manners, got {shown(manners)}", field="manners")
        if source.open_loop:
            why = f"the source {source.name!r} has no built-in driver: its ego moves as recorded; expected a scenario"
            raise InputError(why, field="scenario")
        at = max(int(progress.bodies[0]["s"]) - _BEHIND_M, 0)
        path = progress.paths[0, at : progress.counts[0]][:, [X, Y]]
        frame = self.world(i).recent_layouts[-1]
        control = source.driver_control() if manners is None else source.driver_control(manners)
        return self.action.action_of(Intention(control, path), frame)

    def edit(self, i: int, edit: Edit) -> None:
        """Change world `i`, see `Simulator.edit`."""
        self.world(i).edit(edit)

    def info(self, some: Sequence[int]) -> dict[str, Any]:
        """Entries (n,) of `info` at a reset of n worlds, with the keys of every step."""
        measured = self._measured[list(some)]
        state = self._state_info(some, Endings.none(len(measured)))
        return _as_told(state | step_costs(measured, measured) | no_terms(len(measured)))

    def _state_info(self, some: Sequence[int], ends: Endings) -> dict[str, Any]:
        """Entries (n,) of `info` on the episodes of n worlds so far, and on how they end."""
        episodes = [e for e in (self.episodes[i] for i in some) if e is not None]
        drawn: dict[str, Any] = {**self.draws.info(episodes, [self.drawn(i) for i in some])}
        sources = [self.world(i).source for i in some]
        masks = [mask for i in some if (mask := self.action_mask(i)) is not None]
        if masks:
            drawn["action_mask"] = np.stack(masks)
        return drawn | episode_info(self._measured[list(some)]) | ending_info(sources, ends)

    def action_mask(self, i: int) -> np.ndarray | None:
        """Which actions world `i` can take now, int8 (n,); None of an action type whose actions always can."""
        return self.action.mask(self._situation(i), self._aims[i])

    def action_masks(self, i: int) -> np.ndarray:
        """Which actions world `i` can take now, bool (n,), of discrete actions.

        Raises:
            InputError: actions are not discrete.
        """
        if not isinstance(self.action.space, Discrete):
            raise InputError("only discrete actions have a mask; expected meta or discrete", field="action")
        mask = self.action_mask(i)
        return np.ones(self.action.space.n, bool) if mask is None else mask.astype(bool)

    def observe(self, some: Sequence[int]) -> None:
        """Simulate the sensors of some worlds and write their observations into `out`."""
        worlds = [self.world(i) for i in some]
        for i, world, frame in zip(some, worlds, sense(worlds), strict=True):
            self._records[i] |= frame.records
            if self._recordings:
                self._recordings.add(i, frame, world.stages_ms)
            if frame.occupancy is not None:
                self._records[i][_WINDOW] = frame.occupancy
            window = self._records[i].get(_WINDOW)
            labels = None if window is None else window.labels
            inputs = ObservationInputs(world, self._progress[i], self._records[i], labels)
            for observation in self.observations:
                observation.write(inputs, self.out[observation.key][i])

    def records(self, i: int) -> Mapping[str, Any]:
        """The latest record of each sensor of world `i`."""
        return self._records[i]

    def save(self, i: int) -> SavedWorld:
        """The complete state of world `i`.

        Raises:
            InputError: its source cannot be saved.
        """
        world, episode = self.world(i), self.episodes[i]
        assert episode is not None
        return SavedWorld(
            self._identity(episode),
            episode,
            savable(world.source).get_state(),
            tuple(world.recent_layouts),
            dict(world.memory),
            dict(self._records[i]),
            self._measured[i].copy(),
            self._progress[i].save(),
            self._aims[i],
        )

    def check(self, saved: SavedWorld) -> None:
        """Check that a saved world can be restored here.

        Raises:
            InputError: it was saved with other arguments.
        """
        if not isinstance(saved, SavedWorld) or saved.episode.scenario >= len(self.drives):
            raise InputError("expected what get_state() gave, of an env with the same arguments", field="state")
        for what, saved_value, own in zip(_IDENTITY, saved.identity, self._identity(saved.episode), strict=True):
            if saved_value != own:
                raise InputError(f"was saved with {what} {saved_value!r}, this env has {own!r}", field="state")

    def restore(self, i: int, saved: SavedWorld) -> None:
        """Restore a saved world, of this index or another, as world `i`, without observing it.

        Raises:
            InputError: it was saved with other arguments; nothing has changed.
        """
        self.check(saved)
        world = self._start_episode(i, saved.episode)
        savable(world.source).set_state(saved.state)
        self._progress[i].restore(saved.progress)
        world.resume(saved.recent_layouts, saved.memory)
        self._records[i] = dict(saved.records)
        aim = self.action.first_aim(self._situation(i))  # where the actions of the saved world were of another type
        self._measured[i], self._aims[i] = saved.measured, saved.aim if isinstance(saved.aim, type(aim)) else aim

    def __getstate__(self) -> _SavedWorlds:
        """For `pickle` and `copy.deepcopy`: the copy goes on bit for bit.

        Raises:
            InputError: a world cannot be saved, or there is only one of what it uses.
        """
        for hinders, what, field in (
            (any(drive.live for drive in self.drives), "a live world goes on by itself", "source"),
            (self._session is not None, "the session with the server is this env's own", "remote"),
            (self._recordings is not None, "a copy would write the same recordings", "record"),
        ):
            if hinders:
                raise InputError(f"{what}: the env cannot be copied; make another one", field=field)
        saved = [None if running is None else self.save(i) for i, running in enumerate(self._simulators)]
        return _SavedWorlds(self.settings, saved)

    def __setstate__(self, state: _SavedWorlds) -> None:
        self.__init__(len(state.worlds), state.settings)  # type: ignore[misc]
        begun = [i for i, saved in enumerate(state.worlds) if saved is not None]
        for i in begun:
            self.restore(i, cast(SavedWorld, state.worlds[i]))
        if begun:
            self.observe(begun)

    def close(self) -> None:
        """Finish recordings, leave live worlds and the server."""
        if self._recordings:
            self._recordings.close()
        for drive in self.drives:
            drive.close()
        if self._session is not None:
            self._session.close()

    def world(self, i: int) -> Simulator[Any]:
        """The simulator of world `i`.

        Raises:
            RuntimeError: its first episode has not started.
        """
        running = self._simulators[i]
        if running is None:
            raise RuntimeError("call reset() before the first step")
        return running[1]

    def _situation(self, i: int) -> Situation:
        world = self.world(i)
        return Situation(world.recent_layouts[-1], self._progress[i], world.map, self.step_s)

    def _identity(self, episode: Episode) -> tuple[Any, ...]:
        drive = self.drives[episode.scenario]
        sensors = tuple(sorted({o.sensor for o in self.observations}))
        fixed = {name: given for name, given in (self.settings.parameters or {}).items() if name in drive.parameters}
        return drive.name, drive.map_ref, self._tick_us // 1000, self._tiles_seed(drive), sensors, fixed

    def _tiles_seed(self, drive: Drive) -> int:
        return drive.seed if self._world_seed is None else self._world_seed

    def _start_episode(self, i: int, episode: Episode) -> Simulator[LayoutSource]:
        """Set up the simulator of world `i` at the start of an episode."""
        drive, running = self.drives[episode.scenario], self._simulators[i]
        source = drive.open(episode.seed, episode.parameters)
        place = _Place(source.map.ref, self._tiles_seed(drive))
        simulator = running[1] if running and running[0] == place else self._simulator(source, place.seed)
        self.episodes[i], self._simulators[i] = episode, (place, simulator)
        simulator.begin(source)
        if isinstance(source, ScenarioSource):
            source.ends_off_road = "off_road" in self._ends
        if self._recordings:
            seed, names = self._tiles_seed(drive), self._engine_names
            facts = RunFacts(
                source.title,
                seed,
                self.rig,
                names,
                self._tick_us,
                static_map=source.map,
                trace=self._trace,
                drawn=getattr(source, "drawn", {}),
            )
            self._recordings.begin(i, simulator, facts)
        self._progress[i] = progress_of(source, simulator.recent_layouts[-1])
        return simulator

    def _simulator(self, source: LayoutSource, world_seed: int) -> Simulator[LayoutSource]:
        if self._session is not None:
            return RemoteSimulator(source, self._session, seed=world_seed, request=self._request)
        packed = packed_tiles(*self._occupancy, source.map, world_seed, self)
        return Simulator(
            source,
            self.rig,
            cast(TileStore, packed.store),
            self._sensors | {"window": self._window_engine(source.map, world_seed)},
            trace=self._trace,
            packed=packed,
            request=self._request,
            tick_us=self._tick_us,
        )

    def _window_engine(self, static_map: StaticMap, seed: int) -> WindowEngine:
        """The engine shared by all worlds with this map and seed."""
        return self._window_engines.get(
            (static_map.ref, seed),
            lambda: plugins.construct("window", self._windows, static_map, seed, field=self._window_field),
        )


def _as_told(info: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Numbers (n,) as float64 whatever they count: the one type that JSON writes, that Gymnasium's vector environments
    stack and that TorchRL reads."""
    return {key: values if values.ndim > 1 else values.astype(np.float64) for key, values in info.items()}
