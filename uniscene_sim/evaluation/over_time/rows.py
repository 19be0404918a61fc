"""What is judged: engines of windows, tiles cut into windows, and what takes no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from uniscene_sim.datasets.drives import moment_labels
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.over_time.drives import TestDrive
from uniscene_sim.evaluation.remade_maps import EmittedWindows
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.interfaces import OccupancyEngine, WindowEngine, WorldView
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.temporal.canvas import CANVAS, Canvas, columns_at
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.window import no_tiles

__all__ = ["LastFrame", "LookedUp", "OnCanvas", "Row", "TileRow", "Truth", "WindowRow"]

_FREE = int(OccClass.FREE)


class Row(Protocol):
    """A way to windows of a drive."""

    name: str

    def roll(self, drive: TestDrive, first: int, count: int, given: int, noise: int = 0) -> Iterator[np.ndarray]:
        """Labels uint8 (200, 200, 16) of `count` moments, one after the other.

        Args:
            drive: whose layouts are told, each at its moment.
            first: number of the first moment.
            count: of moments.
            given: how many true windows before the first are told.
            noise: number of the noise.
        """
        ...


class GoesOn(WindowEngine, Protocol):
    """A window engine that can be given true windows to go on from, and asked for a moment that was edited."""

    def given(self, layouts: Sequence[LayoutFrame], windows: Sequence[OccupancyGrid]) -> Any: ...

    def edited(self, state: Any, before: LayoutFrame, after: LayoutFrame, grid: GridSpec) -> OccupancyGrid: ...


class WindowRow:
    """An engine of windows.

    Args:
        name: of the row.
        make: the engine of a map and a seed.
    """

    def __init__(self, name: str, make: Callable[[StaticMap, int], GoesOn]):
        self.name, self.make = name, make

    def roll(self, drive: TestDrive, first: int, count: int, given: int, noise: int = 0) -> Iterator[np.ndarray]:
        engine = self.make(drive.map, noise)
        before = range(first - given, first)
        state: Any = None
        if given:
            state = engine.given([drive.layouts[n] for n in before], [drive.grid(n) for n in before])
        for n in range(first, first + count):
            view = WorldView(drive.layouts[n], (), no_tiles())
            (state,), (window,) = engine.step([state], [view], DEFAULT_GRID)
            yield window.labels


class TileRow:
    """Tiles of an engine, cut into windows, with the agents of the layout drawn in.

    Args:
        name: of the row.
        make: the engine of a map and a seed.
        another: added to the seed of the truth's plan.
    """

    def __init__(self, name: str, make: Callable[[StaticMap, int], OccupancyEngine], another: int = 0):
        self.name, self._make, self._another = name, make, another
        self._usual = self._windows(0)  # of the first noise, whose tiles are asked for again and again

    def _windows(self, noise: int) -> EmittedWindows:
        shift = self._another + noise
        return EmittedWindows(lambda static_map, seed: self._make(static_map, seed + shift))

    def roll(self, drive: TestDrive, first: int, count: int, given: int, noise: int = 0) -> Iterator[np.ndarray]:
        if drive.origin is None:
            raise ValueError("the drive is along a street whose map was not planned")
        windows = self._windows(noise) if noise else self._usual
        for n in range(first, first + count):
            yield drive.with_agents(n, windows(drive.origin, drive.layouts[n].ego_pose))


class LookedUp:
    """The commonest column of labels for the layout of a cell, without agents."""

    def __init__(self, name: str, table: MeanColumnBaseline):
        self.name, self._table = name, table

    def roll(self, drive: TestDrive, first: int, count: int, given: int, noise: int = 0) -> Iterator[np.ndarray]:
        for n in range(first, first + count):
            (labels,) = self._table(drive.condition(n)[None])
            yield labels[:, :, : DEFAULT_GRID.shape[2]]


class LastFrame:
    """The last true window: as it was, or moved as the ego moves, with the agents of the layout drawn in.

    Args:
        name: of the row.
        moved: whether it moves.
    """

    def __init__(self, name: str, moved: bool):
        self.name, self.moved = name, moved

    def roll(self, drive: TestDrive, first: int, count: int, given: int, noise: int = 0) -> Iterator[np.ndarray]:
        last = max(first - 1, 0)
        for n in range(first, first + count):
            if not self.moved:
                yield drive.truth(last)
                continue
            at = columns_at(drive.layouts[n].ego_pose, DEFAULT_GRID, drive.layouts[last].ego_pose, DEFAULT_GRID)
            yield drive.with_agents(n, at.of(drive.still(last), _FREE))


class OnCanvas:
    """The truth, drawn on a canvas that stays in the world, and cut: what is lost where cells of a window lie between
    those of the world, however good a generator is.

    Args:
        token_m: by which the canvas follows the ego.
    """

    name = "truth, on a canvas"

    def __init__(self, token_m: float = 3.2):
        self._token_m = token_m

    def roll(self, drive: TestDrive, first: int, count: int, given: int, noise: int = 0) -> Iterator[np.ndarray]:
        if drive.moments is None:
            raise ValueError("the drive is along a street of which not all is known")
        canvas = Canvas.around(drive.layouts[first - given].ego_pose)
        for n in range(first - given, first + count):
            ego = drive.layouts[n].ego_pose
            canvas = canvas.following(ego, self._token_m)
            if n >= first:
                pose = canvas.pose(self._token_m, ego.z)
                labels = moment_labels(drive.map, replace(drive.moments[n], pose=pose), CANVAS)
                yield columns_at(ego, DEFAULT_GRID, pose, CANVAS).of(labels, _FREE)


class Truth:
    """The true windows: what scores of a perfect generator would be."""

    name = "truth"

    def roll(self, drive: TestDrive, first: int, count: int, given: int, noise: int = 0) -> Iterator[np.ndarray]:
        for n in range(first, first + count):
            yield drive.truth(n)
