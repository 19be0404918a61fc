"""Which effects of real sweeps an engine applies: those of the rig, none, or chosen ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from uniscene_sim.rig import LidarSpec
from uniscene_sim.rigs.lidar_makes import REAL_EFFECTS

__all__ = ["RIG_EFFECTS", "Effects", "with_effects"]


@dataclass(frozen=True)
class Effects:
    """Options of `raycast`.

    `effects` are the rig's, `none`, or `all`, which gives sensors without an effect of their own those of the Pandar64.
    The next ones switch one of them on or off, whatever `effects` says.

    With `measured` intensity and drop-out are what a real Pandar64 showed of each class and range, in place of the
    model of surfaces and receiver; beams then have one return, and only the ego's body is left of the effects. Where a
    window of 0.4 m cells is traced, returns also lie as far behind the faces of cells as the real ones.
    """

    effects: Literal["rig", "none", "all"] = "rig"
    ego: bool | None = None  # returns from the ego's body
    holes: bool | None = None  # echoes that are lost
    reading: bool | None = None  # darkest and brightest intensity, and that of the road
    ghosts: bool | None = None  # mirror images and halos
    through: bool | None = None  # beams that pass panes and leaves
    measured: bool = False


RIG_EFFECTS = Effects()

#: Fields of a `LidarSpec` by option.
_FIELDS = {
    "ego": ("ego_visible",),
    "holes": ("miss_rate", "dark_miss_rate"),
    "reading": ("dark_floor", "saturation", "rough_ground"),
    "ghosts": ("multipath", "bloom"),
    "through": ("see_through",),
}
_OFF = {name: LidarSpec.__dataclass_fields__[name].default for names in _FIELDS.values() for name in names}


def with_effects(spec: LidarSpec, chosen: Effects) -> LidarSpec:
    """A sensor with the effects that an engine is to apply."""
    changes: dict[str, Any] = {}
    for option, names in _FIELDS.items():
        switch = getattr(chosen, option)
        if switch is None and chosen.effects != "rig":
            switch = chosen.effects == "all"
        if switch is False:
            changes |= {name: _OFF[name] for name in names}
        elif switch and all(getattr(spec, name) == _OFF[name] for name in names):
            changes |= {name: REAL_EFFECTS[name] for name in names}
    return replace(spec, **changes) if changes else spec
