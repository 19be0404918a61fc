"""What a JSON Schema refuses, in words that name the field, what was expected, and a cut of what is there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import jsonschema

from uniscene_sim.errors import did_you_mean, shown

__all__ = ["SchemaError", "first_error"]

_MOST = 100  # errors that are compared: of a file in which everything is wrong, any will do
_TYPES = {
    "object": "fields and their values",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "nothing",
}
_KINDS = {dict: "fields", list: "a list", str: "text", type(None): "nothing"}
_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
_LENGTHS = {"minItems": "at least", "maxItems": "at most", "minLength": "at least", "maxLength": "at most",
            "minProperties": "at least", "maxProperties": "at most"}  # fmt: skip


@dataclass(frozen=True)
class SchemaError:
    """A field, as keys and indices from the root, and what is wrong with it."""

    field: tuple[str | int, ...]
    message: str


def first_error(data: Any, schema: dict[str, Any]) -> SchemaError | None:
    """The error that says most, None if the data satisfy the schema."""
    errors = list(islice(jsonschema.Draft202012Validator(schema).iter_errors(data), _MOST))
    if not errors:
        return None
    # A misspelt field is also a missing one; the misspelling is what the user has to know.
    unknown = [error for error in errors if error.validator == "additionalProperties"]
    return _explained(unknown[0] if unknown else jsonschema.exceptions.best_match(errors))


def _explained(error: jsonschema.ValidationError) -> SchemaError:
    field, kind, wanted, given = tuple(error.absolute_path), error.validator, error.validator_value, error.instance
    if kind == "additionalProperties" and isinstance(given, dict):
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in given if key not in known)
        expected = f"; expected one of {', '.join(known)}"
        return SchemaError((*field, unknown), f"unknown field{did_you_mean(str(unknown), known)}{expected}")
    if kind == "required" and isinstance(given, dict):
        missing = [name for name in wanted if name not in given]
        return SchemaError(field, f"{missing[0]!r} is a required property, and missing")
    if kind == "enum":
        choices = [str(choice) for choice in wanted]
        return SchemaError(field, f"{shown(given)} is not one of {', '.join(choices)}{did_you_mean(given, choices)}")
    # Of a file that is something else altogether, whose it may be, nothing is told.
    got = shown(given) if field else _KINDS.get(type(given), "a number")
    return SchemaError(field, f"expected {_expected(kind, wanted)}, got {got}")


def _expected(kind: str, wanted: Any) -> str:
    if kind == "type":
        return " or ".join(_TYPES[name] for name in ([wanted] if isinstance(wanted, str) else wanted))
    if kind in _LIMITS:
        return f"{_LIMITS[kind]} {wanted:.10g}"
    if kind in _LENGTHS:
        return f"{_LENGTHS[kind]} {wanted} {'character' if kind.endswith('Length') else 'item'}{'s' * (wanted != 1)}"
    if kind == "const":
        return str(wanted).lower()
    if kind in ("oneOf", "anyOf") and all("type" in option for option in wanted):
        return " or ".join(dict.fromkeys(_TYPES[option["type"]] for option in wanted))
    return f"what fits {kind} {shown(wanted)}"
