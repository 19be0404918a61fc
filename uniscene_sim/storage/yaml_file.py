"""YAML files, loaded safely and validated, with the line of every field for error messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import yaml

from uniscene_sim.errors import InputError, shown
from uniscene_sim.storage.input_file import MIB, read_text
from uniscene_sim.storage.schema_errors import first_error
from uniscene_sim.storage.yaml_bounds import check_bounds

__all__ = ["MOST_YAML", "YamlFile", "dotted"]

#: libyaml's where it is compiled in: ten times as fast, which long trajectories need.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_YAML = 16 * MIB  # bytes of a file


class YamlFile:
    """A validated YAML document.

    Args:
        path: the file.
        schema: JSON Schema that it must satisfy.
        what: what is expected, for the error message.
        text: its text, if it is at hand; `path` then only names it.

    Raises:
        InputError: it cannot be read, is no YAML, or breaks the schema; names file, line and field.
    """

    def __init__(self, path: str | Path, schema: dict[str, Any], what: str = "a YAML file", text: str | None = None):
        self.path = Path(path)
        self._lines: dict[tuple[str | int, ...], int] = {}
        text = read_text(path, MOST_YAML, what) if text is None else text
        try:
            check_bounds(yaml.parse(text, _LOADER))
            loader = _LOADER(text)
            node = loader.get_single_node()
            if node is None and "null" not in schema.get("type", ()):
                needs = f" with {', '.join(schema['required'])}" if schema.get("required") else ""
                raise InputError(f"is empty; expected {what}{needs}", file=path)
            if node is not None:
                self._keep_lines(node, ())
            self.data: Any = None if node is None else self._constructed(loader, node)
        except yaml.YAMLError as error:
            mark, at = getattr(error, "problem_mark", None), getattr(error, "position", None)
            line = mark.line + 1 if mark else None if at is None else text.count("\n", 0, at) + 1
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
            raise InputError(f"not valid YAML: {problem}; expected {what}", file=path, line=line) from None
        self._refuse_strange(self.data, ())
        self._require(schema)

    def with_data(self, data: Any, schema: dict[str, Any] | None = None) -> YamlFile:
        """The file with other values in the same places, validated if there is a schema for them."""
        other = copy(self)
        other.data = data
        if schema is not None:
            other._require(schema)
        return other

    def _require(self, schema: dict[str, Any]) -> None:
        if found := first_error(self.data, schema):
            raise self.error(found.field, found.message)

    def error(self, field: tuple[str | int, ...], message: str) -> InputError:
        """An error at a field, given as keys and indices from the root."""
        line = next((self._lines[field[:n]] for n in range(len(field), -1, -1) if field[:n] in self._lines), None)
        return InputError(message, file=self.path, line=line, field=dotted(field) or None)

    def _keep_lines(self, node: yaml.Node, field: tuple[str | int, ...]) -> None:
        self._lines.setdefault(field, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                self._lines[(*field, name)] = key.start_mark.line + 1
                self._keep_lines(value, (*field, name))
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                self._keep_lines(value, (*field, i))

    def _constructed(self, loader: Any, root: yaml.Node) -> Any:
        """The value of a document; a date that is none, `!!bool maybe` or a number of thousands of digits is told."""
        try:
            return loader.construct_document(root)
        except yaml.YAMLError:
            raise
        except Exception as error:
            field, value = next(_unreadable(loader, root, ()), ((), ""))
            reason = f" ({error})" if isinstance(error, ValueError) else ""
            raise self.error(
                field, f"not valid YAML: {shown(value)} cannot be read{reason}; put text in quotes"
            ) from None

    def _refuse_strange(self, value: Any, field: tuple[str | int, ...]) -> None:
        """Refuse what YAML knows and JSON does not: dates, bytes, sets, keys that are no text, infinities."""
        if isinstance(value, dict):
            for key, inner in value.items():
                if not isinstance(key, str):
                    raise self.error(field, f"expected text as name of a field, got {shown(key)}; put it in quotes")
                self._refuse_strange(inner, (*field, key))
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                self._refuse_strange(inner, (*field, i))
        elif isinstance(value, int | float):
            if not abs(value) <= sys.float_info.max:
                raise self.error(field, f"must be a finite number, got {shown(value)}" if isinstance(value, float)
                                 else "must be a finite number, got one of too many digits")  # fmt: skip
        elif not isinstance(value, str | None):
            kind = type(value).__name__
            raise self.error(field, f"expected text, a number, a list or fields, got a {kind}; put text in quotes")


def _unreadable(
    loader: Any, node: yaml.Node, field: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Fields of the values that cannot be made, and their texts."""
    if isinstance(node, yaml.ScalarNode):
        try:
            loader.construct_object(node)
        except Exception:
            yield field, node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            yield from _unreadable(loader, key, field)
            yield from _unreadable(loader, value, (*field, name))
    else:
        for i, value in enumerate(node.value):
            yield from _unreadable(loader, value, (*field, i))


def dotted(field: tuple[str | int, ...]) -> str:
    """A field, as keys and indices from the root, as messages give it."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in field)
    return text.removeprefix(".")
