"""Values of XML attributes, and the text of an XML file."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError

__all__ = ["finite_number", "whole_number", "xml_text"]

_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding=["']([A-Za-z0-9._-]+)["']""")


def finite_number(node: Any, name: str, default: float | None = None) -> float:
    """A finite number; InputError if it is none, or missing without a default.

    Args:
        node: an element.
        name: of its attribute.
        default: its value where it is missing.
    """
    text = node.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float("" if text is None or "_" in text else text)  # Python reads 1_0 as 10
    except ValueError:
        raise InputError(f"<{node.tag}> needs a number, got {text!r}", line=node.sourceline, field=name) from None
    if not np.isfinite(value):
        raise InputError(f"<{node.tag}> must be finite, got {text!r}", line=node.sourceline, field=name)
    return value


def whole_number(node: Any, name: str, default: int | None = None) -> int:
    """A whole number, or what is left of one with a fraction."""
    return int(finite_number(node, name, None if default is None else float(default)))


def xml_text(body: bytes) -> str:
    """The text of a file in the encoding that it declares; what does not fit is replaced."""
    declared = _ENCODING.match(body)
    try:
        return body.decode("utf-8-sig" if declared is None else declared[1].decode(), "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
