"""`filled`: an HTML page in one file, of a template, styles, scripts and data.

The data is JSON in which no `<` stands, and the page's policy lets no script run but its own: a text in it cannot
become code.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

__all__ = ["filled", "text_of"]


def text_of(package: str, *names: str) -> list[str]:
    """Texts of files that lie beside a package's modules."""
    return [(files(package) / name).read_text(encoding="utf-8") for name in names]


def filled(template: str, styles: Sequence[str], scripts: Sequence[str], data: dict[str, Any]) -> bytes:
    """A page with everything in it, and a policy that names style and script by their hashes.

    Args:
        template: HTML with {{STYLE}}, {{STYLE_HASH}}, {{SCRIPT}}, {{SCRIPT_HASH}} and, once, {{DATA}}.
        styles, scripts: texts, in order.
        data: what JSON can hold; no NaN and no infinity.
    """
    style, script = ("\n" + "\n".join(parts) for parts in (styles, scripts))
    sources = {"STYLE_HASH": _hash(style), "SCRIPT_HASH": _hash(script), "STYLE": style, "SCRIPT": script}
    for name, value in sources.items():
        template = template.replace(f"{{{{{name}}}}}", value)
    begin, end = template.split("{{DATA}}")  # last, and once: what it holds is not searched
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return (begin + text.replace("<", "\\u003c") + end).encode()


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
