"""How large YAML may become, told from its events before any value of it is made.

An alias stands for all of what its anchor names: a kilobyte of aliases to aliases is billions of values for whoever
walks through them, and an anchor inside itself has no end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from uniscene_sim.storage.input_file import JSON_DEPTH

__all__ = ["check_bounds"]

#: Values of a file, those behind aliases counted each time.
_MOST_VALUES = 500_000
#: Characters of a text, and of what may be a number of base 60, which takes time in the square of its length.
_MOST_TEXT, _MOST_BASE_60 = 65536, 100


@dataclass
class _Size:
    """Values in a part of the document, itself included, and how deep they are nested."""

    values: int = 1
    depth: int = 1

    def add(self, inner: _Size) -> None:
        self.values += inner.values
        self.depth = max(self.depth, 1 + inner.depth)


def check_bounds(events: Iterator[yaml.Event]) -> None:
    """Look through the events of a document.

    Raises:
        yaml.MarkedYAMLError: too many values, too deep, too long, or an alias to what holds it.
    """
    done: dict[str, _Size] = {}
    root = _Size(depth=0)
    open_parts: list[tuple[str | None, _Size]] = [(None, root)]
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            most = _MOST_BASE_60 if _may_be_base_60(event) else _MOST_TEXT
            if len(event.value) > most:
                raise _refusal(event, f"a value of {len(event.value)} characters, expected at most {most}")
            size, name = _Size(), event.anchor
        elif isinstance(event, yaml.CollectionStartEvent):
            open_parts.append((event.anchor, _Size()))
            if len(open_parts) > JSON_DEPTH + 1:
                raise _refusal(event, f"nested more than {JSON_DEPTH} deep")
            continue
        elif isinstance(event, yaml.CollectionEndEvent):
            name, size = open_parts.pop()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in done:
                raise _refusal(event, "an alias to what it is a part of, or to nothing")
            size, name = done[event.anchor], None
        else:
            continue
        if name is not None:
            done[name] = size
        open_parts[-1][1].add(size)
        if root.values + sum(part.values for _, part in open_parts[1:]) > _MOST_VALUES:
            raise _refusal(event, f"more than {_MOST_VALUES:,} values, aliases counted each time")
        if len(open_parts) - 1 + size.depth > JSON_DEPTH:
            raise _refusal(event, f"nested more than {JSON_DEPTH} deep")


def _may_be_base_60(event: yaml.ScalarEvent) -> bool:
    return ":" in event.value and (event.tag is not None or (event.implicit[0] and event.value[0] in "+-0123456789"))


def _refusal(event: yaml.Event, why: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=why, problem_mark=event.start_mark)  # type: ignore[arg-type]  # libyaml's
