"""Edits of YAML, JSON, XML and plain words."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import yaml
from hypothesis import strategies as st
from lxml import etree

from tests.fuzz.edits import Draw, Source, edited_text, edited_tree, number_text, numbers, words
from tests.fuzz.nasty import JSON, XML, XML_HEADS, YAML, YAML_BOMB

__all__ = ["edited_json", "edited_words", "edited_xml", "edited_yaml"]

_SLOT = re.compile(r"""['"]?SOURCE_(\d+)_['"]?""")


def edited_words(draw: Draw, body: bytes) -> bytes:
    return edited_text(draw, body.decode()).encode("utf-8", "surrogatepass")


def edited_yaml(draw: Draw, body: bytes) -> bytes:
    found: list[str] = []
    tree = _marked(edited_tree(draw, _parsed(body), (*YAML, YAML_BOMB)), found)
    flow = draw(st.sampled_from((None, True)))
    text = yaml.dump(tree, Dumper=yaml.CSafeDumper, default_flow_style=flow, sort_keys=False, width=10**6)
    return _filled(text, found)


@lru_cache(64)
def _parsed(body: bytes) -> Any:
    return yaml.load(body, yaml.CSafeLoader)


def edited_json(draw: Draw, body: bytes) -> bytes:
    found: list[str] = []
    tree = _marked(edited_tree(draw, json.loads(body), JSON), found)
    return _filled(json.dumps(tree), found)


def _marked(tree: Any, found: list[str]) -> Any:
    """The tree with a word in place of each text that is to stand in the file as it is."""
    if isinstance(tree, Source):
        found.append(tree.text)
        return f"SOURCE_{len(found) - 1}_"
    if isinstance(tree, dict):
        return {key: _marked(value, found) for key, value in tree.items()}
    return [_marked(value, found) for value in tree] if isinstance(tree, list) else tree


def _filled(text: str, found: list[str]) -> bytes:
    return _SLOT.sub(lambda m: found[int(m[1])], text).encode("utf-8", "surrogatepass")


def edited_xml(draw: Draw, body: bytes) -> bytes:
    root = etree.fromstring(body)
    sources: list[str] = []
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        nodes = list(root.iter(etree.Element))
        node = nodes[draw(st.integers(0, len(nodes) - 1))]
        parent, names = node.getparent(), sorted(node.attrib)
        match draw(st.sampled_from(("set", "set", "set", "unset", "drop", "twin", "move", "text", "tag", "source"))):
            case "set" if names:
                others = st.sampled_from(names).map(node.attrib.__getitem__)
                node.set(draw(st.sampled_from(names)), draw(st.one_of(numbers.map(number_text), words, others)))
            case "unset" if names:
                del node.attrib[draw(st.sampled_from(names))]
            case "drop" if parent is not None:
                parent.remove(node)
            case "twin" if parent is not None:
                for _ in range(draw(st.sampled_from((1, 1, 300)))):
                    node.addnext(etree.fromstring(etree.tostring(node)))
            case "move":
                other = nodes[draw(st.integers(0, len(nodes) - 1))]
                other.append(etree.fromstring(etree.tostring(node)))
            case "tag":
                node.tag = nodes[draw(st.integers(0, len(nodes) - 1))].tag
            case "source":
                sources.append(draw(st.sampled_from(XML)))
                node.text = f"SOURCE_{len(sources) - 1}_"
            case _:
                node.text = draw(words)
    head = draw(st.sampled_from(XML_HEADS)) if draw(st.integers(0, 19)) == 0 else ""
    return head.encode() + _filled(etree.tostring(root, encoding="unicode"), sources)
