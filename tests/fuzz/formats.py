"""Edits of files by their format, which the ends of their names tell."""

from __future__ import annotations

from functools import partial

import yaml
from hypothesis import strategies as st
from lxml import etree

from tests.fuzz.array_formats import edited_npz, edited_png, edited_tensors
from tests.fuzz.case import DOOR, DOORS
from tests.fuzz.edits import Draw, edited_bytes
from tests.fuzz.text_formats import edited_json, edited_words, edited_xml, edited_yaml
from tests.fuzz.wire_formats import edited_mcap, edited_message

__all__ = ["edited_file"]

_EDITS = {
    "yaml": edited_yaml,
    "json": edited_json,
    "xodr": edited_xml,
    "osm": edited_xml,
    "xml": edited_xml,
    "npz": edited_npz,
    "safetensors": edited_tensors,
    "png": edited_png,
    "mcap": edited_mcap,
}
_MOST = 1 << 18  # bytes; what is larger takes its time for a reason
#: What edits of a format raise where they do not fit what is there: not what Hypothesis raises to end a draw.
_UNFIT = (ArithmeticError, LookupError, OSError, RecursionError, TypeError, ValueError, yaml.YAMLError, etree.LxmlError)


def edited_file(draw: Draw, name: str, body: bytes) -> bytes:
    """An edited copy of a file: mostly as its format would have it, at times as bytes, rarely no file at all."""
    kind = draw(st.integers(0, 39))
    if kind == 39 and name not in ("text", "values.json"):  # these hold words
        return DOOR + draw(st.sampled_from(DOORS)).encode()
    stem, _, suffix = name.rpartition(".")
    edit = _EDITS.get(suffix, edited_words) if suffix != "pb" else partial(edited_message, name=stem)
    if kind >= 35 and edit is not edited_words:
        return edited_bytes(draw, body)
    try:
        edited = edit(draw, body=body)
    except _UNFIT:
        edited = edited_bytes(draw, body)
    return edited if len(edited) <= max(_MOST, len(body)) else edited[:_MOST]
