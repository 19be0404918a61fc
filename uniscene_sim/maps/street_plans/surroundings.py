"""The nouns of a street plan's surroundings: buildings, trees and covers of the ground, in metres of the map frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Building", "Cover", "Surroundings", "Tree"]


@dataclass(frozen=True)
class Building:
    """A building by its footprint."""

    id: int
    rings: tuple[np.ndarray, ...]  # (N, 2) m each, not closed; rings within rings are courtyards
    height_m: float | None = None  # of its top; None where the plan does not tell
    roof: str = ""  # flat, pitched; empty where the plan does not tell


@dataclass(frozen=True)
class Tree:
    """A single tree."""

    id: int
    place: np.ndarray  # (2,) m
    height_m: float | None = None
    crown_m: float | None = None  # across


@dataclass(frozen=True)
class Cover:
    """What covers a stretch of open ground."""

    id: int
    kind: str  # wood, scrub, park, grass, soil, paved, parking, water
    rings: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Surroundings:
    """Everything beside the streets of a plan."""

    buildings: tuple[Building, ...] = ()
    trees: tuple[Tree, ...] = ()
    covers: tuple[Cover, ...] = ()
