"""The plug-in table: sources, engines and sinks by slot and name, from the entry points `uniscene_sim.<slot>`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partialmethod
from importlib.metadata import EntryPoint, entry_points
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from uniscene_sim.engine_support.options import option_text, parse_options, split
from uniscene_sim.engine_support.others_code import others_code
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.storage.data_folders import scenario_names
from uniscene_sim.storage.input_file import is_folder

if TYPE_CHECKING:
    from uniscene_sim.interfaces import (
        CameraEngine,
        FrameSink,
        LayoutSource,
        LidarEngine,
        OccupancyEngine,
        WindowEngine,
    )

__all__ = [
    "DEFAULTS",
    "ENGINES",
    "SLOTS",
    "EngineChoice",
    "choose_engines",
    "construct",
    "find_source",
    "installed",
    "load_plugin",
    "open_source",
    "plugin_names",
    "plugin_origins",
    "require_plugin",
]

#: Slots, and the protocol in `uniscene_sim.interfaces` that classes in each follow. By name, since importing that
#: module needs numba, which `--help` does without.
_PROTOCOLS = {
    "source": "LayoutSource",
    "occupancy": "OccupancyEngine",
    "window": "WindowEngine",
    "camera": "CameraEngine",
    "lidar": "LidarEngine",
    "sink": "FrameSink",
}
SLOTS = tuple(_PROTOCOLS)
#: Slots of engines, and the default engine of each.
DEFAULTS = {"occupancy": "procedural", "window": "exact", "camera": "raycast", "lidar": "raycast"}
ENGINES = tuple(DEFAULTS)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@cache
def _methods(slot: str) -> tuple[str, ...]:
    """Methods that a class of a slot must have: those of its protocol."""
    from uniscene_sim import interfaces

    members = vars(getattr(interfaces, _PROTOCOLS[slot])).items()
    own = [name for name, member in members if isfunction(member) or isinstance(member, classmethod)]
    return tuple(name for name in own if name not in ("__init__", "__subclasshook__"))  # added by typing


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
    """The object that an entry point names, and its distribution."""
    return f"{point.value} of {point.dist.name} {point.dist.version}" if point.dist else point.value


def plugin_names(slot: str) -> tuple[str, ...]:
    """Names installed for a slot, sorted."""
    return tuple(sorted(_table(slot)))


def installed(slot: str, text: str) -> bool:
    """Whether the name at the start of a text, with or without options, is installed."""
    return (split(text)[0] if slot in ENGINES else text) in _table(slot)


def plugin_origins(slot: str) -> dict[str, str]:
    """Distribution and version that each name of a slot comes from."""
    return {
        name: f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        for name, point in sorted(_table(slot).items())
    }


@dataclass(frozen=True)
class EngineChoice:
    """The engine of each slot, and what sensor rays are traced through."""

    names: dict[str, str]  # by slot, with or without options
    trace: str
    fields: dict[str, str]  # by slot: under which one it was named, for error messages


def choose_engines(engines: Mapping[str, str], trace: str = "tiles") -> EngineChoice:
    """The engine of each slot, by default those of `DEFAULTS`.

    An engine of windows may be named in the place of one of tiles: then it makes the windows, and rays are traced
    through these and, beyond them, through tiles of the default engine.

    Args:
        engines: names by slot.
        trace: what sensor rays are traced through.

    Raises:
        InputError: two engines of windows are named.
    """
    names = DEFAULTS | dict(engines)
    named, fields = names["occupancy"], {slot: slot for slot in names}
    if not isinstance(named, str) or installed("occupancy", named) or not installed("window", named):
        return EngineChoice(names, trace, fields)
    if names["window"] not in (DEFAULTS["window"], named):
        tiles = ", ".join(plugin_names("occupancy"))
        raise InputError(f"{named} and {names['window']} both make windows; expected one of them, and for tiles one of "
                         f"{tiles}", field="occupancy")  # fmt: skip
    placed = {"occupancy": DEFAULTS["occupancy"], "window": named}
    return EngineChoice(names | placed, "window+tiles" if trace == "tiles" else trace, fields | {"window": "occupancy"})


@overload
def load_plugin(slot: Literal["source"], text: str, field: str | None = None) -> type[LayoutSource]: ...
@overload
def load_plugin(slot: Literal["occupancy"], text: str, field: str | None = None) -> Callable[..., OccupancyEngine]: ...
@overload
def load_plugin(slot: Literal["window"], text: str, field: str | None = None) -> Callable[..., WindowEngine]: ...
@overload
def load_plugin(slot: Literal["camera"], text: str, field: str | None = None) -> Callable[..., CameraEngine]: ...
@overload
def load_plugin(slot: Literal["lidar"], text: str, field: str | None = None) -> Callable[..., LidarEngine]: ...
@overload
def load_plugin(slot: Literal["sink"], text: str, field: str | None = None) -> type[FrameSink]: ...
@overload
def load_plugin(slot: str, text: str, field: str | None = None) -> Any: ...
def load_plugin(slot: str, text: str, field: str | None = None) -> Any:
    """The class of a source, an engine or a sink.

    Args:
        slot: one of `SLOTS`.
        text: its name; for an engine also options, see `engine_support.options`. The result is then a subclass
            whose instances have these options, and whose `option_text` lists those that differ from the defaults.
        field: name of the input in error messages, the slot by default.

    Raises:
        InputError: an unknown name (lists the installed ones), a class that cannot be imported, has another `name` or
            lacks a method of its interface, or invalid options.
    """
    field = field or slot
    table = _table(slot)
    if not isinstance(text, str):
        what = "an engine" if slot in ENGINES else f"a {slot}"
        raise InputError(f"expected the name of {what}, got {shown(text)}", field=field)
    name, rest = split(text) if slot in ENGINES else (text, None)
    if name not in table:
        known = ", ".join(sorted(table)) or "none"
        hint = did_you_mean(name, table)
        raise InputError(f"no {_describe(slot)} {shown(name)}{hint}; installed: {known}", field=field)
    what = f"{_describe(slot)} {name!r} ({_origin(table[name])})"
    with others_code(f"{what} cannot be loaded", field):
        engine = table[name].load()
    require_plugin(slot, engine, what, field)
    if (own := engine.name) != name:
        raise InputError(f"{what} has name = {shown(own)}; expected {name!r}", field=field)
    with others_code(f"{what} takes no options", field, of=engine):
        options = parse_options(engine, rest, field) if slot in ENGINES else None
        if options is None or not (changed := option_text(options)):
            return engine
        body = {"__init__": partialmethod(engine.__init__, options=options), "option_text": changed}
        return type(engine.__name__, (engine,), body | {"__module__": engine.__module__, "__doc__": engine.__doc__})


def require_plugin(slot: str, engine: Any, what: str, field: str | None = None) -> None:
    """Make sure that something looks like a plug-in of a slot.

    Args:
        slot: one of `SLOTS`.
        engine: what was loaded.
        what: its name, for the message.
        field: name of the input in error messages.

    Raises:
        InputError: it is no class, has no `name`, lacks a method, or says what it opens in another way than it should.
    """
    with others_code(f"{what} cannot be used", field):
        if not callable(engine):
            raise InputError(f"{what} is not a class; expected one to construct the engine with", field=field)
        if not isinstance(own := getattr(engine, "name", None), str):
            raise InputError(f"{what} has name = {shown(own)}; expected a string", field=field)
        if missing := [method for method in _methods(slot) if not callable(getattr(engine, method, None))]:
            raise InputError(f"{what} lacks {', '.join(f'{method}()' for method in missing)}", field=field)
        for kinds in ("schemes", "suffixes"):
            given = getattr(engine, kinds, ()) if slot == "source" else ()
            if not isinstance(given, tuple | list) or not all(isinstance(one, str) for one in given):
                raise InputError(f"{what} has {kinds} = {shown(given)}; expected a tuple of strings", field=field)


def construct(slot: str, engine: Any, *given: Any, field: str | None = None) -> Any:
    """An engine.

    Args:
        slot: one of `ENGINES`.
        engine: its class, as `load_plugin` gives it.
        given: what its constructor is given.
        field: name of the input in error messages, the slot by default.

    Raises:
        InputError: it cannot be constructed.
    """
    with others_code(f"{_describe(slot)} {engine.name!r} cannot be constructed", field or slot, of=engine):
        try:
            return engine(*given)
        except InputError as error:
            raise InputError(f"{engine.name}: {error}", field=field or slot) from error


def open_source(
    what: str | None, source: str | None = None, seed: int | None = None, fields: tuple[str, str] = ("what", "source")
) -> LayoutSource:
    """Open a source.

    Args:
        what: name of a scenario, file, folder or address; None if `source` is an address.
        source: name of an installed source, or an address in place of `what`. If it is None, the scheme of the address
            or the suffix of the file selects the source.
        seed: replaces the source's own.
        fields: names of `what` and `source` in error messages.

    Raises:
        InputError: no source, or more than one, opens it (lists the installed ones), or it cannot be opened.
    """
    source_class, what = find_source(what, source, fields)
    if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__")):  # numpy's integers have it, too
        raise InputError(f"expected a whole number or None, got {shown(seed)}", field="seed")
    with others_code(f"source {source_class.name!r} cannot open {shown(what)}", fields[0], of=source_class):
        return source_class.open(what, seed)


def find_source(
    what: str | None, source: str | None = None, fields: tuple[str, str] = ("what", "source")
) -> tuple[type[LayoutSource], str]:
    """The class of a source and what it opens; arguments as for `open_source`."""
    for given, field in zip((what, source), fields, strict=True):
        if given is not None and not (isinstance(given, str) and given.strip()):
            raise InputError(f"expected a scenario, a file, a folder or an address, got {shown(given)}", field=field)
    if source is None:
        if what is None:
            raise InputError("expected a scenario, a file, a folder or an address", field=fields[0])
        return _source_of(what, fields[0]), what
    if source in _table("source"):
        if what is None:
            raise InputError(f"expected what the source {source!r} is to open", field=fields[0])
        return load_plugin("source", source, fields[1]), what
    path = Path(source)
    address = _SCHEME.match(source) or path.suffix or os.path.exists(path) or source in scenario_names()
    if what is not None or not address:
        return load_plugin("source", source, fields[1]), source  # raises: no source has this name
    return _source_of(source, fields[1]), source


def _source_of(address: str, field: str) -> type[LayoutSource]:
    """The class of the source that opens an address."""
    scheme, path = _SCHEME.match(address), Path(address)
    if scheme is None and not path.suffix and (not is_folder(path) or address in scenario_names()):
        return load_plugin("source", "scenario")
    classes, broken = [], []
    for name in plugin_names("source"):
        try:
            classes.append(load_plugin("source", name))
        except InputError:
            broken.append(f"{name} (cannot be loaded)")
    if scheme is not None:
        kind = f"{scheme[1].lower()}://"
        found = [one for one in classes if scheme[1].lower() in getattr(one, "schemes", ())]
    else:
        kind = path.suffix.lower()
        found = [one for one in classes if kind and kind in getattr(one, "suffixes", ())]
        if not found and is_folder(path):
            kind = "folders"
            found = [one for one in classes if "/" in getattr(one, "suffixes", ())]
    if len(found) == 1:
        return found[0]
    known = ", ".join([*map(_opened_by, classes), *broken])
    if found:
        several = " and ".join(one.name for one in found)
        raise InputError(f"{several} both open {kind}; say which by `source`; installed: {known}", field=field)
    raise InputError(f"no source opens {kind}, got {shown(address)}; installed: {known}", field=field)


def _opened_by(source: type[LayoutSource]) -> str:
    """A source's name and what it opens, for error messages."""
    schemes = [f"{scheme}://" for scheme in getattr(source, "schemes", ())]
    kinds = [*schemes, *("folders" if suffix == "/" else suffix for suffix in getattr(source, "suffixes", ()))]
    return f"{source.name} ({', '.join(kinds)})" if kinds else source.name
