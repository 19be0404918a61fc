"""`Watch`: the measures that somebody asks for, as a drive goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from uniscene_sim.criteria.blocked import Blocked
from uniscene_sim.criteria.comfort import ComfortShare
from uniscene_sim.criteria.encroachment import Encroachment
from uniscene_sim.criteria.headway import Headway
from uniscene_sim.criteria.lane_keeping import LaneKeeping
from uniscene_sim.criteria.moment import Ego, Moment
from uniscene_sim.criteria.speeding import Speeding
from uniscene_sim.criteria.stop_signs import StopSigns
from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap

__all__ = ["ALL_MEASURES", "LOOKS_US", "Measure", "Watch", "measured"]

#: A moment is looked at when the time is a multiple of this.
LOOKS_US = 100_000


class Measure(Protocol):
    """An accumulator that is never changed in place, so that states of a world can hold it."""

    def update(self, moment: Moment, /) -> Measure:
        """The measure after a moment, which comes later than all before it."""
        ...

    @property
    def values(self) -> dict[str, float | None]:
        """What it has measured, by name: that of its criterion, and of numbers that scores need; None where there was
        nothing to measure."""
        ...


_MEASURES: dict[str, Measure] = {
    "wrong_lane": LaneKeeping(),
    "stop_line": StopSigns(),
    "min_pet": Encroachment(),
    "min_headway": Headway(),
    "comfort": ComfortShare(),
    "speed_limit": Speeding(),
    "blocked": Blocked(),
}
#: Kinds of criteria that are measured only where somebody asks for it.
ALL_MEASURES: tuple[str, ...] = tuple(_MEASURES)


@dataclass(frozen=True)
class Watch:
    """Measures by kind of criterion, and the ego at the last moment that they saw."""

    measures: Mapping[str, Measure] = field(default_factory=dict)
    ego: Ego | None = None

    @classmethod
    def of(cls, kinds: Iterable[str]) -> Watch | None:
        """Fresh measures; None if none is asked for.

        Raises:
            InputError: there is no measure of a kind.
        """
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        for kind in kinds:
            if kind not in _MEASURES:
                why = f"no measure {shown(kind)}; expected some of {', '.join(ALL_MEASURES)}"
                raise InputError(why, field="measures")
        return cls({kind: one for kind, one in _MEASURES.items() if kind in kinds}) if kinds else None

    def see(self, layout: LayoutFrame, static_map: StaticMap, wanted_accel_mps2: float | None = None) -> Watch:
        """The measures after a layout; the same if it is none that is looked at, or was seen already."""
        if layout.stamp_us % LOOKS_US or (self.ego is not None and layout.stamp_us <= self.ego.time_us):
            return self
        moment = Moment(layout, static_map, wanted_accel_mps2, self.ego)
        return Watch({kind: one.update(moment) for kind, one in self.measures.items()}, moment.ego)

    @property
    def values(self) -> dict[str, float | None]:
        """All that is measured, by name."""
        return {name: value for one in self.measures.values() for name, value in one.values.items()}


def measured(
    layouts: Iterable[LayoutFrame], static_map: StaticMap, kinds: Iterable[str] = ALL_MEASURES
) -> dict[str, float | None]:
    """What the measures tell of a sequence of layouts, such as those of a recording; of them the ones at multiples of
    0.1 s count. `blocked` is None: a layout does not say what a driver would do.

    Args:
        layouts: in order of time.
        static_map: their map.
        kinds: of criteria.

    Raises:
        InputError: there is no measure of a kind.
    """
    watch = Watch.of(kinds)
    if watch is None:
        return {}
    for layout in layouts:
        watch = watch.see(layout, static_map)
    return watch.values
