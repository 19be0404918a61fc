"""Frozen dataclasses as messages with fields of the same names, and back.

A field that an old message lacks has the dataclass's default; one that only newer writers know is passed over. So both
sides may be of any age, as long as field numbers keep their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from uniscene_sim.errors import InputError

__all__ = ["fill", "parse", "values_of"]

M = TypeVar("M", bound=Message)


def fill(message: M, value: Any) -> M:
    """Set the fields of a message that a dataclass has too; nested dataclasses, and tuples of them, likewise."""
    for name in message.DESCRIPTOR.fields_by_name:
        if not hasattr(value, name):
            continue
        given = getattr(value, name)
        if isinstance(given, tuple | list):
            column = getattr(message, name)
            if given and hasattr(given[0], "__dataclass_fields__"):
                for one in given:
                    fill(column.add(), one)
            else:
                column.extend(given)
        elif hasattr(given, "__dataclass_fields__"):
            getattr(message, name).SetInParent()
            fill(getattr(message, name), given)
        elif given is not None:
            setattr(message, name, given)
    return message


def values_of(message: Message, kind: type, nested: Mapping[str, type] = {}) -> dict[str, Any]:
    """Arguments for a dataclass from a message's fields; what the message lacks is left out.

    Args:
        message: with fields of the dataclass's names.
        kind: the dataclass.
        nested: dataclasses of fields that are messages, or tuples of messages.
    """
    known = message.DESCRIPTOR.fields_by_name
    values: dict[str, Any] = {}
    for field in fields(kind):
        name, described = field.name, known.get(field.name)
        if described is None:
            continue
        given = getattr(message, name)
        if described.is_repeated:
            values[name] = tuple(nested[name](**values_of(m, nested[name])) if name in nested else m for m in given)
        elif described.has_presence and not message.HasField(name):
            continue
        else:
            values[name] = nested[name](**values_of(given, nested[name])) if name in nested else given
    return values


def parse(kind: type[M], data: bytes, what: str) -> M:
    """The message of given bytes.

    Args:
        kind: its type.
        data: its bytes.
        what: where they come from, for the error message.

    Raises:
        InputError: they are no such message.
    """
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InputError(f"damaged, expected a message {kind.DESCRIPTOR.full_name}", field=what) from None
    return message
