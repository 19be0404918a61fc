"""Where episodes come from: a scenario, or a file or address that another source opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from uniscene_sim import plugins
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario_files.parameters import Parameter
from uniscene_sim.scenario_files.read import ScenarioFile, find_scenario, is_branch
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["Drive", "drive_of"]


class Drive(Protocol):
    """A scenario or recording from which episodes with different seeds are opened.

    Attributes:
        name: used in `info`.
        seed: default seed.
        map: static map, of the first episode at least.
    """

    name: str
    seed: int

    @property
    def map(self) -> StaticMap: ...

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
    def __init__(self, what: str, load_map: Callable[[Path], StaticMap], parameters: Mapping[str, Any]):
        file = find_scenario(what)
        known = ScenarioFile(file).parameters
        self._file = ScenarioFile(file, {name: given for name, given in parameters.items() if name in known})
        self.parameters: Mapping[str, Parameter] = known
        self.scenario, self._load_map = self._file.scenario(), load_map
        self.name, self.seed = self.scenario.name, self.scenario.seed

    @property
    def map(self) -> StaticMap:
        return self._load_map(self.scenario.map)

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> LayoutSource:
        scenario = self._file.scenario(seed, parameters)
        return ScenarioSource(scenario, self._load_map(scenario.map), seed)

    def close(self) -> None:
        """Nothing to leave."""


class _SourceDrive:
    parameters: Mapping[str, Parameter] = MappingProxyType({})

    def __init__(self, what: str, source: type[LayoutSource]):
        self._what, self._source = what, source
        first = source.open(what)
        self.name, self.seed, self.map = first.title, first.seed, first.map
        self._first = first if getattr(first, "live", False) else None

    def open(self, seed: int, parameters: Mapping[str, Any] | None = None) -> LayoutSource:
        """A live world is opened once; its seed stays."""
        return self._first or self._source.open(self._what, seed)

    def close(self) -> None:
        if self._first is not None and callable(close := getattr(self._first, "close", None)):
            close()


def drive_of(
    what: str | None,
    source: str | None,
    load_map: Callable[[Path], StaticMap],
    parameters: Mapping[str, Any] | None = None,
) -> Drive:
    """The drive of a scenario, file or address.

    Args:
        what, source: see `plugins.open_source`.
        load_map: loads maps, and caches those that several scenarios share.
        parameters: values or ranges in place of those of a scenario's file, by name; others are passed over.

    Raises:
        InputError: no source opens it, or it is malformed.
    """
    found, opened = plugins.find_source(what, source, ("scenario", "source"))
    scenario = found is ScenarioSource and not is_branch(opened)
    return _ScenarioDrive(opened, load_map, parameters or {}) if scenario else _SourceDrive(opened, found)
