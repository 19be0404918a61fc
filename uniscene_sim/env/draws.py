"""`Draws`: which episodes there are, how one is drawn, and what `info` tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim import plugins
from uniscene_sim.env.drives import Drive, drive_of
from uniscene_sim.env.map_drives import map_drive
from uniscene_sim.env.parking_street import PARKING
from uniscene_sim.env.saved import Episode
from uniscene_sim.env.settings import SPLIT_SEEDS, SPLITS, EnvSettings, name_list, options_by_name
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.limits import bounds

__all__ = ["OPTIONS", "Draws"]

#: What a reset's `options` may set.
OPTIONS = ("scenario", "scenario_seed", "parameters")


class Draws:
    """The episodes of an environment.

    Args:
        settings: scenarios, map, split and parameters count.

    Raises:
        InputError: an invalid setting, or a scenario that cannot be opened.

    Attributes:
        drives: one for each scenario that was named, in order.
    """

    def __init__(self, settings: EnvSettings):
        scenarios = name_list(settings.scenario, "scenario")
        if not scenarios:
            raise InputError("expected a scenario, or several", field="scenario")
        self._given: list[str | None] = [*scenarios]
        if settings.source is not None and settings.source not in plugins.plugin_names("source"):
            self._given = [None]  # an address
        self._source, fixed = settings.source, settings.parameters
        _require_by_name(fixed, "parameters")
        for name in ("towns", "lanes"):
            if settings.map is None and getattr(settings, name) is not None:
                raise InputError('expected map="town" or "blocks:...", too', field=name)
        if settings.map is not None:
            for name in ("scenario", "source"):
                if getattr(settings, name) != getattr(EnvSettings, name):
                    raise InputError(f"goes with no map; expected one of map and {name}", field=name)
            self._given = []
            self.drives: list[Drive] = [map_drive(settings.map, settings.towns, settings.lanes, fixed)]
        else:
            drives = {what: drive_of(what, settings.source, fixed) for what in dict.fromkeys(self._given)}
            self.drives = [drives[what] for what in self._given]  # one that is named twice is drawn twice as often
        self._parameters = sorted({name for drive in self.drives for name in drive.parameters})
        self._require_parameters(fixed, "parameters")
        self._first_seed = SPLITS[settings.split]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenarios."""
        return tuple(drive.name for drive in self.drives)

    def require_many(self, count: int) -> None:
        """InputError if there is but one world that goes on by itself, where several are wanted."""
        for what in self._given:
            if what == PARKING:
                continue
            found, opened = plugins.find_source(what, self._source, ("scenario", "source"))
            if getattr(found, "live", False):
                why = f"{opened} is one world that goes on; expected environments of their own for {count} worlds"
                raise InputError(why, field="num_envs")

    def draw(self, random: np.random.Generator, options: Mapping[str, Any] | None = None) -> Episode:
        """Draw the next episode with a world's own random generator; `options` may set the scenario, its seed
        and parameters.

        Raises:
            InputError: an unknown option or an invalid value.
        """
        given = options_by_name(options)
        which, seed = int(random.integers(len(self.drives))), self._first_seed + int(random.integers(SPLIT_SEEDS))
        if (name := given.pop("scenario", None)) is not None:
            names = self.names
            name = Path(name).stem if isinstance(name, str | Path) and name not in names else name
            if name not in names:
                raise InputError(f"expected one of {', '.join(names)}, got {shown(name)}", field="options.scenario")
            which = names.index(name)
        if (wanted := given.pop("scenario_seed", None)) is not None:
            seed = bounds.WORLD_SEED.number(wanted, "options.scenario_seed")
        own = given.pop("parameters", None)
        if given:
            raise InputError(f"expected {', '.join(OPTIONS)}, got {', '.join(given)}", field="options")
        self._require_parameters(own, "options.parameters")
        known = self.drives[which].parameters
        return Episode(which, seed, {name: value for name, value in (own or {}).items() if name in known})

    def info(self, episodes: Sequence[Episode], drawn: Sequence[Mapping[str, float | str]]) -> dict[str, np.ndarray]:
        """Entries (n,) of `info` on n episodes: `scenario`, `scenario_seed`, and `drawn_NAME` for each parameter of any
        scenario, 0 where theirs has none.

        Args:
            episodes: n of them.
            drawn: values of their parameters, by name.
        """
        told = {
            "scenario": np.array([e.scenario for e in episodes], dtype=np.int64),
            "scenario_seed": np.array([e.seed for e in episodes], dtype=np.int64),
        }
        for name in self._parameters:
            of = [self.drives[e.scenario].parameters.get(name) for e in episodes]
            values = [one.number(row[name]) if one else 0.0 for row, one in zip(drawn, of, strict=True)]
            told[f"drawn_{name}"] = np.array(values, dtype=np.float64)
        return told

    def _require_parameters(self, given: Any, where: str) -> None:
        """InputError if values by name are none, or are of parameters that no scenario has."""
        _require_by_name(given, where)
        for name in given or {}:
            if name not in self._parameters:
                known = f"some of {', '.join(self._parameters)}" if self._parameters else "none"
                hint = did_you_mean(name, self._parameters)
                raise InputError(f"no parameter {shown(name)}{hint}; expected {known}", field=where)


def _require_by_name(given: Any, where: str) -> None:
    """InputError if values by name are none."""
    if not isinstance(given, Mapping | None):
        raise InputError(f"expected values by name, got {shown(given)}", field=where)
