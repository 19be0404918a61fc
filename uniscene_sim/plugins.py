"""The plug-in table: sources, engines and sinks by slot and name, from the entry points `uniscene_sim.<slot>`."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from uniscene_sim.errors import InputError

__all__ = ["ENGINES", "SLOTS", "load_plugin", "plugin_names", "plugin_origins"]

#: Slots, and the methods that a class in each must have.
_METHODS = {
    "source": ("open", "reset", "step", "driver_control"),
    "occupancy": ("tile",),
    "camera": ("step",),
    "lidar": ("step",),
    "sink": ("open", "add", "close", "__enter__", "__exit__"),
}
SLOTS = tuple(_METHODS)
#: Slots of generators.
ENGINES = ("occupancy", "camera", "lidar")


def _table(slot: str) -> dict[str, EntryPoint]:
    table: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"uniscene_sim.{slot}"):
        first = table.setdefault(point.name, point)
        if _origin(first) != _origin(point):
            raise InputError(
                f"{_describe(slot)} {point.name!r} is offered twice, as {_origin(first)} and {_origin(point)}; "
                "uninstall one"
            )
    return table


def _describe(slot: str) -> str:
    return f"{slot} engine" if slot in ENGINES else slot


def _origin(point: EntryPoint) -> str:
    """What an entry point names, and the distribution that it comes from."""
    return f"{point.value} of {point.dist.name} {point.dist.version}" if point.dist else point.value


def plugin_names(slot: str) -> tuple[str, ...]:
    """What is installed for a slot, sorted."""
    return tuple(sorted(_table(slot)))


def plugin_origins(slot: str) -> dict[str, str]:
    """Distribution and version that each name of a slot comes from."""
    return {
        name: f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        for name, point in sorted(_table(slot).items())
    }


def load_plugin(slot: str, name: str) -> Any:
    """The class of a source, an engine or a sink.

    Raises:
        InputError: an unknown name (lists what exists), one that cannot be imported, one whose `name` is another, or
            one that lacks a method of its interface.
    """
    table = _table(slot)
    if name not in table:
        installed = ", ".join(sorted(table)) or "none"
        close = get_close_matches(name, table, 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(f"no {_describe(slot)} {name!r}{hint}; installed: {installed}", field=f"--{slot}")
    what = f"{_describe(slot)} {name!r} ({_origin(table[name])})"
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
