"""East, north, up about an origin -> WGS 84."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin, sqrt

__all__ = ["Origin"]

_A, _F = 6378137.0, 1 / 298.257223563
_E2 = _F * (2 - _F)


@dataclass(frozen=True)
class Origin:
    """Where on earth the map frame's origin lies; its x axis points east."""

    lat_deg: float = 0.0
    lon_deg: float = 0.0
    alt_m: float = 0.0

    def locate(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Latitude and longitude, degrees, and height over the ellipsoid, m."""
        lat, lon = radians(self.lat_deg), radians(self.lon_deg)
        n = _A / sqrt(1 - _E2 * sin(lat) ** 2)
        # Earth-centred: the origin, then x along east, y along north, z along up.
        across = (n + self.alt_m) * cos(lat) - y * sin(lat) + z * cos(lat)
        ex = across * cos(lon) - x * sin(lon)
        ey = across * sin(lon) + x * cos(lon)
        ez = (n * (1 - _E2) + self.alt_m) * sin(lat) + y * cos(lat) + z * sin(lat)
        p = hypot(ex, ey)
        there = atan2(ez, p * (1 - _E2))
        for _ in range(5):
            n = _A / sqrt(1 - _E2 * sin(there) ** 2)
            there = atan2(ez + _E2 * n * sin(there), p)
        n = _A / sqrt(1 - _E2 * sin(there) ** 2)
        height = p * cos(there) + ez * sin(there) - n * (1 - _E2 * sin(there) ** 2)
        return degrees(there), degrees(atan2(ey, ex)), height
