"""What a reader leaves out of a map or cannot tell, gathered by kind, so that each kind is told once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from uniscene_sim.errors import InputError, InputWarning

__all__ = ["Losses", "warn_of_losses"]

_NAMED = 5  # so many cases of one kind are named, others are counted
_Read = TypeVar("_Read")


class Losses:
    """Losses of one file."""

    def __init__(self) -> None:
        self._cases: dict[str, dict[str, None]] = {}  # by kind, in order

    def add(self, kind: str, case: str) -> None:
        """Note a case, as "road 7 (why)", of a kind of loss, as "left out"."""
        self._cases.setdefault(kind, {})[case] = None

    def readable(self, kind: str, nodes: Iterable[Any], read: Callable[[Any], _Read], name: str) -> list[_Read]:
        """What can be read of some elements; the others are noted.

        Args:
            kind: of loss.
            nodes: elements of a file.
            read: reads one; raises InputError.
            name: what they are called, before their ids or lines.
        """
        found = []
        for node in nodes:
            try:
                found.append(read(node))
            except InputError as error:
                which = f"in line {node.sourceline}" if node.get("id") is None else repr(node.get("id"))
                self.add(kind, f"{name} {which} ({error})")
        return found

    def sentences(self) -> tuple[str, ...]:
        """A sentence for each kind, in the order in which they came up."""
        return tuple(
            f"{kind}: {', '.join(list(cases)[:_NAMED])}"
            + (f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else "")
            for kind, cases in self._cases.items()
        )


def warn_of_losses(losses: Iterable[str], path: str | Path) -> None:
    """One warning for each sentence about a file."""
    for loss in losses:
        warnings.warn(f"{path}: {loss}", InputWarning, stacklevel=3)
