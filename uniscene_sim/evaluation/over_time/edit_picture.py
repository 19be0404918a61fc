"""Edited moments from above: the layouts, and each way to the window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.evaluation.over_time.recorded_edits import JudgedEdit
from uniscene_sim.evaluation.pictures import layout_picture, sheet, top_view

__all__ = ["edit_picture"]

_RED = np.array((230, 40, 40))


def edit_picture(judged: Sequence[JudgedEdit]) -> np.ndarray:
    """RGB uint8 (H, W, 3), a row for each edit and model: the layouts without and with the edit, and the windows; red
    where a column outside the edited region is another than without the edit."""
    rows = []
    for one in judged:
        without = one.windows.without.labels
        made = [top_view(without)]
        for window in (one.windows.plain, one.windows.held):
            differs = (window.labels != without).any(axis=2) & ~one.moment.region
            picture = top_view(window.labels)
            picture[differs[::-1, ::-1]] = _RED
            made.append(picture)
        rows.append([*map(layout_picture, one.moment.layouts), *made])
    return sheet(["layout before", "edited", "without the edit", "plain", "rest held"], rows)
