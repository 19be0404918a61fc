"""The whole state of a world: arrays and numbers, never changed in place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from uniscene_sim.criteria.collisions import NO_PARTNERS, Partners
from uniscene_sim.criteria.watch import Watch
from uniscene_sim.layout import Edit
from uniscene_sim.world.ego import EgoState

__all__ = ["NOWHERE_M", "Displaced", "DrivenBody", "Tally", "WorldState", "added_row", "id_of", "with_path"]


#: Where a body is that has left, m.
NOWHERE_M = 1e7


@dataclass(frozen=True)
class Tally:
    """What the criteria count.

    Attributes:
        ttc_s: time to collision of the ego, see `world.time_to_collision`, when it was last measured.
        min_ttc_s: the least one so far.
        touching: ids of what the ego touches now, -1 for generated voxels.
        crossed_line: the last stop line that the ego passed, -1 for none.
        partners: the collisions by type of partner.
        at_fault: those of them that the ego could have prevented, see `criteria.collisions`.
    """

    collisions: int = 0
    off_road_s: float = 0.0
    red_lights: int = 0
    driven_m: float = 0.0
    ttc_s: float = float("inf")
    min_ttc_s: float = float("inf")
    touching: frozenset[int] = frozenset()
    crossed_line: int = -1
    partners: Partners = NO_PARTNERS
    at_fault: Partners = NO_PARTNERS


@dataclass(frozen=True)
class DrivenBody:
    """A body beside the ego that a control drives.

    Args:
        row: of the bodies.
        tally: what it has done since it was first driven, as it is counted for the ego.
    """

    row: int
    tally: Tally = field(default_factory=Tally)


class Displaced(NamedTuple):
    """A body that an edit has removed or moved, as it was."""

    row: np.ndarray  # () BODY_DTYPE
    path: np.ndarray  # (R, 10)


@dataclass(frozen=True)
class WorldState:
    """One moment; saving it and coming back gives the same future, bit for bit."""

    time_us: int
    ego: EgoState
    bodies: np.ndarray  # (N,) BODY_DTYPE; row 0 mirrors the ego
    paths: np.ndarray  # (N, P, 10) annotated paths; row 0 is the part of the ego's route around it
    counts: np.ndarray  # (N,) int64 points in each path
    fired: tuple[bool, ...]  # events that have happened
    tally: Tally = field(default_factory=Tally)
    route_at: int = 0  # point of the ego's route that paths[0, 0] is
    entered: int = 0  # ambient bodies that have entered so far
    edits: tuple[Edit, ...] = ()  # in force
    displaced: tuple[Displaced | None, ...] = ()  # by each of them
    driven: tuple[DrivenBody, ...] = ()  # by rising row
    watch: Watch | None = None  # what is measured beside the tally, for those who ask
    added: tuple[str, ...] = ()  # whom edits have added, in the last rows of bodies: the name of agent or closing


def added_row(state: WorldState, name: str) -> int:
    """Row of the first body that an edit has added under a name."""
    return len(state.bodies) - len(state.added) + state.added.index(name)


def id_of(name: str) -> int | None:
    """The id that a name such as "#17" says; None of another name."""
    return int(name[1:]) if re.fullmatch("#[0-9]+", name) else None


def with_path(state: WorldState, i: int, row: np.ndarray, path: np.ndarray) -> WorldState:
    """The state with a body changed and put on another path.

    Args:
        state: before.
        i: row of the body.
        row: () BODY_DTYPE, the body.
        path: (R, 10), its annotated path, cut to the points that a state holds.
    """
    bodies, paths, counts = state.bodies.copy(), state.paths.copy(), state.counts.copy()
    bodies[i] = row
    counts[i] = min(len(path), paths.shape[1])
    paths[i] = 0.0
    paths[i, : counts[i]] = path[: counts[i]]
    return replace(state, bodies=bodies, paths=paths, counts=counts)
