"""The paint of our templates that is nearest to a colour of CARLA."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.tracing.templates.paints import PAINT_RGB

__all__ = ["seed_of_colour"]

_PAINT_KEY = 77


def seed_of_colour(text: str, number: int) -> int:
    """Colour seed, see `AGENT_DTYPE`, whose paint is nearest to "r,g,b"; any paint where that is no colour.

    Args:
        text: attribute `color` of an actor.
        number: of the agent, which picks its shape among those of its class.
    """
    seed = int(unit_hash(number, _PAINT_KEY) * 2**32)
    try:
        rgb = np.array([int(part) for part in text.split(",")], float)
    except ValueError:
        return seed
    if rgb.shape != (3,):
        return seed
    nearest = int(np.argmin(((PAINT_RGB - rgb) ** 2).sum(axis=1)))
    high = seed & ~0xFF  # picks the shape
    return next(high + low for low in range(256) if (high + low) % len(PAINT_RGB) == nearest)
