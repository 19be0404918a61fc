"""How alike two worlds are that were made of one layout by different noises, or seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from uniscene_sim.evaluation.held_out import HeldOutWindows
from uniscene_sim.taxonomy import OccClass

__all__ = ["NOISES", "diverse_windows", "pairwise_iou"]

NOISES = 8
_TOWNS, _EACH = 2, 2  # windows of each of the first towns, since each has to be planned eight times


def diverse_windows(scenes: HeldOutWindows) -> list[int]:
    """Numbers of the few windows that diversity is measured on."""
    files = list(dict.fromkeys(place.file for place in scenes.places))[:_TOWNS]
    by_file = [[k for k, place in enumerate(scenes.places) if place.file == file][:_EACH] for file in files]
    return [k for some in by_file for k in some]


def pairwise_iou(
    scenes: HeldOutWindows, windows: Sequence[int], make: Callable[[int, int], np.ndarray], noises: int = NOISES
) -> float:
    """Mean IoU, over windows and pairs of noises, of the voxels of houses and plants, with equal classes.

    Args:
        scenes: for what is observed and free of agents.
        windows: numbers of the windows.
        make: labels uint8 (X, Y, Z) for a window's number and that of a noise.
        noises: how many.
    """
    found = []
    for k in windows:
        judged = scenes.observed[k] & ~scenes.agents[k]
        made = [np.where(judged, make(k, noise), np.uint8(OccClass.FREE)) for noise in range(noises)]
        for a, b in combinations(made, 2):
            built, other = (np.isin(labels, (OccClass.MANMADE, OccClass.VEGETATION)) for labels in (a, b))
            either = int((built | other).sum())
            if either:
                found.append(int((built & (a == b)).sum()) / either)
    return float(np.mean(found)) if found else float("nan")
