"""XML files of maps, plain or packed by gzip, parsed with care: bounded in size, entities refused."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.storage.input_file import MIB, read_input

__all__ = ["unpacked", "xml_root"]


def xml_root(path: str | Path, most: int, what: str, tag: str | None) -> Any:
    """The root of an XML file, without namespaces.

    Args:
        path: the file; `.gz` is unpacked.
        most: bound of its size in bytes, packed and unpacked.
        what: what is expected, for the message.
        tag: of the root; None where any may be.

    Raises:
        InputError: it cannot be read, is larger, no XML, defines entities, or has another root.
    """
    from lxml import etree

    body = read_input(path, most, what)
    if str(path).lower().endswith(".gz"):
        body = unpacked(body, path, most, what)
    try:
        # Without `huge_tree`, which lifts the bounds of depth and of what entities may grow to.
        root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise InputError(f"expected {what}: {error.msg}", file=path, line=error.lineno) from None
    rules = root.getroottree().docinfo.internalDTD
    if rules is not None and any(rules.iterentities()):
        raise InputError(f"defines entities, expected {what}", file=path, field="DOCTYPE")
    if tag is not None and root.tag != tag:
        raise InputError(f"expected <{tag}> at the root, got <{root.tag}>", file=path)
    return root


def unpacked(body: bytes, path: str | Path, most: int, what: str) -> bytes:
    """What gzip packed, at most `most` bytes; InputError if it is damaged or more."""
    try:
        with gzip.open(BytesIO(body)) as stream:
            text = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be unpacked ({error}), expected {what}", file=path) from None
    if len(text) > most:
        raise InputError(f"unpacks to more than {most / MIB:.0f} MiB, expected {what}", file=path)
    return text
