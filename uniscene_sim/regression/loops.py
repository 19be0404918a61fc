"""Loops: the world of a case with a driver in it, advanced tick by tick. A driver of frames is in the simulator's own
loop, a policy of Gymnasium in that of the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.criteria.watch import ALL_MEASURES
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.regression.cases import Case
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario_files.read import ScenarioFile
from uniscene_sim.simulator import Simulator
from uniscene_sim.storage.disk_cache import user_cache
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["DirectLoop", "Loop", "LoopSettings", "PolicyLoop", "open_case"]

_NO_SENSORS = SensorRig("none")


def open_case(case: Case) -> ScenarioSource:
    """The scenario of a case at its first moment; everything that scores need is measured.

    Raises:
        InputError: it cannot be opened.
    """
    source = ScenarioSource.open(str(case.file), case.seed, case.parameters)
    source.measures = ALL_MEASURES
    return source


@dataclass(frozen=True)
class LoopSettings:
    """How the world of a case is run.

    Attributes:
        rig: sensors by name or file; None for none.
        step_ms: time between two controls without sensors; with some, the rig says it.
        engines: by slot, see `assemble`.
    """

    rig: str | None = None
    step_ms: int = 100
    engines: Mapping[str, str] = field(default_factory=dict)


class Loop(Protocol):
    """A world with a driver in it."""

    @property
    def simulator(self) -> Simulator[Any]:
        """Of the world; its source is a `ScenarioSource`."""
        ...

    def begin(self) -> SensorFrame:
        """The first frame."""
        ...

    def advance(self) -> SensorFrame:
        """The next one; the driver decides. Whatever a driver raises comes through."""
        ...


class DirectLoop:
    """The simulator's own loop: a driver gets each frame and gives a control.

    Args:
        simulator: not yet begun.
        drive: gives the control for a frame, None for the built-in driver.
    """

    def __init__(
        self,
        simulator: Simulator[Any],
        drive: Callable[[SensorFrame], Control | Trajectory | None] = lambda _: None,
    ):
        self._simulator, self._drive = simulator, drive

    @classmethod
    def open(cls, case: Case, settings: LoopSettings) -> DirectLoop:
        """Of a case.

        Raises:
            InputError: the case cannot be opened.
        """
        rig = _NO_SENSORS if settings.rig is None else load_rig(settings.rig)
        return cls.with_sensors(case, rig, settings.step_ms * 1000, settings.engines)

    @classmethod
    def with_sensors(
        cls, case: Case, rig: SensorRig, step_us: int, engines: Mapping[str, str], *, whole: bool = False
    ) -> DirectLoop:
        """Of a case, with a rig at hand.

        Args:
            case: what to open.
            rig: sensors, maybe none.
            step_us: time between two controls where there are none.
            engines: by slot.
            whole: whether frames have occupancy and layout, too, as pictures show them; else nothing is made that no
                sensor asks for.
        """
        source, named = open_case(case), dict[str, Any](engines)
        simulator = assemble(
            source,
            rig,
            window_grid=DEFAULT_GRID if whole else None,
            bev_schema=LayoutSchema() if whole else None,
            tile_cache=user_cache("tiles"),
            tick_us=None if rig.sensors else step_us,
            **named,
        )
        if rig.sensors:
            simulator.prepare(source.route_path)
        return cls(simulator)

    @property
    def simulator(self) -> Simulator[Any]:
        return self._simulator

    def driven_by(self, drive: Callable[[SensorFrame], Control | Trajectory | None]) -> DirectLoop:
        """The same with another driver."""
        return DirectLoop(self.simulator, drive)

    def begin(self) -> SensorFrame:
        self._frame = self.simulator.reset()
        return self._frame

    def advance(self) -> SensorFrame:
        self._frame = self.simulator.step(self._drive(self._frame))
        return self._frame


class PolicyLoop:
    """The loop of `UniSceneEnv`: a policy gets observations and gives actions.

    Args:
        policy: maps observations to actions; `settings` are arguments of the environment, such as `action` and
            `observations`.

    Raises:
        InputError: gymnasium is missing, or a setting is invalid.
    """

    def __init__(self, case: Case, settings: LoopSettings, policy: Any):
        try:
            from uniscene_sim.env.env import UniSceneEnv
        except ImportError as error:
            raise InputError("a policy needs the extra `rl`: pip install uniscene_sim[rl]", field="driver") from error
        scenario = ScenarioFile(case.file).scenario(case.seed, case.parameters)
        told = {"step_ms": settings.step_ms, **settings.engines, **getattr(policy, "settings", {})}
        if settings.rig is not None:
            told["rig"] = settings.rig
        self._policy = policy
        self._env = UniSceneEnv(scenario=str(case.file), terminate_on=(), **told)
        options = {"scenario_seed": scenario.seed, "parameters": dict(scenario.drawn)}
        self._observation, _ = self._env.reset(options=options)
        self.simulator.source.measures = ALL_MEASURES

    @property
    def simulator(self) -> Simulator[Any]:
        return self._env.worlds.world(0)

    def begin(self) -> SensorFrame:
        return SensorFrame(self.simulator.recent_layouts[-1])

    def advance(self) -> SensorFrame:
        self._observation = self._env.step(self._policy(self._observation))[0]
        world = self.simulator
        return SensorFrame(world.recent_layouts[-1], steps=world.tick_layouts, control=world.last_control)
