"""Colours of paint or clothes of agents."""

from __future__ import annotations

import numpy as np

__all__ = ["PAINT_RGB"]

#: uint8 RGB; the remainder of an agent's `colour` picks one.
PAINT_RGB = np.array(
    [
        (196, 198, 200), (34, 36, 40), (228, 228, 226), (120, 124, 130), (150, 24, 28), (28, 62, 124), (70, 84, 74),
        (176, 150, 104), (52, 92, 132), (96, 30, 44), (210, 178, 60), (60, 62, 66),
    ],
    dtype=np.uint8,
)  # fmt: skip
