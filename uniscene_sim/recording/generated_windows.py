"""What a report says of windows that an engine generated."""

from __future__ import annotations

from typing import Any

import numpy as np

from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.interfaces import RunFacts
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.occupancy.temporal.instances import lost_agents, shown_agents
from uniscene_sim.taxonomy import OccClass

__all__ = ["GeneratedWindows"]


class GeneratedWindows:
    """Counts over the windows of a run: voxels, and agents of the layout that were not found again.

    Args:
        facts: of the run.
    """

    def __init__(self, facts: RunFacts):
        self._facts = facts
        self._stamp_us: int | None = None
        self._voxels: list[int] = []
        self._shown = self._lost = 0

    def add(self, window: OccupancyGrid, layout: LayoutFrame) -> None:
        """Add a window; one that comes late, or is the same as the last, is not compared with the layout."""
        if window.stamp_us == self._stamp_us:
            return
        self._stamp_us = window.stamp_us
        self._voxels.append(int((window.labels != OccClass.FREE).sum()))
        if window.stamp_us == layout.stamp_us:
            self._shown += len(shown_agents(layout.agents, window.pose, window.grid))
            self._lost += len(lost_agents(window.instances, layout.agents, window.pose, window.grid))

    def as_dict(self) -> dict[str, Any]:
        """For the report: the engine, what lies beyond its windows, voxels a window, agents shown and not found."""
        tiles = self._facts.engines.get("occupancy", "an engine that is not told")
        beyond = {"tiles": "all: rays go through tiles", "window": "nothing", "window+tiles": f"tiles of {tiles}"}
        voxels = self._voxels or [0]
        return {
            "engine": self._facts.engines["window"],
            "beyond": beyond[self._facts.trace],
            "windows": len(self._voxels),
            "voxels": {"median": int(np.median(voxels)), "least": min(voxels), "most": max(voxels)},
            "agents": self._shown,
            "agents_not_found": self._lost,
        }
