"""The style of a server's weather: its kind, and the time of day at which our sun stands as high as CARLA's."""

from __future__ import annotations

from math import asin, cos, isfinite, pi, radians
from typing import Any

from uniscene_sim.layout import Style

__all__ = ["style_of_weather"]

_NOON_DEG = 58.0  # of our sun, see `camera.weather`
_FOG, _RAIN, _OVERCAST, _CLOUDY = 25.0, 15.0, 75.0, 35.0  # percent from which on it is called so


def style_of_weather(weather: Any) -> Style:
    """Style of a `carla.WeatherParameters`; the usual one if those are no numbers.

    CARLA has no snow. Before noon the sun stands in the east, which is along x in both worlds; CARLA measures azimuth
    clockwise from there.
    """
    numbers = (weather.precipitation, weather.fog_density, weather.cloudiness, weather.sun_altitude_angle,
               weather.sun_azimuth_angle)  # fmt: skip
    if not all(map(isfinite, numbers)):
        return Style()
    if weather.precipitation >= _RAIN:
        kind = "rain"
    elif weather.fog_density >= _FOG:
        kind = "fog"
    elif weather.cloudiness >= _OVERCAST:
        kind = "overcast"
    else:
        kind = "cloudy" if weather.cloudiness >= _CLOUDY else "clear"
    height = min(max(weather.sun_altitude_angle / _NOON_DEG, -1.0), 1.0)
    since_six = asin(height) * 12.0 / pi
    morning = cos(radians(weather.sun_azimuth_angle)) >= 0.0
    return Style(kind, round((6.0 + since_six if morning else 18.0 - since_six) % 24.0, 3))
