"""The plug-in table: engines by slot and name, from the entry points `uniscene_sim.<slot>`."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from uniscene_sim.errors import InputError

__all__ = ["SLOTS", "load_engine", "names"]

SLOTS = ("occupancy", "camera", "lidar")

#: What an engine's class must have, by slot: the methods that the simulator calls.
_METHODS = {"occupancy": ("tile",), "camera": ("step",), "lidar": ("step",)}


def _table(slot: str) -> dict[str, EntryPoint]:
    table: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"uniscene_sim.{slot}"):
        first = table.setdefault(point.name, point)
        if _origin(first) != _origin(point):
            raise InputError(
                f"{slot} engine {point.name!r} is offered twice, as {_origin(first)} and {_origin(point)}; "
                "uninstall one"
            )
    return table


def _origin(point: EntryPoint) -> str:
    """What an entry point names, and the distribution that it comes from."""
    return f"{point.value} of {point.dist.name} {point.dist.version}" if point.dist else point.value


def names(slot: str) -> tuple[str, ...]:
    """Engines installed for a slot, sorted."""
    return tuple(sorted(_table(slot)))


def load_engine(slot: str, name: str) -> Any:
    """The engine's class.

    Raises:
        InputError: an unknown name (lists what exists), one that cannot be imported, one whose `name` is another, or
            one that lacks a method of its interface.
    """
    table = _table(slot)
    if name not in table:
        installed = ", ".join(sorted(table)) or "none"
        close = get_close_matches(name, table, 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(f"no {slot} engine {name!r}{hint}; installed: {installed}", field=f"--{slot}")
    what = f"{slot} engine {name!r} ({_origin(table[name])})"
    try:
        engine = table[name].load()
    except Exception as error:
        raise InputError(f"{what} cannot be loaded: {error}") from error
    if not callable(engine):
        raise InputError(f"{what} is not a class; expected one to construct the engine with")
    if (own := getattr(engine, "name", None)) != name:
        raise InputError(f"{what} has name = {own!r}; expected {name!r}")
    if missing := [method for method in _METHODS[slot] if not callable(getattr(engine, method, None))]:
        raise InputError(f"{what} lacks {', '.join(f'{method}()' for method in missing)}")
    return engine
