"""Where the map lies on the earth: by its geoReference, or by the place of its origin that the options give."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin, sqrt
from typing import Protocol

from uniscene_sim.errors import InputError
from uniscene_sim.maps.geo_reference import GeoReference
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["EarthPlace", "Origin", "ReferencedMap", "earth_place"]

_A, _F = 6378137.0, 1 / 298.257223563
_E2 = _F * (2 - _F)


class EarthPlace(Protocol):
    """Places of the map frame on the earth."""

    def locate(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Latitude and longitude, degrees, and height over the ellipsoid, m."""
        ...

    def x_axis_yaw(self, x: float, y: float) -> float:
        """Direction of the x axis at a place, m, in rad anticlockwise from true east."""
        ...


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

    def x_axis_yaw(self, x: float, y: float) -> float:
        return 0.0


@dataclass(frozen=True)
class ReferencedMap:
    """A map with a geoReference; `alt_m` is the height of its zero over the ellipsoid."""

    reference: GeoReference
    frame_origin: tuple[float, float]
    alt_m: float = 0.0

    def locate(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        lat, lon, height = self.reference.locate(x + self.frame_origin[0], y + self.frame_origin[1], z)
        return lat, lon, height + self.alt_m

    def x_axis_yaw(self, x: float, y: float) -> float:
        return self.reference.x_axis_yaw(x + self.frame_origin[0], y + self.frame_origin[1])


def earth_place(static_map: StaticMap, options: Origin) -> tuple[EarthPlace, str]:
    """Where a map lies on the earth, and what is to be said about it: the options count where it has no geoReference
    that can be used."""
    reference = static_map.geo_reference
    if reference is None:
        return options, ""
    place = ReferencedMap(reference, static_map.frame_origin, options.alt_m)
    x_min, y_min, x_max, y_max = static_map.bounds
    try:
        place.locate(0.5 * (x_min + x_max), 0.5 * (y_min + y_max), 0.0)
    except ModuleNotFoundError:
        return (
            options,
            "the map's geoReference needs pyproj (install uniscene_sim[maps]); origin_lat_deg and others count",
        )
    except InputError as error:
        return options, f"{error}; origin_lat_deg and others count"
    if options.lat_deg or options.lon_deg:
        return place, "the map has a geoReference: origin_lat_deg and origin_lon_deg do not count"
    return place, ""
