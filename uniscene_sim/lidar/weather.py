"""The atmosphere between sensor and surface: extinction and backscatter by weather."""

from __future__ import annotations

from typing import NamedTuple

from uniscene_sim.layout import Style

__all__ = ["CLEAR", "Air", "air_of"]


class Air(NamedTuple):
    """Optical properties of the air.

    Extinction is for one way (Beer-Lambert); an echo is attenuated twice. The air in a range gate of one metre returns
    as much as a surface of reflectance `backscatter`. Fog fills every gate. Drops and flakes are sparse: at r metres
    the beam is so wide that a gate holds one with probability `fill * r^2`, which then returns what all of them would.
    """

    extinction: float  # 1/m
    backscatter: float
    fill: float  # 1/m2
    wet: bool  # water on the ground
    snow: bool  # snow on the ground


CLEAR = Air(0.0, 0.0, 1.0, False, False)
_WEATHER = {
    # Extinction of 10 mm of rain or 2 mm of dry snow an hour as ITU-R P.1814 has it (5 and 14 dB/km), of fog with 150 m
    # of visibility by Koschmieder. Backscatter and fill are tuned to what sensors show: in rain a few percent of the
    # points are drops within 10 m, in snow more, and fog appears as a cloud of points around the sensor.
    "rain": Air(1.2e-3, 3.0e-5, 6.0e-4, True, False),
    "snow": Air(3.3e-3, 1.2e-4, 6.0e-4, False, True),
    "fog": Air(2.0e-2, 3.0e-4, 1.0, False, False),
}


def air_of(style: Style) -> Air:
    """The air of a style; unknown weather, and clouds, leave it clear."""
    return _WEATHER.get(style.weather.lower(), CLEAR)
