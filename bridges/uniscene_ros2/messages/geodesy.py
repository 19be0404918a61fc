"""Conversion from east, north, up about an origin to WGS 84."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin, sqrt

__all__ = ["Origin"]

_A, _F = 6378137.0, 1 / 298.257223563
_E2 = _F * (2 - _F)


@dataclass(frozen=True)
class Origin:
    """Position of the map frame's origin on the earth; its x axis points east."""

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
        latitude = atan2(ez, p * (1 - _E2))
        for _ in range(5):
            n = _A / sqrt(1 - _E2 * sin(latitude) ** 2)
            latitude = atan2(ez + _E2 * n * sin(latitude), p)
        n = _A / sqrt(1 - _E2 * sin(latitude) ** 2)
        height = p * cos(latitude) + ez * sin(latitude) - n * (1 - _E2 * sin(latitude) ** 2)
        return degrees(latitude), degrees(atan2(ey, ex)), height
