"""Many small worlds in one call, as in reinforcement learning, beside the same worlds one call each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from uniscene_sim.assemble import assemble
from uniscene_sim.bench import Row, interleaved_ms
from uniscene_sim.camera.raycast import PlainCameras, RaycastCameras
from uniscene_sim.engines import WorldView
from uniscene_sim.lidar.raycast import RaycastLidar
from uniscene_sim.rig_file import load_rig
from uniscene_sim.tracing.atlas import PackedTiles, TileAtlas
from uniscene_sim.world.source import ScenarioSource

__all__ = ["rows", "worlds"]

_WORLDS = 16


def worlds(scenario: str, count: int = _WORLDS) -> list[WorldView]:
    """As many worlds on one map as moments of a scenario, over shared tiles."""
    simulator = assemble(ScenarioSource.open(scenario), load_rig("rl"), window_grid=None, bev_schema=None)
    layouts, tiles = [simulator.reset().layout], PackedTiles(simulator.store)
    while len(layouts) < 10 * count:
        layouts += simulator.source.step(simulator.source.driver_control(), 100_000)
    views = []
    for k in range(9, 10 * count, 10):
        atlas = TileAtlas(tiles)
        atlas.update(layouts[k].ego_pose.x, layouts[k].ego_pose.y, simulator.range_m)
        views.append(WorldView(layouts[k], tuple(layouts[k - 9 : k]), atlas))
    return views


def _in_turn(engine: Any, views: Sequence[WorldView], specs: Sequence[Any]) -> None:
    for view in views:
        engine.step(None, [view], specs)


def rows() -> Iterator[Row]:
    rig = load_rig("rl")
    sensors: tuple[tuple[str, Any, Any], ...] = (
        ("84x84 camera, `raycast`", RaycastCameras(), rig.cameras),
        ("84x84 camera, `raycast-plain`", PlainCameras(), rig.cameras),
        ("16x360 LiDAR", RaycastLidar(), rig.lidars),
    )
    for scenario in ("cut_in", "hard_brake"):
        views = worlds(scenario)
        for what, engine, specs in sensors:
            jobs: dict[str, Callable[[], object]] = {
                "at once": partial(engine.step, None, views, specs),
                "in turn": partial(_in_turn, engine, views, specs),
            }
            ms = interleaved_ms(jobs)
            name = f"{what}, `{scenario}`: a world of {_WORLDS} at once"
            yield Row(name, ms["at once"] / _WORLDS, "ms", "in turn", ms["in turn"] / _WORLDS)
