"""Cases over the parameters of a scenario file: a grid, random draws, a Latin hypercube."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from uniscene_sim.compute.keyed_random import key_of, unit_hash
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.regression.cases import Case
from uniscene_sim.scenario_files.parameters import Parameter, Value
from uniscene_sim.scenario_files.read import ScenarioFile

__all__ = ["MOST_CASES", "Axis", "Range", "Space", "grid", "lhs", "random"]

#: Cases of one study at most.
MOST_CASES = 100_000
Range = tuple[float, float]
_UNITS = {"mps2": "m/s²", "mps": "m/s", "m": "m", "s": "s", "deg": "°", "h": "h", "x": "m", "y": "m", "km": "1/km"}
_DIGITS, _NAME = 6, 100


@dataclass(frozen=True)
class Axis:
    """A parameter that a study varies.

    Attributes:
        parameter: with the range that is studied.
        whole: whether it is a whole number.
        unit: of the field that it stands in; "" if that has none.
    """

    parameter: Parameter
    whole: bool = False
    unit: str = ""

    @property
    def name(self) -> str:
        return self.parameter.name

    @property
    def label(self) -> str:
        """For the axis of a picture: "gap (m)"."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def is_continuous(self) -> bool:
        """Whether values between two others may be drawn: it is no choice among some."""
        return not self.parameter.choice

    @property
    def ends(self) -> Range:
        """Least and most, for a choice among texts the places of the first and the last."""
        numbers = [self.parameter.number(value) for value in self.parameter.ends]
        return min(numbers), max(numbers)

    def value(self, share: float) -> Value:
        """The value at a share, 0..1, of the way from the least to the most."""
        low, high = self.ends
        value = low + (high - low) * share
        return round(value) if self.whole else min(max(round(value, _DIGITS), low), high)

    def share(self, value: Value) -> float:
        """Where a value lies between the least and the most, 0..1."""
        low, high = self.ends
        return (self.parameter.number(value) - low) / (high - low)

    def spread(self, count: int) -> tuple[Value, ...]:
        """`count` values at equal distances, both ends among them; of a choice all."""
        if not self.is_continuous:
            return self.parameter.choice
        return tuple(dict.fromkeys(self.value(share) for share in np.linspace(0.0, 1.0, count)))


class Space:
    """The parameters of a scenario file that a study varies; all others keep the values that the file gives.

    Args:
        path: the file.
        over: least and most by parameter; None where the range, or the choice, is that of the file.
        fixed: values of other parameters, in place of the file's.

    Raises:
        InputError: the file is no scenario, a parameter is unknown or given twice, a range is empty, or a field does
            not take its ends.

    Attributes:
        axes: in the order of `over`.
    """

    def __init__(
        self, path: str | Path, over: Mapping[str, Range | None], fixed: Mapping[str, Value] | None = None
    ) -> None:
        self.path, self.fixed = Path(path), dict(fixed or {})
        known = ScenarioFile(path)
        for field, names in (("over", over), ("fixed", self.fixed)):
            for name in names:
                if name not in known.parameters:
                    those = f"one of {', '.join(known.parameters)}" if known.parameters else "a scenario that has some"
                    hint = did_you_mean(name, known.parameters)
                    raise InputError(f"no parameter {shown(name)}{hint}; expected {those}", field=field)
        if not over:
            raise InputError(f"expected one parameter at least, of {', '.join(known.parameters)}", field="over")
        if both := [name for name in over if name in self.fixed]:
            raise InputError(f"{both[0]} has one value, so there is nothing to study; expected the one or the other",
                             field="over")  # fmt: skip
        self.axes = tuple(_axis(known, name, wanted) for name, wanted in over.items())
        file = ScenarioFile(path, self.fixed | {name: list(wanted) for name, wanted in over.items() if wanted})
        self._plan = replace(file.test, expect={}, seeds=(), sets={}, repetitions=1)

    def case(self, values: Iterable[Value], number: int) -> Case:
        """The case with one value for each axis, whose name begins with its number."""
        given = {axis.name: value for axis, value in zip(self.axes, values, strict=True)}
        told = [f"{name}={value if isinstance(value, str) else f'{value:.6g}'}" for name, value in given.items()]
        return Case(self.path, "_".join([f"{number:04d}", *told])[:_NAME], None, self.fixed | given, self._plan)

    def cases(self, rows: Sequence[Iterable[Value]]) -> list[Case]:
        """Cases of rows with one value for each axis; InputError if these are more than `MOST_CASES`."""
        if len(rows) > MOST_CASES:
            raise InputError(f"expected at most {MOST_CASES:,}, got {len(rows):,} cases", field="samples")
        return [self.case(row, number) for number, row in enumerate(rows)]


def grid(space: Space, count: int) -> list[Case]:
    """Every combination of `count` values of each axis, at equal distances, and of all choices."""
    columns = [axis.spread(count) for axis in space.axes]
    if (cases := prod(map(len, columns))) > MOST_CASES:
        raise InputError(f"expected at most {MOST_CASES:,} cases, got {cases:,}", field="samples")
    return space.cases(list(product(*columns)))


def random(space: Space, count: int, seed: int) -> list[Case]:
    """`count` independent draws by the distributions of the file; more of them begin with the same."""
    keys = [int(key_of("study", axis.name)) for axis in space.axes]
    units = np.array([[unit_hash(seed, key, k) for key in keys] for k in range(min(count, MOST_CASES + 1))])
    return _drawn(space, units)


def lhs(space: Space, count: int, seed: int) -> list[Case]:
    """A Latin hypercube: of each axis one value from each of `count` parts that are as likely (McKay, Beckman and
    Conover 1979, "A comparison of three methods for selecting values of input variables")."""
    from scipy.stats import qmc

    if count > MOST_CASES:
        raise InputError(f"expected at most {MOST_CASES:,}, got {count:,} cases", field="samples")
    return _drawn(space, qmc.LatinHypercube(len(space.axes), seed=np.random.default_rng(seed)).random(count))


def _drawn(space: Space, units: np.ndarray) -> list[Case]:
    """Cases of rows (N, axes) of shares of all draws, 0..1."""
    rows = [[axis.parameter.quantile(float(u), axis.whole) for axis, u in zip(space.axes, row, strict=True)]
            for row in units]  # fmt: skip
    return space.cases(rows)


def _axis(file: ScenarioFile, name: str, wanted: Range | None) -> Axis:
    parameter = file.parameters[name]
    if wanted is not None:
        parameter = parameter.narrowed(list(wanted), "over")
    ends = parameter.ends
    if len(set(ends)) < 2:
        raise InputError(f"{name} is {ends[0]} in all cases; expected NAME=LEAST:MOST that differ", field="over")
    last = file.fields[name].rsplit(".", 1)[-1]
    unit = "" if isinstance(ends[0], str) else _UNITS.get(last.rsplit("_", 1)[-1], "")
    return Axis(parameter, name in file.whole, unit)
