"""Options of engines: one grammar for command line, Python, environments and ROS 2 node.

    NAME                       the engine with its defaults
    NAME:VALUE                 sets the first option
    NAME:VALUE,KEY=VALUE       sets the first option, and others by name
    NAME:KEY=VALUE,KEY=VALUE   sets options by name

Values may contain `:`, `/` and `=`, but no comma. An engine declares its options as a frozen dataclass `Options`, which
is a class attribute. Each field is an option with a default; its type is str, int, float, bool, Path, `Literal[...]`,
or one of these or None. The engine's constructor takes an instance as the keyword argument `options`.
"""

from __future__ import annotations

import re
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from uniscene_sim.errors import InputError

__all__ = ["option_text", "parse_options", "split"]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOOL = {"true": True, "false": False}


def split(text: str) -> tuple[str, str | None]:
    """An engine's name and the text of its options, None if there is none."""
    name, colon, rest = text.partition(":")
    return name, rest if colon else None


def parse_options(engine: Any, text: str | None, field: str) -> Any:
    """The options of an engine.

    Args:
        engine: class of the engine.
        text: what follows the name and the colon, None if nothing does.
        field: name of the input in error messages, for example "--camera".

    Returns:
        An instance of `engine.Options`; None for an engine without options.

    Raises:
        InputError: an unknown or repeated option, an invalid value, or options for an engine without any.
    """
    declared = getattr(engine, "Options", None)
    if declared is None:
        if text is None:
            return None
        raise InputError(f"{engine.name} takes no options, got {text!r}", field=field)
    kinds = get_type_hints(declared)
    names = [f.name for f in fields(declared)]
    given: dict[str, Any] = {}
    for k, piece in enumerate([] if text is None else text.split(",")):
        key, equals, value = piece.partition("=")
        if not (equals and _KEY.fullmatch(key)):
            if k or not piece:
                raise InputError(f"{engine.name}: expected option=value, got {piece!r}", field=field)
            key, value = names[0], piece
        if key not in names:
            close = get_close_matches(key, names, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise InputError(f"{engine.name} has no option {key!r}{hint}; expected {', '.join(names)}", field=field)
        if key in given:
            raise InputError(f"{engine.name}: option {key!r} is given twice", field=field)
        given[key] = _value(kinds[key], value, f"{engine.name}: option {key!r}", field)
    try:
        return declared(**given)
    except InputError as error:
        raise InputError(f"{engine.name}: {error}", field=field) from error


def option_text(options: Any) -> str:
    """The options that differ from the defaults, in order: `key=value,key=value`."""
    default = type(options)()
    changed = [f.name for f in fields(options) if getattr(options, f.name) != getattr(default, f.name)]
    return ",".join(f"{name}={getattr(options, name)}" for name in changed)


def _value(kind: Any, text: str, what: str, field: str) -> Any:
    """Parse a value of a type."""
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is Literal:
        choices = {str(choice): choice for choice in get_args(kind)}
        if text not in choices:
            raise InputError(f"{what}: expected one of {', '.join(choices)}, got {text!r}", field=field)
        return choices[text]
    if kind is bool:
        if text not in _BOOL:
            raise InputError(f"{what}: expected true or false, got {text!r}", field=field)
        return _BOOL[text]
    if not text:
        raise InputError(f"{what}: expected a value, got none", field=field)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            expected = "a whole number" if kind is int else "a number"
            raise InputError(f"{what}: expected {expected}, got {text!r}", field=field) from None
    return Path(text) if kind is Path else text
