"""Layouts of the last moments, of which few are ever looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from uniscene_sim.layout import LayoutFrame

__all__ = ["LayoutHistory"]


class LayoutHistory(Sequence[LayoutFrame]):
    """Earlier layouts, oldest first. Those that a source makes when asked for are made when somebody looks."""

    def __init__(self, places: tuple[tuple[Sequence[LayoutFrame], int], ...] = ()):
        self._places = places

    def extended(self, frames: Sequence[LayoutFrame], most: int) -> LayoutHistory:
        """With what came next, `most` of the latest altogether."""
        return LayoutHistory((*self._places, *((frames, k) for k in range(len(frames))))[-most:])

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, k: int) -> LayoutFrame: ...

    @overload
    def __getitem__(self, k: slice) -> LayoutHistory: ...

    def __getitem__(self, k: int | slice) -> LayoutFrame | LayoutHistory:
        if isinstance(k, slice):
            return LayoutHistory(self._places[k])
        frames, at = self._places[k]
        return frames[at]
