"""`EnvSettings`: the arguments of `gymnasium.make`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.rig import SensorRig
from uniscene_sim.simulator import Traced

__all__ = ["ENDINGS", "EnvSettings"]

#: What may end an episode before its goal or its time.
ENDINGS = ("collision", "off_road", "red_light")


@dataclass(frozen=True)
class EnvSettings:
    """What an env is made of: the arguments of `gymnasium.make`.

    Args:
        scenario: name of one of the library, or file, folder or address of any source, or several to draw from at each
            reset.
        source: name of the source that opens them, where they do not tell; or an address in their place. What a source
            does not know is read off its layouts, see `env.progress`; states can be saved where it has `get_state` and
            `set_state`.
        rig: sensors: a preset ("rl", "nuscenes-small", ...), a YAML file or a `SensorRig`.
        observations: what to observe, see `env.observations`; nothing else is computed.
        action: "continuous" (steering, acceleration), "discrete" or "waypoints", see `env.actions`.
        reward: weights of terms in place of the usual ones, see `env.reward`.
        terminate_on: what ends an episode early: some of "collision", "off_road", "red_light".
        step_ms: time between two actions, a multiple of 10.
        occupancy, window, camera, lidar: engines by name, with options or not, see `uniscene_sim.engines.options`.
        trace: what rays of sensors go through: "tiles", "window" or "window+tiles", see `simulator.Traced`.
        world_seed: seed of buildings and trees in all episodes, None for that of the scenario's file; the seed of
            `reset` is that of traffic and of places drawn at random.
    """

    scenario: str | Path | Sequence[str | Path] = "lane_following"
    rig: str | Path | SensorRig = "rl"
    observations: Sequence[str] = ("ego", "route", "agents")
    action: str = "continuous"
    reward: Mapping[str, float] | None = None
    terminate_on: Sequence[str] = ("collision", "off_road")
    step_ms: int = 100
    occupancy: str = "procedural"
    camera: str = "raycast"
    lidar: str = "raycast"
    window: str = "exact"
    trace: Traced = "tiles"
    world_seed: int | None = None
    source: str | None = None


def _names(given: Any, field: str) -> list[str]:
    """One name or several.

    Raises:
        InputError: neither.
    """
    if isinstance(given, str | Path):
        return [str(given)]
    several = list(given) if isinstance(given, Iterable) else [None]
    if all(isinstance(name, str | Path) for name in several):
        return [str(name) for name in several]
    raise InputError(f"expected a name or several, got {given!r}", field=field)
