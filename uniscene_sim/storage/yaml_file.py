"""YAML files, loaded safely and validated, with the line of every field for error messages."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from uniscene_sim.errors import InputError

__all__ = ["YamlFile"]

#: libyaml's where it is compiled in: ten times as fast, which long trajectories need.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlFile:
    """A validated YAML document.

    Args:
        path: the file.
        schema: JSON Schema that it must satisfy.

    Raises:
        InputError: it cannot be read, is no YAML, or breaks the schema; names file, line and field.
    """

    def __init__(self, path: str | Path, schema: dict[str, Any]):
        self.path = Path(path)
        try:
            loader = _LOADER(self.path.read_text(encoding="utf-8"))
            node = loader.get_single_node()
            self.data: Any = None if node is None else loader.construct_document(node)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise InputError(f"cannot be read: {reason}", file=path) from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "not YAML"
            raise InputError(f"not valid YAML: {problem}", file=path, line=mark.line + 1 if mark else None) from error
        except ValueError as error:  # a date that is none, a number of thousands of digits
            raise InputError(f"not valid YAML: {error}", file=path) from error
        self._lines: dict[tuple[str | int, ...], int] = {}
        if node is not None:
            self._keep_lines(node, ())
        self._refuse_nonfinite(self.data, ())
        errors = list(jsonschema.Draft202012Validator(schema).iter_errors(self.data))
        if errors:
            # A misspelt field is also a missing one; the misspelling is what the user has to know.
            unknown = [e for e in errors if e.validator == "additionalProperties"]
            self._explain(unknown[0] if unknown else jsonschema.exceptions.best_match(errors))

    def error(self, field: tuple[str | int, ...], message: str) -> InputError:
        """An error at a field, given as keys and indices from the root."""
        line = next((self._lines[field[:n]] for n in range(len(field), -1, -1) if field[:n] in self._lines), None)
        return InputError(message, file=self.path, line=line, field=_dotted(field) or None)

    def _keep_lines(self, node: yaml.Node, field: tuple[str | int, ...]) -> None:
        self._lines.setdefault(field, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._lines[(*field, key.value)] = key.start_mark.line + 1
                self._keep_lines(value, (*field, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                self._keep_lines(value, (*field, i))

    def _refuse_nonfinite(self, value: Any, field: tuple[str | int, ...]) -> None:
        if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
            raise self.error(field, f"must be a finite number, got {value:.3g}" if isinstance(value, float)
                             else "must be a finite number, got one of too many digits")  # fmt: skip
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            self._refuse_nonfinite(inner, (*field, key))

    def _explain(self, error: jsonschema.ValidationError) -> None:
        field = tuple(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = list(error.schema.get("properties", {}))
            unknown = next(key for key in error.instance if key not in known)
            raise self.error(
                (*field, unknown), f"unknown field{_hint(str(unknown), known)}; expected one of {', '.join(known)}"
            )
        if error.validator == "enum":
            choices = [str(c) for c in error.validator_value]
            given = str(error.instance)
            raise self.error(field, f"{given!r} is not one of {', '.join(choices)}{_hint(given, choices)}")
        raise self.error(field, error.message.splitlines()[0])


def _dotted(field: tuple[str | int, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in field)
    return text.removeprefix(".")


def _hint(given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, 1)
    return f" (did you mean {close[0]}?)" if close else ""
