"""Nouns from the fields of a file: agents, criteria and edits, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from uniscene_sim.control import MANNERS, Manners
from uniscene_sim.edit import EDIT_KINDS
from uniscene_sim.errors import InputError
from uniscene_sim.layout import Edit
from uniscene_sim.scenario import AgentSpec, Criterion, Spawn
from uniscene_sim.scenario_files.schema import edit_json_schema
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["agent_of", "criterion_of", "edit_of", "edit_of_text", "made", "manners_of"]

Field = tuple[str | int, ...]
_Noun = TypeVar("_Noun")
_MOST_TEXT = 65_536  # characters of an edit


def made(file: YamlFile, where: Field, noun: type[_Noun], /, **values: Any) -> _Noun:
    """A noun from the values of a field; what it refuses is told as that of the file."""
    try:
        return noun(**values)
    except InputError as error:
        inner = re.findall(r"[^.\[\]]+", error.field or "")
        raise file.error((*where, *(int(k) if k.isdigit() else k for k in inner)), error.message) from None


def agent_of(file: YamlFile, where: Field) -> AgentSpec:
    """The agent of a field."""
    entry = dict(_at(file, where))
    behaviour = entry.setdefault("behaviour", "walk" if entry["class"] == "pedestrian" else "traffic")
    if (behaviour == "trajectory") != ("trajectory" in entry):
        raise file.error(where, "a trajectory goes with behaviour: trajectory, and only with it")
    spawn = made(file, (*where, "spawn"), Spawn, **entry.pop("spawn"))
    if "manners" in entry:
        entry["manners"] = manners_of(entry["manners"])
    return made(file, where, AgentSpec, cls=entry.pop("class"), spawn=spawn, **entry)


def criterion_of(file: YamlFile, where: Field) -> Criterion:
    """The criterion of a field."""
    entry = dict(_at(file, where))
    return made(file, where, Criterion, partner=entry.pop("with", None), **entry)


def manners_of(entry: str | Mapping[str, Any]) -> Manners:
    """The manners of a field that satisfies the schema: the name of a preset, or numbers in place of one's."""
    if isinstance(entry, str):
        return MANNERS[entry]
    numbers = dict(entry)
    return replace(MANNERS[numbers.pop("like", "normal")], **numbers)


def edit_of(file: YamlFile, where: Field) -> Edit:
    """The edit of a field, which may be the whole document."""
    entry = dict(_at(file, where))
    kind = EDIT_KINDS[entry.pop("kind")]
    for name in ("at", "to"):
        if name in entry:
            entry[name] = made(file, (*where, name), Spawn, **entry[name])
    if "agent" in entry:
        entry["agent"] = agent_of(file, (*where, "agent"))
    if "by" in entry:
        entry["by"] = tuple(entry["by"])
    return made(file, where, kind, **entry)


def edit_of_text(text: str) -> Edit:
    """The edit of a request in YAML or JSON, as in scenario files: `{kind: remove, name: walker}`.

    Raises:
        InputError: names the field and what was expected.
    """
    if len(text) > _MOST_TEXT:
        raise InputError(f"expected at most {_MOST_TEXT:,} characters, got {len(text):,}", field="edit")
    return edit_of(YamlFile("edit", edit_json_schema(), "an edit, such as {kind: remove, name: walker}", text), ())


def _at(file: YamlFile, where: Field) -> Any:
    value = file.data
    for key in where:
        value = value[key]
    return value
