"""Edits as messages, and back."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from uniscene_sim.edit import EDIT_KINDS
from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import Edit
from uniscene_sim.scenario import AgentSpec, Spawn
from uniscene_sim.wire.by_name import fill, values_of
from uniscene_sim.wire.uniscene.v1.edit_pb2 import Edit as EditMessage

__all__ = ["edit_message", "edit_of"]

_NAMES = {kind: name for name, kind in EDIT_KINDS.items()}


def edit_message(edit: Edit) -> EditMessage:
    """An edit as a message; InputError if it is of no kind of `uniscene_sim.edit`."""
    name = _NAMES.get(type(edit))
    if name is None:
        raise InputError(f"expected one of {', '.join(EDIT_KINDS)}, got {shown(edit)}", field="Edit.kind")
    message = EditMessage()
    getattr(message, name).SetInParent()
    fill(getattr(message, name), edit)
    return message


def edit_of(message: EditMessage) -> Edit:
    """The edit of a message.

    Raises:
        InputError: it is of no kind that is known here, or one that its noun refuses.
    """
    name = message.WhichOneof("kind")
    if name is None:
        raise InputError(f"expected one of {', '.join(EDIT_KINDS)}, got none that is known", field="Edit.kind")
    try:
        return EDIT_KINDS[name](**_values(getattr(message, name), EDIT_KINDS[name]))
    except TypeError as error:
        raise InputError(f"lacks a field: {error}", field=f"Edit.{name}") from None
    except InputError as error:
        raise InputError(error.message, field=f"Edit.{name}.{error.field or ''}".rstrip(".")) from None


def _values(message: Message, kind: type) -> dict[str, Any]:
    """Arguments for a dataclass; vectors that are not sent have its defaults."""
    values = {name: value for name, value in values_of(message, kind).items() if value != ()}
    for name, noun in (("agent", AgentSpec), ("spawn", Spawn), ("to", Spawn), ("at", Spawn)):
        if isinstance(values.get(name), Message):
            values[name] = noun(**_values(values[name], noun))
    return values
