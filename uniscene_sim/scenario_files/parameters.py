"""Parameters of scenario files: named values that the seed draws, wherever a field says `$name`.

Each is a function of the seed and its own name alone, so that none moves when others are added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from uniscene_sim.compute.keyed_random import key_of, unit_hash
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["PARAMETER_NAME", "Parameter", "Value", "fill", "parameters_of", "parameters_schema"]

Value = float | str
PARAMETER_NAME = r"\$[A-Za-z_]\w*"
_DIGITS = 6  # that drawn numbers keep behind the point
_TAIL = 1e-12


@dataclass(frozen=True)
class Parameter:
    """A named value of a scenario file: one of `uniform`, `normal` and `choice` says how the seed draws it.

    Args:
        name: without the `$`.
        value: without a seed.
        uniform: least and most.
        normal: mean and standard deviation of a bell curve that is cut off at `within`.
        within: least and most of `normal`.
        choice: numbers or texts, all as likely.
    """

    name: str
    value: Value
    uniform: tuple[float, float] | None = None
    normal: tuple[float, float] | None = None
    within: tuple[float, float] | None = None
    choice: tuple[Value, ...] = ()

    def draw(self, seed: int, whole: bool = False) -> Value:
        """The value of a seed, the nearest integer if it is `whole`."""
        return self.quantile(unit_hash(seed, int(key_of("parameter", self.name))), whole)

    def quantile(self, u: float, whole: bool = False) -> Value:
        """The value below which a share `u`, 0..1, of all draws lies, the nearest integer if it is `whole`; of choices
        that in whose share it lies."""
        if self.choice:
            return self.choice[min(int(u * len(self.choice)), len(self.choice) - 1)]
        low, high = self._range
        if self.normal is None:
            drawn = low + (high - low) * u
        else:
            bell = NormalDist(*self.normal)
            share = bell.cdf(low) + (bell.cdf(high) - bell.cdf(low)) * u
            drawn = bell.inv_cdf(min(max(share, _TAIL), 1.0 - _TAIL))
        return round(drawn) if whole else min(max(round(drawn, _DIGITS), low), high)

    @property
    def ends(self) -> tuple[Value, ...]:
        """The least and the most that may be drawn, or each choice."""
        return self.choice or self._range

    def number(self, value: Value) -> float:
        """A value as a number: a text's place among the choices."""
        return float(self.choice.index(value)) if isinstance(value, str) else float(value)

    def narrowed(self, given: Any, field: str) -> Parameter:
        """The parameter with one value, another range `[a, b]`, or fewer texts to choose from.

        Raises:
            InputError: neither a number nor a range where numbers are drawn, or not one of the texts.
        """
        several = [given] if isinstance(given, str) or not isinstance(given, Sequence) else list(given)
        if isinstance(self.value, str):
            if not several or not all(text in self.choice for text in several):
                known = ", ".join(map(str, self.choice))
                raise InputError(f"expected one or some of {known}, got {shown(given)}", field=field)
            kept = tuple(text for text in self.choice if text in several)
            return replace(self, value=self.value if self.value in kept else kept[0], choice=kept)
        try:
            numbers = [float(number) for number in several if not isinstance(number, bool | str)]
        except (TypeError, ValueError, OverflowError):
            numbers = []
        if len(numbers) != len(several) or len(numbers) not in (1, 2) or not numbers[0] <= numbers[-1]:
            raise InputError(f"expected a number or a range [least, most], got {shown(given)}", field=field)
        if len(numbers) == 1:
            one = int(numbers[0]) if isinstance(several[0], int | np.integer) else numbers[0]
            return Parameter(self.name, one, choice=(one,))
        low, high = numbers
        return Parameter(self.name, min(max(self.value, low), high), uniform=(low, high))

    @property
    def _range(self) -> tuple[float, float]:
        found = self.uniform or self.within
        assert found is not None
        return found


def parameters_schema() -> dict[str, Any]:
    """JSON Schema of the block `parameters`."""
    value = {"type": ["number", "string"]}
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    fields = {"value": value, "uniform": pair, "normal": pair, "within": pair,
              "choice": {"type": "array", "items": value, "minItems": 1, "maxItems": 100}}  # fmt: skip
    one = {"type": "object", "properties": fields, "required": ["value"], "additionalProperties": False}
    return {"type": "object", "additionalProperties": one, "maxProperties": 100}


def parameters_of(file: YamlFile) -> dict[str, Parameter]:
    """The parameters of a file by name.

    Raises:
        InputError: names the parameter and what was expected.
    """
    return {name: _parameter(file, name, entry) for name, entry in file.data.get("parameters", {}).items()}


def _parameter(file: YamlFile, name: str, entry: Mapping[str, Any]) -> Parameter:
    where = "parameters", name
    if not re.fullmatch(PARAMETER_NAME, f"${name}") or len(name) > 40:
        raise file.error(where, f"expected letters, digits and _ as its name, at most 40, got {shown(name)}")
    ways = [way for way in ("uniform", "normal", "choice") if way in entry]
    if len(ways) != 1:
        raise file.error(where, f"expected one of uniform, normal, choice, got {' and '.join(ways) or 'none'}")
    if ("within" in entry) != (ways == ["normal"]):
        raise file.error(where, "expected `within: [least, most]` with normal, and only there")
    value, parts = entry["value"], {key: tuple(row) for key, row in entry.items() if key != "value"}
    if "choice" in parts:
        if any(isinstance(one, str) != isinstance(value, str) for one in parts["choice"]):
            raise file.error((*where, "choice"), "expected numbers alone, or texts alone, as the value is")
        if value not in parts["choice"]:
            raise file.error((*where, "value"), f"expected one of {list(parts['choice'])}, got {shown(value)}")
        return Parameter(name, value, **parts)
    way = "within" if "within" in parts else "uniform"
    low, high = parts[way]
    if not low <= high:
        raise file.error((*where, way), f"expected [least, most], got [{low:g}, {high:g}]")
    if isinstance(value, str) or not low <= value <= high:
        raise file.error((*where, "value"), f"expected a number from {low:g} to {high:g}, got {shown(value)}")
    if "normal" in parts and not (parts["normal"][1] > 0 and low <= parts["normal"][0] <= high):
        mean, spread = parts["normal"]
        why = f"expected a mean from {low:g} to {high:g} and a deviation above 0, got [{mean:g}, {spread:g}]"
        raise file.error((*where, "normal"), why)
    return Parameter(name, value, **parts)


def fill(file: YamlFile, values: Mapping[str, Value]) -> tuple[dict[str, Any], dict[tuple[str | int, ...], str]]:
    """The data of a file with values in place of `$name`, without the block `parameters`; and which name each field has
    taken.

    Args:
        file: the file.
        values: by name.

    Raises:
        InputError: a name that is none.
    """
    used: dict[tuple[str | int, ...], str] = {}

    def filled(value: Any, field: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner, (*field, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner, (*field, i)) for i, inner in enumerate(value)]
        if not (isinstance(value, str) and re.fullmatch(PARAMETER_NAME, value)):
            return value
        name = value[1:]
        if name not in values:
            known = f"one of {', '.join(values)}" if values else "a block `parameters` with it"
            raise file.error(field, f"no parameter {shown(name)}{did_you_mean(name, values)}; expected {known}")
        if field == ("seed",):
            raise file.error(field, "the seed draws the parameters, and is none of them; expected a number")
        used[field] = name
        return values[name]

    return {key: filled(value, (key,)) for key, value in file.data.items() if key != "parameters"}, used
