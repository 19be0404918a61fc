"""A straight road 1.5 km long: three lanes one way (y = -1.75, -5.25, -8.75), one the other way (y = 1.75)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from uniscene_sim.maps.elements import Lane
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario import AgentSpec, EgoSpec, Scenario, Spawn
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.state import WorldState


def road() -> VectorMap:
    along = np.arange(1501.0)

    def lane(index: int, y: float, **beside: int) -> Lane:
        x, heading = (along, 0.0) if y < 0 else (along[::-1], np.pi)
        centre = np.stack([x, np.full(1501, y), np.zeros(1501)], axis=1)
        return Lane(index=index, key=(1, 0, index), kind="driving", centre=centre, heading=np.full(1501, heading),
                    width=np.full(1501, 3.5), left_mark="broken", right_mark="broken",
                    speed_limit_mps=36.0, **beside)  # fmt: skip

    return VectorMap(
        "three",
        (lane(0, -1.75, right=1, opposite=3), lane(1, -5.25, left=0, right=2), lane(2, -8.75, left=1),
         lane(3, 1.75, opposite=0)),
    )  # fmt: skip


def scene(agents: tuple[AgentSpec, ...], duration_s: float = 20.0, speed_mps: float = 0.0, **fields) -> ScenarioSource:
    """A scene whose ego begins at (50, -5.25) and keeps its speed, or crawls."""
    ego = fields.pop("ego", EgoSpec(Spawn(x=50.0, y=-5.25, yaw_deg=0.0), speed_mps, max(speed_mps, 0.5)))
    spec = Scenario(name="t", map=Path("three"), seed=1, duration_s=duration_s, ego=ego, agents=agents, **fields)
    return ScenarioSource(spec, road())


def on_lane(name: str, x: float, lane: int, speed: float = 0.0, behaviour: str = "constant", **fields) -> AgentSpec:
    y, yaw = ((-1.75, 0.0), (-5.25, 0.0), (-8.75, 0.0), (1.75, 180.0))[lane]
    cls = fields.pop("cls", "car")
    return AgentSpec(name, cls, Spawn(x=x, y=y, yaw_deg=yaw), speed, behaviour, **fields)


def states(source: ScenarioSource, seconds: float | None = None, step_us: int = 100_000) -> Iterator[WorldState]:
    """The state after each step; until the end where no time is given."""
    end = source.state.time_us + round((seconds or 1e6) * 1e6)
    while not source.done and source.state.time_us < end:
        source.step(source.driver_control(), step_us)
        yield source.state
