"""`SmoothArea`: a painted area with a smooth edge."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uniscene_sim.maps.ground import EdgeDistance

__all__ = ["SmoothArea"]

_SMOOTH_M = 1.0
_KEPT = 0.05  # cells: the centre of a cell stays at least this far on its side of the edge
_AROUND_M = 4.0  # of open ground around a raster


class SmoothArea:
    """A painted area (X, Y) by the distance to its edge, m, positive inside.

    The edge is smoothed over about a metre, but the centre of every cell stays on the side where it was painted, so no
    edge moves by more than half a cell and nothing narrow is lost.
    """

    def __init__(self, cells: np.ndarray, resolution_m: float, origin: tuple[float, float]):
        pad = int(np.ceil(_AROUND_M / resolution_m))
        padded = np.pad(cells, pad)
        # Edges lie half a cell from the centres of the cells on both sides.
        inside, outside = (ndimage.distance_transform_edt(side) for side in (padded, ~padded))
        distance = np.where(padded, inside - 0.5, 0.5 - outside)
        smooth = ndimage.gaussian_filter(distance, _SMOOTH_M / resolution_m)
        kept = np.where(padded, np.maximum(smooth, _KEPT), np.minimum(smooth, -_KEPT))
        self._distance = (kept * resolution_m).astype(np.float32)
        self._resolution_m = resolution_m
        self._first = np.array(origin) + (0.5 - pad) * resolution_m  # centre of the first cell

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance (N,), m, at places (N,), bilinear between centres of cells; beyond them, that of the nearest one."""
        i, u = self._place(x, 0)
        j, v = self._place(y, 1)
        d = self._distance
        low, high = d[i, j] * (1 - u) + d[i + 1, j] * u, d[i, j + 1] * (1 - u) + d[i + 1, j + 1] * u
        distance: np.ndarray = low * (1 - v) + high * v
        return distance

    @property
    def arrays(self) -> EdgeDistance:
        """The same for kernels."""
        return EdgeDistance(self._distance, self._first, self._resolution_m)

    def over(self, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        """Distance (N, M), m, at all pairs of coordinates (N,) and (M,), m."""
        return self.at(xs[:, None], ys[None, :])

    def edge_field(self, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        """The edge as `EdgeFit.fit` takes it, (N, M, 3), at equally spaced coordinates (N,) and (M,), m."""
        step = xs[1] - xs[0]
        distance = self.over(xs, ys) / step
        gx, gy = np.gradient(distance)
        slope = np.maximum(np.sqrt(gx * gx + gy * gy), 1e-6)
        field: np.ndarray = np.stack([-gx, -gy, distance], axis=-1) / slope[:, :, None]
        return field

    def _place(self, at: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
        t = (at - self._first[axis]) / self._resolution_m
        t = np.clip(t, 0.0, self._distance.shape[axis] - 1.001)
        i = t.astype(np.int64)
        return i, t - i
