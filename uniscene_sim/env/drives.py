"""Where episodes come from: a scenario, or a file or address that another source opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol
from weakref import ref

from uniscene_sim import plugins
from uniscene_sim.compute.last_used import LastUsed
from uniscene_sim.env.parking_street import PARKING, ParkingDrive
from uniscene_sim.env.shared import begun_source, keep_map
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Scenario
from uniscene_sim.scenario_files.parameters import Parameter
from uniscene_sim.scenario_files.read import ScenarioFile, find_scenario, is_branch
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["Drive", "drive_of"]


_DRAWN = 256  # scenarios of seeds used last, which saved states come back to


class Drive(Protocol):
    """A scenario or recording from which episodes with different seeds are opened.

    Attributes:
        name: used in `info`.
        seed: default seed.
        live: whether it is one world that goes on by itself.
        map: static map, of the first episode at least.
        map_ref: its identity.
    """

    name: str
    seed: int
    live: bool

    @property
    def map(self) -> StaticMap: ...
    @property
    def map_ref(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What the seed draws, by name."""
        ...

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> LayoutSource:
        """The source of an episode; `parameters` has values or ranges in place of those that it draws from."""
        ...

    def close(self) -> None:
        """Leave a live world."""
        ...


class _ScenarioDrive:
    live = False

    def __init__(self, what: str, parameters: Mapping[str, Any]):
        file = find_scenario(what)
        known = ScenarioFile(file).parameters
        self._file = ScenarioFile(file, {name: given for name, given in parameters.items() if name in known})
        self.parameters: Mapping[str, Parameter] = known
        self.scenario = self._file.scenario()
        self.name, self.seed = self.scenario.name, self.scenario.seed
        self._drawn: LastUsed[Scenario] = LastUsed(_DRAWN)
        self._map: Callable[[], StaticMap | None] = lambda: None
        self._ref: str | None = None

    @property
    def map(self) -> StaticMap:
        """Loaded again where nobody has used it for long."""
        if (static_map := self._map()) is None:
            static_map = keep_map(load_map(self.scenario.map))
            self._map, self._ref = ref(static_map), static_map.ref
        return static_map

    @property
    def map_ref(self) -> str:
        return self._ref or self.map.ref

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> LayoutSource:
        key = seed, repr(sorted((parameters or {}).items()))
        scenario = self._drawn.get(key, lambda: self._file.scenario(seed, parameters))
        drawn = scenario.map != self.scenario.map
        return begun_source(scenario, keep_map(load_map(scenario.map)) if drawn else self.map, seed)

    def close(self) -> None:
        """Nothing to leave."""


class _SourceDrive:
    parameters: Mapping[str, Parameter] = MappingProxyType({})

    def __init__(self, what: str, source: type[LayoutSource]):
        self._what, self._source = what, source
        first = source.open(what)
        self.name, self.seed, self.map, self.map_ref = first.title, first.seed, first.map, first.map.ref
        self.live = bool(getattr(first, "live", False))
        self._first = first if self.live else None

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> LayoutSource:
        """A live world is opened once; its seed stays."""
        return self._first or self._source.open(self._what, seed)

    def close(self) -> None:
        if self._first is not None and callable(close := getattr(self._first, "close", None)):
            close()


def drive_of(what: str | None, source: str | None, parameters: Mapping[str, Any] | None = None) -> Drive:
    """The drive of a scenario, file or address.

    Args:
        what, source: see `plugins.open_source`.
        parameters: values or ranges in place of those of a scenario's file, by name; others are passed over.

    Raises:
        InputError: no source opens it, or it is malformed.
    """
    if what == PARKING and source is None:
        return ParkingDrive()
    found, opened = plugins.find_source(what, source, ("scenario", "source"))
    scenario = found is ScenarioSource and not is_branch(opened)
    return _ScenarioDrive(opened, parameters or {}) if scenario else _SourceDrive(opened, found)
