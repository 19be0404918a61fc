"""Numbers as people type them: in the digits 0 to 9, finite, and nothing that only Python takes for a number."""

from __future__ import annotations

import math
import re

from uniscene_sim.errors import shown

__all__ = ["real_number", "whole_number"]

_DIGITS = 18  # of whole numbers: they fit into 64 bits
_WHOLE = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def whole_number(text: str) -> int:
    """The number.

    Raises:
        ValueError: it is none; says what was expected.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"expected a whole number, got {shown(text)}")
    if len(text) > _DIGITS:
        raise ValueError(f"expected a whole number of at most {_DIGITS} digits, got {shown(text)}")
    return int(text)


def real_number(text: str) -> float:
    """The number.

    Raises:
        ValueError: it is none, or not finite; says what was expected.
    """
    value = float(text) if _REAL.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"expected a number, got {shown(text)}")
    return value
