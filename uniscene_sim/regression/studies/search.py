"""The failure boundary: for which values of a scenario's parameters does a driver begin to fail?

The range is explored first. One parameter is probed at equal distances. For more of them a quarter of the drives is a
Latin hypercube with all corners of the range, and another quarter goes where Optuna's Tree-structured Parzen Estimator
(Bergstra et al. 2011, "Algorithms for hyper-parameter optimization", section 4) expects margins near zero. Then every
pair of neighbours of which one passes and the other fails holds a point of the boundary, and is bisected, the widest
first; neighbours are joined by an edge of the Delaunay triangulation. The same seed drives the same cases, in batches
of one size, however many of them are driven at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.results import CaseResult
from uniscene_sim.regression.studies.margin import margin_of
from uniscene_sim.regression.studies.near_zero import NearZero
from uniscene_sim.regression.studies.sampling import Space
from uniscene_sim.scenario_files.parameters import Value

__all__ = ["MOST_AXES", "Boundary", "BoundaryPoint", "Evaluate", "Sample", "sample_all", "search_boundary"]

#: Drives cases and gives their results in the same order.
Evaluate = Callable[[Sequence[Case]], Sequence[CaseResult]]
#: Parameters that a boundary is searched over at most: the corners of their range are all driven.
MOST_AXES = 6
_BATCH = 8
_PROBES = 9
_LEAST_DRIVES = 8  # for each corner of the range
_CLOSE = 1e-9


@dataclass(frozen=True)
class Sample:
    """A case that was driven.

    Attributes:
        margin: see `margin`; None where the drive broke down.
    """

    case: Case
    result: CaseResult
    margin: float | None

    @property
    def passed(self) -> bool:
        return self.margin is not None and self.margin > 0.0


@dataclass(frozen=True)
class BoundaryPoint:
    """A point of the boundary, in the middle between a drive that passed and one that failed.

    Attributes:
        values: by parameter.
        within: half the distance of the two by parameter: the boundary is no farther away than this along it.
    """

    values: Mapping[str, float]
    within: Mapping[str, float]
    passing: Sample
    failing: Sample


@dataclass(frozen=True)
class Boundary:
    """What a search found.

    Attributes:
        space: that was searched.
        samples: all drives, in order.
        points: of the boundary; of one parameter in order of its values.
        links: of two parameters, pairs of indices of points that are joined by the boundary.
        tolerance: share of each range that was asked for between the two sides of a point.
    """

    space: Space
    samples: tuple[Sample, ...]
    points: tuple[BoundaryPoint, ...]
    links: tuple[tuple[int, int], ...]
    tolerance: float

    @property
    def drives(self) -> int:
        return len(self.samples)


def sample_all(cases: Sequence[Case], evaluate: Evaluate, criterion: str | None = None) -> tuple[Sample, ...]:
    """Drive cases; `criterion` as for `margin_of`."""
    results = evaluate(cases)
    return tuple(Sample(case, one, margin_of(one, criterion)) for case, one in zip(cases, results, strict=True))


def search_boundary(
    space: Space,
    evaluate: Evaluate,
    drives: int = 100,
    tolerance: float = 0.005,
    seed: int = 0,
    criterion: str | None = None,
) -> Boundary:
    """Search the boundary between passing and failing.

    Args:
        space: parameters that are drawn from a range.
        evaluate: drives cases.
        drives: at most; the search ends earlier when every point is as exact as `tolerance`.
        tolerance: distance of the two sides of a point, as a share of each parameter's range.
        seed: of the exploration.
        criterion: the only one that counts; None for all that are not optional.

    Raises:
        InputError: a parameter is a choice, there are too many of them, or too few drives; or more than one parameter
            without Optuna.
    """
    _check(space, drives, tolerance)
    search = _Search(space, evaluate, criterion, drives)
    if len(space.axes) == 1:
        search.drive(np.linspace(0.0, 1.0, _PROBES)[:, None])
    else:
        _explore(search, drives, seed)
    edges, cells = _neighbours(search.shares, search.judged)
    brackets = {edge: edge for edge in edges if search.passed(edge[0]) != search.passed(edge[1])}
    _bisect(search, brackets, tolerance)
    numbers = {edge: k for k, edge in enumerate(brackets)}
    links = []
    for cell in cells:
        crossed = [numbers[edge] for edge in combinations(cell, 2) if edge in numbers]
        if len(crossed) == 2:
            links.append((crossed[0], crossed[1]))
    points = tuple(search.point(*pair) for pair in brackets.values())
    return Boundary(space, tuple(search.samples), points, tuple(links), tolerance)


class _Search:
    """The drives so far: where they lie in the range, as shares (axes,) of it, and what became of them."""

    def __init__(self, space: Space, evaluate: Evaluate, criterion: str | None, most: int):
        self.space, self._evaluate, self._criterion, self._most = space, evaluate, criterion, most
        self.samples: list[Sample] = []
        self.shares = np.zeros((0, len(space.axes)))
        self._known: dict[tuple[Value, ...], int] = {}

    @property
    def left(self) -> int:
        """Drives that may still be made."""
        return self._most - len(self.samples)

    @property
    def judged(self) -> np.ndarray:
        """Indices of the drives that did not break down."""
        return np.array([k for k, one in enumerate(self.samples) if one.margin is not None], dtype=int)

    def passed(self, k: int) -> bool:
        return self.samples[k].passed

    def drive(self, shares: np.ndarray) -> list[int]:
        """Drive at shares (N, axes), each place once; returns the index of each."""
        rows = [tuple(axis.value(float(u)) for axis, u in zip(self.space.axes, row, strict=True)) for row in shares]
        new = [row for row in dict.fromkeys(rows) if row not in self._known]
        begin = len(self.samples)
        self._known |= {row: begin + k for k, row in enumerate(new)}
        cases = [self.space.case(row, begin + k) for k, row in enumerate(new)]
        for k in range(0, len(cases), _BATCH):
            self.samples += sample_all(cases[k : k + _BATCH], self._evaluate, self._criterion)
        at = [[axis.share(value) for axis, value in zip(self.space.axes, row, strict=True)] for row in new]
        self.shares = np.vstack([self.shares, np.reshape(at, (len(new), -1))]) if new else self.shares
        return [self._known[row] for row in rows]

    def width(self, pair: tuple[int, int]) -> float:
        """Distance of two drives, as the greatest share of a range."""
        return float(np.abs(self.shares[pair[0]] - self.shares[pair[1]]).max())

    def point(self, one: int, other: int) -> BoundaryPoint:
        good, bad = (self.samples[k] for k in ((one, other) if self.passed(one) else (other, one)))
        names = [axis.name for axis in self.space.axes]
        pairs = {name: (float(good.case.parameters[name]), float(bad.case.parameters[name])) for name in names}
        return BoundaryPoint({name: 0.5 * (a + b) for name, (a, b) in pairs.items()},
                             {name: 0.5 * abs(a - b) for name, (a, b) in pairs.items()}, good, bad)  # fmt: skip


def _check(space: Space, drives: int, tolerance: float) -> None:
    for axis in space.axes:
        if not axis.is_continuous:
            raise InputError(f"{axis.name} is a choice, between which nothing lies; expected a range NAME=LEAST:MOST "
                             "of a number, or another method", field="over")  # fmt: skip
    if len(space.axes) > MOST_AXES:
        raise InputError(f"expected at most {MOST_AXES} parameters, got {len(space.axes)}", field="over")
    if drives < (least := _LEAST_DRIVES * 2 ** len(space.axes)):
        told = f"{len(space.axes)} parameters" if len(space.axes) > 1 else "one parameter"
        raise InputError(f"expected at least {least} for {told}, got {drives}", field="samples")
    if not 1e-6 <= tolerance <= 0.5:
        raise InputError(f"expected a share of the range from 0.000001 to 0.5, got {tolerance:g}", field="tolerance")


def _explore(search: _Search, drives: int, seed: int) -> None:
    """Half of the drives: all corners, a Latin hypercube, and where margins are small."""
    from scipy.stats import qmc

    axes = len(search.space.axes)
    near = NearZero(axes, seed)
    corners = np.array(list(product((0.0, 1.0), repeat=axes)))
    spread = qmc.LatinHypercube(axes, seed=np.random.default_rng(seed)).random(drives // 4 - len(corners))
    for k in search.drive(np.vstack([corners, spread])):
        near.tell(search.shares[k], search.samples[k].margin)
    for _ in range(drives // 4 // _BATCH):
        for k in search.drive(near.ask(_BATCH)):
            near.tell(search.shares[k], search.samples[k].margin)


def _neighbours(shares: np.ndarray, judged: np.ndarray) -> tuple[list[tuple[int, int]], list[tuple[int, ...]]]:
    """Pairs of neighbours among drives at shares (N, axes), of which those of some indices count; and of two axes the
    triangles that they form."""
    if shares.shape[1] == 1:
        return list(pairwise(judged[np.argsort(shares[judged, 0])].tolist())), []
    from scipy.spatial import Delaunay, QhullError

    try:
        found = Delaunay(shares[judged]).simplices
    except (QhullError, ValueError):  # too few drives were judged
        return [], []
    cells = sorted(tuple(sorted(cell)) for cell in judged[found].tolist())
    edges = sorted({edge for cell in cells for edge in combinations(cell, 2)})
    return edges, cells if shares.shape[1] == 2 else []


def _bisect(search: _Search, brackets: dict[tuple[int, int], tuple[int, int]], tolerance: float) -> None:
    """Halve pairs of drives that differ, the widest first, until all are as narrow as wanted, no value lies between
    them, or no drive is left; `brackets` has a pair for each edge, and is brought up to date."""
    done: set[tuple[int, int]] = set()
    while search.left > 0:
        wide = [edge for edge, pair in brackets.items() if edge not in done and search.width(pair) > tolerance + _CLOSE]
        wide = sorted(wide, key=lambda edge: -search.width(brackets[edge]))[: min(_BATCH, search.left)]
        if not wide:
            return
        middles = search.drive(np.array([search.shares[list(brackets[edge])].mean(axis=0) for edge in wide]))
        for edge, middle in zip(wide, middles, strict=True):
            one, other = brackets[edge]
            if middle in (one, other) or search.samples[middle].margin is None:
                done.add(edge)
            else:
                brackets[edge] = (middle, other) if search.passed(middle) == search.passed(one) else (one, middle)
