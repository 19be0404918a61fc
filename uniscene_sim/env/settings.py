"""`EnvSettings`: the arguments of `gymnasium.make`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from uniscene_sim.env.reward import RewardFunction
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.layout import PHYSICS_US
from uniscene_sim.limits import bounds
from uniscene_sim.limits.bounds import check_numbers
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.remote.address import Remote
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import TraceMode

__all__ = ["ENDINGS", "SPLITS", "SPLIT_SEEDS", "EnvSettings", "name_list", "options_by_name"]

#: Events that may terminate an episode.
ENDINGS = ("collision", "off_road", "red_light", "blocked")


class UnexpectedSetting(InputError, TypeError):
    """A setting that there is none of; a TypeError in Python's words, too, for frameworks try what an env takes."""


#: How many seeds a set has from which resets draw, and the first one of each set.
SPLIT_SEEDS = 2**31
SPLITS = {"train": 0, "test": SPLIT_SEEDS}


@dataclass(frozen=True)
class EnvSettings:
    """The arguments of `gymnasium.make`.

    Args:
        scenario: name of a scenario, or file, folder or address of any source; or several, one of which is drawn at
            each reset.
        map: in place of scenarios: "town", a new town for each seed; "blocks:SCXT" or "blocks:7", a new road of blocks,
            see `maps.towns.blocks`; or any map file. Start, route, traffic, weather and hour are drawn by the seed.
        towns: how many towns or roads there are in each split; None for one to each seed.
        lanes: of roads of blocks, in each direction; None draws them.
        split: "train" or "test": which seeds resets draw. Those of tests are never drawn in training.
        source: name of the source that opens them, if their names do not select it; or an address in their place.
            Progress and events of other sources are computed from their layouts, see `env.progress`; their states can
            be saved if they have `get_state` and `set_state`.
        rig: sensors: a preset ("rl", "nuscenes-small", ...), a YAML file or a `SensorRig`.
        observations: names, see `env.observations`; nothing else is computed.
        action: "continuous" (steering, acceleration), "discrete", "waypoints", "meta" or "reversing", see
            `env.actions`.
        reward: weights of terms that replace the defaults, or a function of one's own, see `env.reward`.
        terminate_on: events that terminate an episode: some of "collision", "off_road", "red_light" and "blocked".
        step_ms: time between two actions, a multiple of 10.
        occupancy, window, camera, lidar: engines by name, with or without options, see `engine_support.options`.
        trace: what sensor rays are traced through: "tiles", "window" or "window+tiles", see `simulator.TraceMode`.
        world_seed: seed of buildings and trees in all episodes, None for that of the scenario's file. The seed of
            `reset` determines traffic and random positions.
        record: folder for recordings of all episodes, as MCAP; see `env.recording`.
        record_options: what they keep.
        parameters: values, or ranges `[least, most]`, in place of those that scenario files give their parameters, by
            name.
        remote: HOST:PORT of a `uniscene-sim serve` that simulates the sensors, or a `remote.address.Remote`.
    """

    scenario: str | Path | Sequence[str | Path] = "lane_following"
    rig: str | Path | SensorRig = "rl"
    observations: Sequence[str] = ("ego", "route", "agents")
    action: str = "continuous"
    reward: Mapping[str, float] | RewardFunction | None = None
    terminate_on: Sequence[str] = ENDINGS
    step_ms: int = 100
    occupancy: str = "procedural"
    camera: str = "raycast"
    lidar: str = "raycast"
    window: str = "exact"
    trace: TraceMode = "tiles"
    world_seed: int | None = None
    map: str | Path | None = None
    towns: int | None = None
    lanes: int | None = None
    split: str = "train"
    source: str | None = None
    record: str | Path | None = None
    record_options: RecordOptions = RecordOptions()  # noqa: RUF009 - frozen
    remote: str | Remote | None = None
    parameters: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        check_numbers(self, step_ms=bounds.STEP_MS, world_seed=bounds.WORLD_SEED)
        if self.step_ms * 1000 % PHYSICS_US:
            raise InputError(f"must be a positive multiple of 10, got {self.step_ms}", field="step_ms")
        if not isinstance(self.split, str) or self.split not in SPLITS:
            raise InputError(f"expected one of {', '.join(SPLITS)}, got {shown(self.split)}", field="split")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> EnvSettings:
        """The settings by name.

        Raises:
            InputError: one is unknown; lists those that there are.
        """
        known = [f.name for f in fields(cls)]
        for name in settings:
            if name not in known:
                hint = did_you_mean(name, known)
                what = f"got an unexpected keyword argument {shown(name)}{hint}; expected some of {', '.join(known)}"
                raise UnexpectedSetting(what)
        return cls(**settings)


def name_list(given: Any, field: str) -> list[str]:
    """One name or several, as a list.

    Raises:
        InputError: the value is neither.
    """
    if isinstance(given, str | Path):
        return [str(given)]
    several = list(given) if isinstance(given, Iterable) else [None]
    if all(isinstance(name, str | Path) for name in several):
        return [str(name) for name in several]
    raise InputError(f"expected a name or several, got {shown(given)}", field=field)


def options_by_name(given: Any) -> dict[str, Any]:
    """The options of `reset`, none for None.

    Raises:
        InputError: they are no mapping.
    """
    if not isinstance(given, Mapping | None):
        raise InputError(f"expected options by name, got {shown(given)}", field="options")
    return dict(given or {})
