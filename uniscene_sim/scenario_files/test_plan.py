"""The blocks `tags`, `expect` and `cases` of a scenario file: how it is tested."""

from __future__ import annotations

from typing import Any

from uniscene_sim.limits import bounds
from uniscene_sim.outcome import Status
from uniscene_sim.scenario import TestPlan
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["plan_of", "plan_schema"]

_WORD = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": bounds.NAME,
         "description": "letters, digits and _"}  # fmt: skip
_STATUS = {"enum": [str(status) for status in Status if status != Status.RUNNING]}
_MOST_CASES, _MOST_TIMES = 10_000, 100


def plan_schema() -> dict[str, Any]:
    """JSON Schema of these fields."""
    value = {"type": ["number", "string"]}
    limit = {"type": "number", "exclusiveMinimum": 0, "maximum": 86_400}
    cases = {
        "seeds": {"type": "array", "items": bounds.SEED.schema, "minItems": 1, "maxItems": _MOST_CASES,
                  "uniqueItems": True},
        "sets": {"type": "object", "propertyNames": _WORD, "minProperties": 1, "maxProperties": 1000,
                 "additionalProperties": {"type": "object", "additionalProperties": value, "minProperties": 1}},
        "repetitions": {"type": "integer", "minimum": 1, "maximum": _MOST_TIMES},
        "time_limit_s": limit,
    }  # fmt: skip
    some = {"type": "array", "items": _STATUS, "minItems": 1, "uniqueItems": True}
    return {
        "tags": {"type": "array", "items": _WORD, "maxItems": 50, "uniqueItems": True},
        "expect": {"type": "object", "maxProperties": 100,
                   "additionalProperties": {"if": {"type": "string"}, "then": _STATUS, "else": some}},
        "cases": {"type": "object", "properties": cases, "additionalProperties": False, "minProperties": 1},
    }  # fmt: skip


def plan_of(file: YamlFile) -> TestPlan:
    """The plan of a file that satisfies the schema."""
    data = file.data
    expect = {name: (wanted,) if isinstance(wanted, str) else tuple(wanted)
              for name, wanted in data.get("expect", {}).items()}  # fmt: skip
    cases: dict[str, Any] = {key: tuple(value) if key == "seeds" else value
                             for key, value in data.get("cases", {}).items()}  # fmt: skip
    return TestPlan(tags=tuple(data.get("tags", ())), expect=expect, **cases)

