"""Options of engines: one grammar for command line, Python, environments and ROS 2 node.

    NAME                       the engine with its defaults
    NAME:VALUE                 sets the first option
    NAME:VALUE,KEY=VALUE       sets the first option, and others by name
    NAME:KEY=VALUE,KEY=VALUE   sets options by name

Values may contain `:`, `/` and `=`, but no comma; `KEY=` is an empty text, or None where that is possible. An engine
declares its options as a frozen dataclass `Options`, which is a class attribute. Each field is an option with a
default; its type is str, int, float, bool, Path, `Literal[...]`, or one of these or None. The engine's constructor
takes an instance as the keyword argument `options`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from uniscene_sim.engine_support.others_code import others_code
from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.limits.numbers import real_number, whole_number

__all__ = ["named_option", "option_text", "parse_options", "split"]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BOOL = {"true": True, "false": False}
_KINDS = (str, int, float, bool, Path)


def split(text: str) -> tuple[str, str | None]:
    """An engine's name and the text of its options, None if there is none."""
    name, colon, rest = text.partition(":")
    return name, rest if colon else None


def parse_options(engine: Any, text: str | None, field: str) -> Any:
    """The options of an engine.

    Args:
        engine: class of the engine.
        text: what follows the name and the colon, None if nothing does.
        field: name of the input in error messages, for example "camera".

    Returns:
        An instance of `engine.Options`; None for an engine without options.

    Raises:
        InputError: an unknown or repeated option, an invalid value, options for an engine without any, or `Options`
            that are not as they should be.
    """
    declared = getattr(engine, "Options", None)
    if declared is None:
        if text is None:
            return None
        raise InputError(f"{engine.name} takes no options, got {shown(text)}", field=field)
    kinds = _kinds(engine, declared, field)
    names = list(kinds)
    given: dict[str, Any] = {}
    for k, piece in enumerate([] if text is None else text.split(",")):
        key, equals, value = piece.partition("=")
        if not (equals and _KEY.fullmatch(key)):
            if k or not piece:
                raise InputError(f"{engine.name}: expected option=value, got {shown(piece)}", field=field)
            key, value = names[0], piece
        if key not in names:
            hint = did_you_mean(key, names)
            raise InputError(
                f"{engine.name} has no option {shown(key)}{hint}; expected {', '.join(names)}", field=field
            )
        if key in given:
            raise InputError(f"{engine.name}: option {key!r} is given twice", field=field)
        given[key] = _value(kinds[key], value, f"{engine.name}: option {key!r}", field)
    try:
        with others_code(f"{engine.name}: its options {shown(text or '')} cannot be used", field):
            return declared(**given)
    except InputError as error:
        raise error if error.field == field else InputError(f"{engine.name}: {error}", field=field) from error


@contextmanager
def named_option(name: str) -> Iterator[None]:
    """Has errors say which option they are about, for engines that load what an option names.

    Raises:
        InputError: what was raised inside, with the option in front.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"option {name!r}: {error}") from error


def option_text(options: Any) -> str:
    """The options that differ from the defaults, in order: `key=value,key=value`."""
    default = type(options)()
    changed = [f.name for f in fields(options) if getattr(options, f.name) != getattr(default, f.name)]
    values = {name: getattr(options, name) for name in changed}
    return ",".join(f"{name}={'' if value is None else value}" for name, value in values.items())


def _kinds(engine: Any, declared: Any, field: str) -> dict[str, Any]:
    """Types of the options by name, as the engine declares them."""
    what = f"{engine.name}: its Options"
    with others_code(f"{what} cannot be used", field):
        if not (isinstance(declared, type) and is_dataclass(declared)):
            raise InputError(f"{what} must be a dataclass, is {shown(declared)}", field=field)
        hints = get_type_hints(declared)
        options = [f for f in fields(declared) if f.init]
        if not options:
            raise InputError(f"{what} must have a field for each option, has none", field=field)
        for option in options:
            if option.default is MISSING and option.default_factory is MISSING:
                raise InputError(f"{what} must have defaults, {option.name!r} has none", field=field)
            kind = hints[option.name]
            if _plain(kind) not in _KINDS and get_origin(_plain(kind)) is not Literal:
                raise InputError(f"{what} must be of type str, int, float, bool, Path or Literal, or one of these or "
                                 f"None; {option.name!r} is of type {shown(kind)}", field=field)  # fmt: skip
        return {option.name: hints[option.name] for option in options}


def _plain(kind: Any) -> Any:
    """A type without None; None if it is several."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    several = [one for one in get_args(kind) if one is not NoneType]
    return several[0] if len(several) == 1 else None


def _value(kind: Any, text: str, what: str, field: str) -> Any:
    """Parse a value of a type."""
    may_be_none, kind = kind != (plain := _plain(kind)), plain
    if not text and may_be_none:
        return None
    if get_origin(kind) is Literal:
        choices = {str(choice): choice for choice in get_args(kind)}
        if text not in choices:
            raise InputError(f"{what}: expected one of {', '.join(choices)}, got {shown(text)}", field=field)
        return choices[text]
    if kind is bool:
        if text not in _BOOL:
            raise InputError(f"{what}: expected true or false, got {shown(text)}", field=field)
        return _BOOL[text]
    if kind in (int, float):
        try:
            return whole_number(text) if kind is int else real_number(text)
        except ValueError as error:
            raise InputError(f"{what}: {error}", field=field) from None
    if kind is Path and not text:
        raise InputError(f"{what}: expected a path, got none", field=field)
    return Path(text) if kind is Path else text
