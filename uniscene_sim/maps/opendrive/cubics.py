"""Piecewise cubics, as OpenDRIVE describes everything that changes along a road."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["Cubics"]


class Cubics:
    """Piecewise cubic a + b ds + c ds2 + d ds3, each piece valid from its own start; zero if there is none.

    `rows` (N, 5): start, a, b, c, d.
    """

    def __init__(self, rows: Sequence[tuple[float, float, float, float, float]]):
        self.rows = np.array(sorted(rows, key=lambda row: row[0]) or [(0.0, 0.0, 0.0, 0.0, 0.0)])

    def __call__(self, s: np.ndarray | float) -> np.ndarray:
        """Values (...) at places (...)."""
        s = np.asarray(s, dtype=np.float64)
        row = self.rows[np.clip(np.searchsorted(self.rows[:, 0], s, side="right") - 1, 0, None)]
        ds = s - row[..., 0]
        value: np.ndarray = row[..., 1] + ds * (row[..., 2] + ds * (row[..., 3] + ds * row[..., 4]))
        return value

    def __sub__(self, other: Cubics) -> Cubics:
        """The difference of two, which begins where the later one of both does."""
        starts = sorted({*self.rows[:, 0], *other.rows[:, 0]})
        return Cubics([(s, *(self._from(s) - other._from(s))) for s in starts])

    def scaled(self, factor: float) -> Cubics:
        """All values times a factor."""
        return Cubics([(row[0], *(factor * row[1:])) for row in self.rows])

    def is_zero(self) -> bool:
        """Whether it is zero everywhere."""
        return not self.rows[:, 1:].any()

    def _from(self, s: float) -> np.ndarray:
        """Coefficients (4,) of the piece at `s`, for distances from there."""
        start, a, b, c, d = self.rows[max(int(np.searchsorted(self.rows[:, 0], s, side="right")) - 1, 0)]
        h = s - start
        return np.array([a + h * (b + h * (c + h * d)), b + h * (2 * c + 3 * h * d), c + 3 * h * d, d])
