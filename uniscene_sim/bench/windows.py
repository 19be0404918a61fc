"""Benchmark of the window around the ego: cut out of tiles, and generated from the layout and two of the past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from uniscene_sim.bench.cameras import street_view
from uniscene_sim.bench.timing import BenchRow, interleaved_ms
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.interfaces import WorldView
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.window import ExactWindow
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.zoo.models import model_names

__all__ = ["rows", "window_jobs"]

_STEPS = (1, 2, 4)
_PERIOD_US = 500_000


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    view = street_view("cut_in")
    static_map = load_map(data_dir("scenarios") / "maps" / "urban_grid.npz")
    jobs: dict[str, Callable[[], object]] = {"exact": partial(ExactWindow(static_map, 0).step, [None], [view],
                                                              DEFAULT_GRID)}  # fmt: skip
    if find_spec("torch"):
        jobs |= window_jobs(static_map, view)
    ms = interleaved_ms(jobs, repeats=3)
    for name in jobs:
        peer = ("`exact`", ms["exact"]) if name != "exact" else ("", None)
        yield BenchRow(f"a window of 200x200x16: `{name}`", ms[name], "ms", *peer)


def window_jobs(static_map: StaticMap, view: WorldView, device: str | None = None) -> dict[str, Callable[[], object]]:
    """What makes a window with two of the past, by engine and steps of its flow.

    Args:
        static_map: the map.
        view: of a moment.
        device: where it is made; None picks one.
    """
    from uniscene_sim.occupancy.temporal.engine import CLIP_WINDOWS
    from uniscene_sim.occupancy.temporal.model import ClipOccupancy

    jobs: dict[str, Callable[[], object]] = {}
    for kind, window in CLIP_WINDOWS.items():
        if kind not in model_names():
            continue
        model = ClipOccupancy.load(kind, kind, device)
        for steps in _STEPS:
            engine: Any = window(static_map, 0, model, options=window.Options(steps=steps))
            state: Any = None
            for n in range(2):
                (state,), _ = engine.step([state], [_at(view, n)], DEFAULT_GRID)
            name = f"{kind}:steps={steps}"
            jobs[name] = partial(engine.step, [state], [_at(view, 2)], DEFAULT_GRID)
    return jobs


def _at(view: WorldView, n: int) -> WorldView:
    return replace(view, frame=replace(view.frame, stamp_us=view.frame.stamp_us + n * _PERIOD_US))
