"""How slow this machine is: bounds of time are about what hangs, not about whose processor it is."""

from __future__ import annotations

import time
from functools import cache

import numpy as np

__all__ = ["slowness"]

#: What `_work` takes on the machine that the bounds were set on, an AMD EPYC; most that a machine is let off.
_REFERENCE_S, _MOST = 0.034, 4.0


@cache
def slowness() -> float:
    """Time of the processor for a fixed piece of work, over that of the reference: from 1 to 4."""
    return min(max(min(_work() for _ in range(5)) / _REFERENCE_S, 1.0), _MOST)


def _work() -> float:
    """Seconds for what readers do: words and mappings in Python, sorting and arithmetic in numpy."""
    begin = time.process_time()
    found: dict[str, int] = {}
    for k in range(60_000):
        word = f"{k * 7919 % 65_537:x}"
        found[word] = found.get(word[::-1], 0) + len(word)
    values = np.sin(np.arange(200_000.0))
    for _ in range(4):
        values = np.sort(np.sqrt(np.abs(values[::-1])) * 1.5)
    return time.process_time() - begin
