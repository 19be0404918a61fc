"""Recipes as YAML files, which override fields of the default recipe."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from uniscene_sim.errors import InputError, shown
from uniscene_sim.storage.input_file import reading
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["read_recipe"]

_T = TypeVar("_T")


def read_recipe(path: Path, default: _T, choices: dict[str, dict[str, Any]]) -> _T:
    """The default recipe with the fields of a file.

    Args:
        path: the file.
        default: dataclass of dataclasses and plain values.
        choices: by field, the dataclasses that its `kind` may name, such as `net: {kind: dit}`.

    Raises:
        InputError: not YAML, an unknown field, or a value of another kind.
    """
    given = YamlFile(path, {"type": ["object", "null"]}, "a recipe").data
    with reading(path, "a recipe"):  # of numbers that its networks can have
        recipe: _T = _filled(default, given or {}, path, "", choices)
    return recipe


def _filled(value: Any, given: Any, path: Path, where: str, choices: dict[str, dict[str, Any]]) -> Any:
    if not isinstance(given, dict):
        raise InputError(f"expected fields and their values, got {shown(given)}", file=path, field=where or None)
    known = {f.name: getattr(value, f.name) for f in fields(value)}
    changed = {}
    for key, new in given.items():
        field = f"{where}.{key}".lstrip(".")
        if key not in known:
            raise InputError(f"no such field, expected some of {', '.join(known)}", file=path, field=field)
        old = known[key]
        if is_dataclass(old):
            if key in choices and isinstance(new, dict) and "kind" in new:
                new = dict(new)
                kind = new.pop("kind")
                if not isinstance(kind, str) or kind not in choices[key]:
                    expected = f"expected one of {', '.join(choices[key])}, got {shown(kind)}"
                    raise InputError(expected, file=path, field=f"{field}.kind")
                old = choices[key][kind]()
            changed[key] = _filled(old, new, path, field, choices)
            continue
        new = tuple(new) if isinstance(new, list) else new
        number = type(old) is float and type(new) is int
        alike = type(new) is type(old) and (type(old) is not tuple or {*map(type, new)} <= {*map(type, old)})
        if not alike and not number:
            raise InputError(f"expected {type(old).__name__}, got {shown(new)}", file=path, field=field)
        changed[key] = new
    return replace(value, **changed)
