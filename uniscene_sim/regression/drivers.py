"""Drivers under test, by name: built in, a Python callable, a Gymnasium policy, recorded controls, or a plug-in's."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from uniscene_sim.control import CAREFUL, CARELESS, HASTY, Control, Manners, Trajectory
from uniscene_sim.errors import InputError, said, shown
from uniscene_sim.frames import SensorFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.loops import DirectLoop, Loop, LoopSettings, PolicyLoop
from uniscene_sim.rig import SensorRig
from uniscene_sim.scenario import Scenario

__all__ = ["BUILT_IN", "DEFAULT", "Brought", "DriveTask", "Phase", "driver_named"]

#: The built-in driver: keeps its lane by Stanley's rule and its distance by the Intelligent Driver Model.
DEFAULT = "builtin"
#: The same with other manners.
BUILT_IN: dict[str, Manners | None] = {DEFAULT: None, "careful": CAREFUL, "hasty": HASTY, "careless": CARELESS}
_GROUP = "uniscene_sim.driver"


class Phase(Enum):
    """Where a case is: what is opened, made and compiled before its first frame does not count as its time."""

    MAKES = auto()  # the driver is made
    DRIVES = auto()
    OVER = auto()  # of either


@dataclass(frozen=True)
class DriveTask:
    """What a driver may know before it drives.

    Attributes:
        scenario: with the values that were drawn.
        map: the static world.
        rig: sensors whose records it gets in each frame; without any the frame has the layout alone.
        seed: of the world.
        tick_us: time between two frames.
    """

    scenario: Scenario
    map: StaticMap
    rig: SensorRig
    seed: int
    tick_us: int


class Brought(Protocol):
    """A driver as a batch brings it: it opens a loop for each case."""

    def loop(self, case: Case, settings: LoopSettings) -> Loop:
        """The world of a case, with this driver in it.

        Raises:
            InputError: the case cannot be opened, or the driver cannot be made.
        """
        ...


def driver_named(name: str, tells: Callable[[Phase], object] = lambda _: None) -> Brought:
    """The driver of a name. Wherever its modules take the process, it is back in the working folder then.

    Args:
        name: "builtin", "careful", "hasty" or "careless"; "MODULE:MAKER", a callable that makes a driver
            `SensorFrame -> Control | Trajectory | None` for each case, with a `DriveTask` if it takes an argument;
            "FILE.zip", a policy of Stable-Baselines3, behind "ALGORITHM=" if it is not PPO's; "policy=MODULE:MAKER",
            a callable that makes a policy `observation -> action` with an attribute `settings`, arguments of
            `UniSceneEnv`; "FILE.mcap", whose controls are driven again; or a driver of an installed plug-in with its
            options, as in "ros2,profile=autoware".
        tells: called as a callable begins to make a driver for a case, and when it has.

    Raises:
        InputError: there is none, or it cannot be loaded.
    """
    with chdir(os.getcwd()):
        return _brought(name, tells)


def _brought(name: str, tells: Callable[[Phase], object]) -> Brought:
    if name in BUILT_IN:
        return _BuiltIn(BUILT_IN[name])
    if name.endswith(".mcap"):
        from uniscene_sim.regression.recorded_driver import RecordedControls

        return RecordedControls(Path(name))
    if name.endswith(".zip"):
        from uniscene_sim.regression.policy_driver import saved_policy

        algorithm, _, file = name.rpartition("=")
        return _Policy(saved_policy(Path(file), algorithm or "PPO"), tells)
    if name.startswith("policy="):
        return _Policy(_imported(name.removeprefix("policy=")), tells)
    if ":" in name:
        return _Callable(_imported(name), name, tells)
    plugin, *given = name.split(",")
    for found in entry_points(group=_GROUP, name=plugin):
        brought: Brought = found.load()(dict(option.partition("=")[::2] for option in given))
        return brought
    known = ", ".join([*BUILT_IN, *sorted({found.name for found in entry_points(group=_GROUP)})])
    raise InputError(
        f"no driver {shown(name)}; expected one of {known}, MODULE:MAKER, policy=MODULE:MAKER, or a file .zip or .mcap",
        field="driver",
    )


@dataclass(frozen=True)
class _BuiltIn:
    """The simulator's own driver."""

    manners: Manners | None

    def loop(self, case: Case, settings: LoopSettings) -> Loop:
        loop = DirectLoop.open(case, settings)
        if self.manners is None:
            return loop
        return loop.driven_by(lambda _: loop.simulator.source.driver_control(self.manners))


@dataclass(frozen=True)
class _Callable:
    """A callable of somebody else's, made anew for each case."""

    maker: Callable[..., Any]
    name: str
    tells: Callable[[Phase], object]

    def loop(self, case: Case, settings: LoopSettings) -> Loop:
        loop = DirectLoop.open(case, settings)
        simulator = loop.simulator
        source = simulator.source
        task = DriveTask(source.scenario, source.map, simulator.rig, source.seed, simulator.tick_us)
        with _making(self.tells):
            made = self.maker(task) if _takes_one(self.maker) else self.maker()
        if not callable(made):
            raise InputError(f"{self.name} made {shown(made)}, expected a callable driver", field="driver")
        return loop.driven_by(_checked(made))


@dataclass(frozen=True)
class _Policy:
    """A policy of Gymnasium's environment."""

    maker: Callable[..., Any]
    tells: Callable[[Phase], object]

    def loop(self, case: Case, settings: LoopSettings) -> Loop:
        with _making(self.tells):
            policy = self.maker()
            if callable(reset := getattr(policy, "reset", None)):
                reset()
        return PolicyLoop(case, settings, policy)


@contextmanager
def _making(tells: Callable[[Phase], object]) -> Iterator[None]:
    """Tell that a driver is made meanwhile."""
    tells(Phase.MAKES)
    try:
        yield
    finally:
        tells(Phase.OVER)


def _checked(driver: Callable[[SensorFrame], Any]) -> Callable[[SensorFrame], Control | Trajectory | None]:
    """The driver, refusing what is no control."""

    def drive(frame: SensorFrame) -> Control | Trajectory | None:
        control = driver(frame)
        if not isinstance(control, Control | Trajectory | None):
            raise InputError(f"expected a Control, a Trajectory or None, got {shown(control)}", field="control")
        return control

    return drive


def _takes_one(maker: Callable[..., Any]) -> bool:
    """Whether a maker takes the task."""
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)


def _imported(text: str) -> Callable[..., Any]:
    """The callable that "MODULE:ATTRIBUTE" names; modules are also looked for in the working folder."""
    module_name, _, attribute = text.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # whatever the user's module raises
        raise InputError(f"{text} cannot be imported: {said(error)}", field="driver") from error
    if not callable(found):
        raise InputError(f"{text} is {shown(found)}, expected a callable that makes a driver", field="driver")
    return found  # type: ignore[no-any-return]
