"""Weather and time of day from free text: "rainy dusk in a suburb"."""

from __future__ import annotations

import re

from uniscene_sim.layout import Style

__all__ = ["style_of_text"]

#: Stems of words by meaning; if a text has several, the first row with one of them counts.
_WEATHER_WORDS = {
    "snow": "snow blizzard sleet winter",
    "rain": "rain drizzl shower wet storm downpour thunder",
    "fog": "fog mist haz smog",
    "overcast": "overcast gloomy grey gray",
    "cloudy": "cloud",
    "clear": "clear sunny sunshine bright cloudless",
}
_HOUR_WORDS = {
    0.0: "midnight",
    22.0: "night nighttime dark",
    18.1: "dusk sunset twilight evening",
    6.3: "dawn sunrise daybreak",
    8.5: "morning",
    15.5: "afternoon",
    12.5: "noon midday daytime",
}
_NOT = {"cloudless": "cloud"}  # words that begin with the stem of their opposite


def style_of_text(text: str) -> Style:
    """The style that a text describes; what it does not mention is as in `Style()`."""
    words = re.findall(r"[a-z]+", text.lower())
    weather = next((w for w, stems in _WEATHER_WORDS.items() if _named(words, stems)), Style.weather)
    hour = next((h for h, stems in _HOUR_WORDS.items() if _named(words, stems)), Style.time_of_day_h)
    return Style(weather, hour, text)


def _named(words: list[str], stems: str) -> bool:
    return any(w.startswith(s) and _NOT.get(w) != s for w in words for s in stems.split())
