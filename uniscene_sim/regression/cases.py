"""Cases: what there is to test in a scenario file, one for each parameter set and seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from uniscene_sim.errors import InputError, shown
from uniscene_sim.outcome import Status
from uniscene_sim.scenario import TestPlan
from uniscene_sim.scenario_files.read import ScenarioFile, is_scenario
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.storage.input_file import is_regular

__all__ = ["NOMINAL", "Case", "cases_of", "collect", "scenario_files", "sharded"]

#: Name of the case with each parameter as the file gives its value.
NOMINAL = "nominal"
_T = TypeVar("_T")
_GOOD = (str(Status.SUCCESS), str(Status.ACCEPTABLE))


@dataclass(frozen=True)
class Case:
    """One drive to judge: a scenario file with one choice of its parameters.

    Attributes:
        file: the scenario.
        name: of the choice, "nominal", "seed_3", "SET" or "SET_seed_3".
        seed: draws the parameters; None for their nominal values.
        parameters: in place of the file's, by name.
        plan: how the scenario is tested.
    """

    file: Path
    name: str = NOMINAL
    seed: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    plan: TestPlan = field(default_factory=TestPlan, hash=False)

    @property
    def title(self) -> str:
        """As tests are named: "cut_in[seed_3]"."""
        return f"{self.file.stem}[{self.name}]"

    def accepts(self, driver: str) -> tuple[str, ...]:
        """Statuses with which the test of a driver passes."""
        return self.plan.expect.get(driver, _GOOD)


def cases_of(path: str | Path) -> list[Case]:
    """The cases of a scenario file.

    Raises:
        InputError: it is none, or has no criteria; names file, line and field.
    """
    file = ScenarioFile(path)
    if not file.nominal.criteria:
        raise InputError("there is nothing to judge by; expected at least one criterion", file=path, field="criteria")
    plan = file.test
    seeds: tuple[int | None, ...] = plan.seeds or (None,)
    sets: Mapping[str, Mapping[str, Any]] = plan.sets or {"": {}}
    cases = []
    for name, values in sets.items():
        for seed in seeds:
            parts = [part for part in (name, "" if seed is None else f"seed_{seed}") if part]
            cases.append(Case(Path(path), "_".join(parts) or NOMINAL, seed, values, plan))
    return cases


def scenario_files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """The scenario files among paths: a file is taken as one, and of a folder those below it that are scenarios, by
    name; maps, rigs and whatever else lies there are passed over.

    Raises:
        InputError: a path does not exist, is neither, or has no scenario in it.
    """
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml") and is_scenario(p))
            if not found:
                raise InputError("has no scenario file (.yaml with map, ego and duration_s)", file=path)
            yield from found
        elif is_regular(path):
            yield path
        elif is_regular(library := data_dir("scenarios") / f"{path}.yaml"):
            yield library
        else:
            raise InputError(f"no scenario file, folder or name of the library: {shown(str(path))}", field="paths")


def collect(paths: Iterable[str | Path]) -> list[Case]:
    """All cases of files and folders, in order.

    Raises:
        InputError: there is no scenario, or one is invalid.
    """
    return [case for path in dict.fromkeys(scenario_files(paths)) for case in cases_of(path)]


def sharded(cases: Sequence[_T], shard: str) -> list[_T]:
    """The K-th of N parts of a batch, "K/N": every N-th case from number K on.

    Raises:
        InputError: there is no such part.
    """
    found = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", shard)
    number, parts = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= parts:
        raise InputError(f"expected K/N with K from 1 to N, got {shown(shard)}", field="shard")
    return list(cases[number - 1 :: parts])
