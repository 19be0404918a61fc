"""The scores of one method, accumulated over windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from uniscene_sim.evaluation.held_out import HeldOutWindows
from uniscene_sim.evaluation.score_table import OccupancyScores
from uniscene_sim.grid import GENERATED_GRID, GridSpec
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.metrics.feature_sets import frechet_distance, inception_score, kernel_distance, precision_recall
from uniscene_sim.metrics.objects import ObjectStatistics, total_variation
from uniscene_sim.metrics.occupancy import (
    AGENT_CHANNELS,
    GIVEN_CLASSES,
    INVENTED_CLASSES,
    MAP_CHANNELS,
    Confusion,
    LayoutScore,
)
from uniscene_sim.metrics.surfaces import VisibleSurface, visible_voxels
from uniscene_sim.taxonomy import OccClass

__all__ = ["FeatureSet", "Judge", "Scoreboard", "grid_of", "histogram_floor", "set_scores", "true_surfaces"]

_FREE = np.uint8(OccClass.FREE)
_ROAD = CONDITION_CHANNELS.index("drivable_area")
_NEIGHBOURS = 3


class FeatureSet(Protocol):
    """Features of samples: several for a window."""

    @property
    def features(self) -> np.ndarray:
        """float (M, D)"""
        ...

    @property
    def kinds(self) -> np.ndarray:
        """float (M, K), shares of kinds"""
        ...


class Judge(Protocol):
    """Features of occupancy, as `evaluation.features.OccupancyFeatures` finds them."""

    def __call__(self, labels: np.ndarray) -> Mapping[str, FeatureSet]:
        """Features by view, "3d" and "2d", of labels uint8 (N, X, Y, Z)."""
        ...


class Scoreboard:
    """Accumulates the scores of one method.

    Args:
        scenes: all windows.
    """

    def __init__(self, scenes: HeldOutWindows):
        self._scenes, self._grid = scenes, grid_of(scenes.labels.shape[1:])
        self.voxels, self.objects, self.surface = Confusion(), ObjectStatistics(), VisibleSurface(self._grid)
        self.own, self.swapped = LayoutScore(CONDITION_CHANNELS), LayoutScore(CONDITION_CHANNELS)
        self.seconds: list[float] = []
        self._made: list[np.ndarray] = []
        self.windows = 0

    def add(self, k: int, made: np.ndarray, seen: np.ndarray) -> None:
        """Add a window.

        Args:
            k: number of the window.
            made: labels uint8 (X, Y, Z).
            seen: `visible_voxels` of the truth.
        """
        scenes = self._scenes
        truth, observed = scenes.labels[k], scenes.observed[k]
        made = np.where(observed, made, _FREE)
        columns = observed.any(axis=2)
        self.voxels.add(truth, made, observed)
        self.own.add(scenes.layouts[k], made, columns)
        # Windows are in the order of files, so the one half of them away is another place.
        count = len(scenes.labels)
        self.swapped.add(scenes.layouts[(k + count // 2) % count], made, columns)
        self.surface.add(truth, made, observed, seen)
        self.objects.add(made, scenes.layouts[k, _ROAD] > 0)
        self._made.append(made)
        self.windows += 1

    def taken(self) -> list[np.ndarray]:
        """The labels (X, Y, Z) of all that was added so far, which are kept no longer."""
        made, self._made = self._made, []
        return made

    def row(self, name: str, truth: Scoreboard, objects: ObjectStatistics | None = None) -> OccupancyScores:
        """The scores so far.

        Args:
            name: of the method.
            truth: that of the truth.
            objects: the true ones of the same windows, if they are not those of `truth`.
        """
        mine, true = self.objects, truth.objects if objects is None else objects
        return OccupancyScores(
            name,
            self._scenes.data,
            windows=self.windows,
            miou=self.voxels.miou,
            iou=self.voxels.iou,
            miou_given=self.voxels.miou_of(GIVEN_CLASSES),
            miou_invented=self.voxels.miou_of(INVENTED_CLASSES),
            manmade_iou=self.voxels.class_iou(OccClass.MANMADE),
            vegetation_iou=self.voxels.class_iou(OccClass.VEGETATION),
            surface_iou=self.surface.iou,
            layout=self.own.mean(),
            layout_map=self.own.mean(MAP_CHANNELS),
            layout_agents=self.own.mean(AGENT_CHANNELS),
            swapped=self.swapped.mean(),
            swapped_truth=truth.swapped.mean(),
            manmade=self.voxels.volume_ratio(OccClass.MANMADE),
            vegetation=self.voxels.volume_ratio(OccClass.VEGETATION),
            house_sizes=total_variation(mine.house_sizes, true.house_sizes),
            house_heights=total_variation(mine.house_heights, true.house_heights),
            crown_sizes=total_variation(mine.crown_sizes, true.crown_sizes),
            off_edges=mine.off_share / true.off_share if true.off_share else None,
            melted=mine.melted_share,
            on_roads=mine.road_share,
            seconds=float(np.median(self.seconds)) if self.seconds else None,
        )


def histogram_floor(name: str, scenes: HeldOutWindows, at: np.ndarray) -> OccupancyScores | None:
    """How far the histograms of true houses and crowns are from those of other windows of the same files: what few
    houses leave to chance. None if these have no other windows.

    Args:
        name: of the row.
        scenes: all windows.
        at: int (K,), numbers of windows.
    """
    files = {scenes.places[k].file for k in at.tolist()}
    others = [labels for labels, file in zip(scenes.others, scenes.other_files, strict=True) if file in files]
    if not others:
        return None
    true, other = _objects(scenes.labels[at]), _objects(others)
    return OccupancyScores(
        name,
        scenes.data,
        windows=len(others),
        house_sizes=total_variation(other.house_sizes, true.house_sizes),
        house_heights=total_variation(other.house_heights, true.house_heights),
        crown_sizes=total_variation(other.crown_sizes, true.crown_sizes),
        off_edges=other.off_share / true.off_share if true.off_share else None,
        melted=other.melted_share,
    )


def _objects(windows: Iterable[np.ndarray]) -> ObjectStatistics:
    found = ObjectStatistics()
    for labels in windows:
        found.add(labels, np.zeros(labels.shape[:2], np.bool_))
    return found


def set_scores(true: Mapping[str, FeatureSet], made: Mapping[str, FeatureSet]) -> dict[str, Any]:
    """Columns of `OccupancyScores` that compare sets of features, by view; none if a set is too small."""
    out: dict[str, Any] = {}
    for view in made:
        a, b = true[view].features, made[view].features
        if min(len(a), len(b)) <= _NEIGHBOURS + 1:
            continue
        near = precision_recall(a, b, _NEIGHBOURS)
        out |= {f"precision_{view}": near.precision, f"recall_{view}": near.recall, f"f_{view}": near.f}
        out |= {f"fid_{view}": frechet_distance(a, b), f"kid_{view}": kernel_distance(a, b)}
        out[f"is_{view}"] = inception_score(made[view].kinds)
    return out


def true_surfaces(scenes: HeldOutWindows) -> list[np.ndarray]:
    """`visible_voxels` of each window's truth."""
    grid = grid_of(scenes.labels.shape[1:])
    return [visible_voxels(labels, grid) for labels in scenes.labels]


def grid_of(shape: Sequence[int]) -> GridSpec:
    """The grid of windows of a shape (X, Y, Z), with the ego in their middle."""
    x, y, z = shape
    half = 0.5 * GENERATED_GRID.voxel_m
    return GridSpec(GENERATED_GRID.voxel_m, (x, y, z), (-half * x, -half * y, GENERATED_GRID.origin[2]))
