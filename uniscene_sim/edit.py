"""Edits: what may be changed of a world while it runs, one frozen dataclass for each kind.

`ScenarioSource.edit` applies them, and everything else (environment, simulator, scenario files, ROS, protobuf) hands
them on. The edits in force are those of `LayoutFrame.edits`. Places are in the map frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import WEATHERS, Edit
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import check_numbers
from uniscene_sim.scenario import AGENT_CLASSES, AgentSpec, Spawn

__all__ = ["BEHAVIOURS", "EDIT_KINDS", "MAP_EDITS", "AddAgent", "ChangeStyle", "CloseLane", "MoveAgent", "MoveCrossing",
           "RemoveAgent", "Undo"]  # fmt: skip


#: What an agent that is added may do; trajectories are those of scenario files.
BEHAVIOURS = ("traffic", "constant", "walk", "parked")


@dataclass(frozen=True)
class AddAgent(Edit):
    """Add an agent or a prop, such as a parked car, a cone or a barrier (`behaviour="parked"`).

    Its spawn may be relative to anybody who is there.
    """

    agent: AgentSpec

    def __post_init__(self) -> None:
        if not isinstance(self.agent, AgentSpec):
            raise InputError(f"expected an AgentSpec, got {shown(self.agent)}", field="agent")
        _check_new_name(self.agent.name, "agent.name")
        if self.agent.cls not in AGENT_CLASSES:
            raise InputError(f"expected one of {', '.join(AGENT_CLASSES)}, got {shown(self.agent.cls)}", field="class")
        if self.agent.behaviour not in BEHAVIOURS:
            what = shown(self.agent.behaviour)
            raise InputError(f"expected one of {', '.join(BEHAVIOURS)}, got {what}", field="agent.behaviour")
        _check_spawn(self.agent.spawn, "agent.spawn")


@dataclass(frozen=True)
class RemoveAgent(Edit):
    """Remove an agent or a prop; of a name that `CloseLane` gave, open the lane.

    Attributes:
        name: of an agent of the scenario or of an edit; "#17" is who has this id in `LayoutFrame.agents`.
    """

    name: str

    def __post_init__(self) -> None:
        _check_name(self.name, "name")


@dataclass(frozen=True)
class MoveAgent(Edit):
    """Move an agent or a prop to another place, where it goes on as it is."""

    name: str  # see `RemoveAgent`
    to: Spawn

    def __post_init__(self) -> None:
        _check_name(self.name, "name")
        _check_spawn(self.to, "to")


@dataclass(frozen=True)
class CloseLane(Edit):
    """Close a lane to traffic, by barriers across it and cones along it; routes avoid it."""

    at: Spawn  # where it begins
    length_m: float = 30.0
    name: str = "closing"

    def __post_init__(self) -> None:
        check_numbers(self, length_m=bounds.CLOSING_M)
        _check_new_name(self.name, "name")
        _check_spawn(self.at, "at")


@dataclass(frozen=True)
class MoveCrossing(Edit):
    """Move the pedestrian crossing that is nearest to a place."""

    x: float
    y: float
    by: tuple[float, float]  # m, along x and y

    def __post_init__(self) -> None:
        check_numbers(self, x=bounds.MAP_FRAME_M, y=bounds.MAP_FRAME_M, by=bounds.MOVE_M)
        if not isinstance(self.by, tuple) or len(self.by) != 2:
            raise InputError(f"expected 2 numbers, got {shown(self.by)}", field="by")


@dataclass(frozen=True)
class ChangeStyle(Edit):
    """Change weather or time of day; None leaves it as it is."""

    weather: str | None = None
    time_of_day_h: float | None = None

    def __post_init__(self) -> None:
        check_numbers(self, time_of_day_h=bounds.HOUR_H)
        if self.weather not in (None, *WEATHERS):
            raise InputError(f"expected one of {', '.join(WEATHERS)}, got {shown(self.weather)}", field="weather")


@dataclass(frozen=True)
class Undo(Edit):
    """Take back the last edit that is in force: who was removed or moved is where and as it was then."""


#: By the name of their kind in scenario files and requests.
EDIT_KINDS: dict[str, type[Edit]] = {
    "add": AddAgent,
    "remove": RemoveAgent,
    "move": MoveAgent,
    "close_lane": CloseLane,
    "move_crossing": MoveCrossing,
    "style": ChangeStyle,
    "undo": Undo,
}
#: Those that make another map.
MAP_EDITS = (CloseLane, MoveCrossing)


def _check_name(name: object, field: str) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= bounds.NAME:
        raise InputError(f"expected a name of at most {bounds.NAME} characters, got {shown(name)}", field=field)


def _check_new_name(name: object, field: str) -> None:
    """Names are written into files and shown on screens; #17 is an id."""
    _check_name(name, field)
    assert isinstance(name, str)
    if name == "ego" or name.startswith("#") or not name.isprintable():
        raise InputError(f"expected another name than ego and #17, in one printable line, got {shown(name)}",
                         field=field)  # fmt: skip


def _check_spawn(spawn: object, field: str) -> None:
    if not isinstance(spawn, Spawn) or spawn.random:
        raise InputError(f"expected a Spawn that is not random, got {shown(spawn)}", field=field)
