"""Benchmark of scaling: cost grows with the number of rays, not with the map or with agents out of view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from uniscene_sim.bench.cameras import street_view
from uniscene_sim.bench.timing import BenchRow, interleaved_ms
from uniscene_sim.camera.raycast.engine import RaycastCameras
from uniscene_sim.interfaces import WorldView
from uniscene_sim.rig import CameraSpec
from uniscene_sim.rigs.rig_file import load_rig

__all__ = ["rows"]


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    front = load_rig("nuscenes-small").cameras[1]
    near, wide = street_view("cut_in", "rl"), street_view("cut_in")
    short = replace(front, max_range_m=50.0)
    engine = RaycastCameras()

    def shot(view: WorldView, spec: CameraSpec = front) -> Callable[[], object]:
        return lambda: engine.step(None, [view], [spec])

    jobs = {"1": shot(wide)}
    for factor in (2, 4):
        jobs[f"rays {factor}"] = shot(wide, front.scaled(factor**0.5))
    for count in (100, 400):
        jobs[f"agents {count}"] = shot(_crowded(wide, count))
    jobs["tiles of 60 m"], jobs["tiles of 150 m"] = shot(near, short), shot(wide, short)
    ms = interleaved_ms(jobs)
    one = ms["1"]
    yield BenchRow("a camera of 224x400", one, "ms")
    for factor in (2, 4):
        yield BenchRow(f"the same with {factor} times the rays", ms[f"rays {factor}"], "ms", "one times", one)
    for count in (100, 400):
        yield BenchRow(f"the same with {count} more agents behind it", ms[f"agents {count}"], "ms", "none more", one)
    tiles = len(near.atlas.arrays.base_z), len(wide.atlas.arrays.base_z)
    yield BenchRow(
        f"to 50 m, {tiles[1]} tiles packed", ms["tiles of 150 m"], "ms", f"{tiles[0]} tiles", ms["tiles of 60 m"]
    )


def _crowded(view: WorldView, count: int) -> WorldView:
    """The same world with `count` more cars far behind the ego."""
    some = view.frame.agents[view.frame.agents["cls"] == 0]
    more = np.resize(some, count).copy()
    more["id"] = 30_000 + np.arange(count)
    back = np.column_stack([-40.0 - 0.2 * np.arange(count), np.zeros(count), np.zeros(count)])
    more["pos"] = view.frame.ego_pose.apply(back)
    return WorldView(replace(view.frame, agents=np.concatenate([view.frame.agents, more])), view.history, view.atlas)
