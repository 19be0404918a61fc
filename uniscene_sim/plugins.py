"""The plug-in table: engines by slot and name, from the entry points `uniscene_sim.<slot>`."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from uniscene_sim.errors import InputError

__all__ = ["SLOTS", "load_engine", "names"]

SLOTS = ("occupancy", "camera", "lidar")


def _table(slot: str) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for point in entry_points(group=f"uniscene_sim.{slot}"):
        if point.name in table and table[point.name].value != point.value:
            raise InputError(
                f"{slot} engine {point.name!r} is offered twice, as {table[point.name].value} and {point.value}; "
                "uninstall one"
            )
        table[point.name] = point
    return table


def names(slot: str) -> tuple[str, ...]:
    """Engines installed for a slot, sorted."""
    return tuple(sorted(_table(slot)))


def load_engine(slot: str, name: str) -> Any:
    """The engine's class.

    Raises:
        InputError: an unknown name (lists what exists) or one that cannot be imported.
    """
    table = _table(slot)
    if name not in table:
        installed = ", ".join(sorted(table)) or "none"
        raise InputError(f"no {slot} engine {name!r}; installed: {installed}", field=f"--{slot}")
    try:
        return table[name].load()
    except Exception as error:
        raise InputError(f"{slot} engine {name!r} ({table[name].value}) cannot be loaded: {error}") from error
