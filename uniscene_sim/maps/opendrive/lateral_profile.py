"""How a road is tilted and shaped across: superelevation, crossfall and lateral shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.maps.opendrive.cubics import Cubics

__all__ = ["LateralProfile", "ShapeProfile"]


@dataclass(frozen=True)
class ShapeProfile:
    """The shape across a road at one place: height by t."""

    s: float
    height: Cubics

    def at(self, t: np.ndarray) -> np.ndarray:
        """Height (N,), m, at lateral positions (N,), m; level beyond its first one."""
        return self.height(np.maximum(t, self.height.rows[0, 0]))


class LateralProfile:
    """The cross-section of a road.

    Args:
        superelevation: angle by s, rad, of the whole cross-section; positive falls to the right.
        crossfall: angle by s, rad, by which the left and the right side fall outwards.
        shapes: shapes across, between which heights are linear along the road.
    """

    def __init__(self, superelevation: Cubics, crossfall: tuple[Cubics, Cubics], shapes: Sequence[ShapeProfile]):
        self.superelevation, self._crossfall = superelevation, crossfall
        self._shapes = sorted(shapes, key=lambda shape: shape.s)

    @property
    def is_level(self) -> bool:
        """Whether the road is level across everywhere."""
        return not self._shapes and all(c.is_zero() for c in (self.superelevation, *self._crossfall))

    def place(self, s: np.ndarray, t: np.ndarray, h: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Where points of a road lie beside and above its reference line.

        Args:
            s, t: along and across the road, (N,) m.
            h: above its surface, m.

        Returns:
            Distances (N,) to the left of the reference line, level, and above it, m.
        """
        s, t = np.asarray(s, float), np.asarray(t, float)
        tilt, up = self.superelevation(s), self._rise(s, t) + h
        return t * np.cos(tilt) - up * np.sin(tilt), t * np.sin(tilt) + up * np.cos(tilt)

    def _rise(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Heights (N,), m, above the tilted plane."""
        left, right = self._crossfall
        rise: np.ndarray = -np.abs(t) * np.tan(np.where(t > 0, left(s), right(s)))
        if self._shapes:
            places = np.array([shape.s for shape in self._shapes])
            heights = np.array([np.broadcast_to(shape.at(t), rise.shape) for shape in self._shapes])
            low = np.clip(np.searchsorted(places, s, side="right") - 1, 0, len(places) - 1)
            high = np.minimum(low + 1, len(places) - 1)
            q = np.clip((s - places[low]) / np.maximum(places[high] - places[low], 1e-9), 0.0, 1.0)
            index = np.indices(rise.shape)
            rise = rise + (1 - q) * heights[low, *index] + q * heights[high, *index]
        return rise
