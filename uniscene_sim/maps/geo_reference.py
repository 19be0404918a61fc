"""Where a map lies on the earth: a projection, and how the map's own coordinates lie in it.

pyproj (extra `maps`) knows the projections. It is imported when a place is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import cos, isfinite, pi, radians, sin
from typing import Any

from uniscene_sim.errors import InputError

__all__ = ["GeoReference", "MapOffset"]

_EAST_STEP_M = 100.0


@dataclass(frozen=True)
class MapOffset:
    """Turns coordinates about their origin by `hdg`, rad, and adds x, y, z, m: an `<offset>` of OpenDRIVE."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    hdg: float = 0.0

    def apply(self, x: float, y: float) -> tuple[float, float]:
        """A place with the offset, m; of places (N,), arrays (N,)."""
        c, n = cos(self.hdg), sin(self.hdg)
        return x * c - y * n + self.x, x * n + y * c + self.y

    def inverse(self) -> MapOffset:
        """The offset that leads back."""
        x, y = MapOffset(hdg=-self.hdg).apply(-self.x, -self.y)
        return MapOffset(x, y, -self.z, -self.hdg)


@dataclass(frozen=True)
class GeoReference:
    """A projection, as PROJ string, code ("EPSG:25832") or WKT, and the offset of the map's own coordinates in it."""

    projection: str
    offset: MapOffset = MapOffset()

    def locate(self, x: float, y: float, z: float = 0.0) -> tuple[float, float, float]:
        """Latitude and longitude, degrees, WGS 84, and height, m, of a place in the map's own coordinates, m.

        Raises:
            InputError: the projection is unknown, or has no such place.
            ModuleNotFoundError: pyproj is not installed.
        """
        east, north = self.offset.apply(x, y)
        lon, lat = _to_degrees(self.projection)(east, north)
        if not (isfinite(lat) and isfinite(lon)):
            raise InputError(f"{self.projection!r} has no place ({east:.10g}, {north:.10g})", field="geoReference")
        return lat, lon, z + self.offset.z

    def off_meridian_m(self, x: float, y: float) -> float:
        """Distance of a place, m, from the middle of its projection, along its easting; raises as `locate` does."""
        return abs(self.offset.apply(x, y)[0] - _false_easting(self.projection))

    def x_axis_yaw(self, x: float, y: float) -> float:
        """Direction of the map's x axis at a place, m, in rad anticlockwise from true east.

        Raises:
            InputError, ModuleNotFoundError: as `locate`.
        """
        from pyproj import Geod

        here, there = self.locate(x, y), self.locate(x + _EAST_STEP_M, y)
        azimuth = Geod(ellps="WGS84").inv(here[1], here[0], there[1], there[0])[0]
        return float((pi / 2 - radians(azimuth) + pi) % (2 * pi) - pi)


@lru_cache(16)
def _to_degrees(projection: str) -> Callable[[float, float], tuple[float, float]]:
    """Longitude and latitude of easting and northing, m."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        transform = Transformer.from_crs(_projected(projection), "EPSG:4326", always_xy=True).transform
    except ProjError as error:
        raise _unknown(projection, error) from None
    return lambda east, north: transform(east, north)


@lru_cache(16)
def _false_easting(projection: str) -> float:
    """Easting of the middle of a projection, m; 0 if it says nothing of it."""
    crs = _projected(projection)
    operation = (crs.source_crs if crs.is_bound else crs).coordinate_operation
    return next((float(p.value) for p in operation.params if p.name.startswith(("False east", "Easting"))), 0.0)


def _projected(projection: str) -> Any:
    """The horizontal part of a projection as a `pyproj.CRS`."""
    from pyproj import CRS
    from pyproj.exceptions import ProjError

    text = projection.strip()
    if "+proj" not in text and "+lat_0" in text and "+lon_0" in text:
        text = f"+proj=tmerc {text}"  # CARLA's towns name a place alone
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # +init=epsg:
            crs = CRS.from_user_input(text)
        if crs.is_compound:  # heights need grids that few have; a remark repeats the text, and them
            crs = CRS.from_json_dict({**crs.sub_crs_list[0].to_json_dict(), "remarks": ""})
    except ProjError as error:
        raise _unknown(text, error) from None
    if not crs.is_projected:
        raise InputError(f"{text!r} projects nothing to metres", field="geoReference")
    if any(axis.unit_conversion_factor != 1.0 for axis in crs.axis_info):
        unit = crs.axis_info[0].unit_name
        raise InputError(f"{text!r} projects to {unit}, expected metres", field="geoReference")
    return crs


def _unknown(text: str, error: Exception) -> InputError:
    why = str(error).split(": (Internal")[0]
    return InputError(f"expected a projection that PROJ knows, got {text!r} ({why})", field="geoReference")
