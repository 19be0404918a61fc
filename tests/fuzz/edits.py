"""Edits of a tree of mappings, lists and scalars, and of bytes: what is drawn, Hypothesis can repeat and shrink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.nasty import BYTES, NUMBERS, WHOLE, WORDS

__all__ = ["Draw", "Source", "edited_bytes", "edited_text", "edited_tree", "number_text", "numbers", "words"]

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Source:
    """Text that is put into a file as it is."""

    text: str


numbers = st.one_of(
    st.sampled_from(NUMBERS), st.integers(-10, 300), st.integers(), st.floats(), st.floats(-1000, 1000, width=16)
)
words = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
scalars = st.one_of(
    numbers,
    words,
    st.sampled_from((None, True, False, [], {}, [[]], [0], [None], {"a": 1}, {"": {}}, [1] * 1000, [[0, 0]] * 50)),
)


def edited_tree(draw: Draw, root: Any, sources: Sequence[str]) -> Any:
    """A copy of a tree with one to four edits.

    Args:
        draw: draws from a strategy.
        root: the tree.
        sources: texts that the tree's format may hold and a tree cannot.
    """
    box = [deepcopy(root)]
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        slots = _slots(box)
        holder, key = slots[draw(st.integers(0, len(slots) - 1))]
        _edit(draw, holder, key, [h[k] for h, k in slots], sources)
    return box[0]


def _slots(box: list[Any]) -> list[tuple[Any, Any]]:
    """Places of all values: what holds them, and key or index."""
    found: list[tuple[Any, Any]] = []
    left: list[Any] = [box]
    while left:
        holder = left.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                left.append(holder[key])
        if len(found) > 2000:
            break
    return found


def _edit(draw: Draw, holder: Any, key: Any, values: list[Any], sources: Sequence[str]) -> None:
    value = holder[key]
    match draw(st.sampled_from(_TREE_EDITS)):
        case "like" if _likes(value) is not None:
            holder[key] = deepcopy(draw(_likes(value)))
        case "like" | "graft":  # of a kind that is found elsewhere
            others = [other for other in values if type(other) is type(value)] or values
            holder[key] = deepcopy(others[draw(st.integers(0, len(others) - 1))])
        case "drop":
            del holder[key]
            if not holder and key == 0:
                holder.append(None)  # of a whole document, nothing is left
        case "twin" if isinstance(holder, list):
            holder[key:key] = [deepcopy(value) for _ in range(draw(st.sampled_from((1, 1, 2, 300))))]
        case "twin" | "rename":
            if isinstance(holder, dict):
                holder[draw(words)] = deepcopy(value)
        case "wrap":
            holder[key] = draw(st.sampled_from(([value], {"a": value}, [value, value], {str(key): value})))
        case "source" if sources:
            holder[key] = Source(draw(st.sampled_from(sources)))
        case _:
            holder[key] = deepcopy(draw(scalars))


_TREE_EDITS = (
    "like", "like", "like", "like", "like", "graft", "graft", "other", "other", "drop", "drop", "twin", "rename",
    "wrap", "source",
)  # fmt: skip


def _likes(value: Any) -> st.SearchStrategy[Any] | None:
    """Values of the same kind; None for a text or a mapping, whose like is one from elsewhere."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int | float):
        scaled = st.sampled_from((-1, 0, 2, 0.5, 1.0, 1e3, 1e6, 1e12, 1e-3, 1e-12, 10**20)).map(lambda k: value * k)
        return st.one_of(scaled, numbers)
    if isinstance(value, list) and value:
        parts = (value[1:], value[:-1], value[::-1], value + value, [value[0]] * len(value), value * 100)
        return st.sampled_from(range(len(parts))).map(parts.__getitem__)
    return None


def edited_bytes(draw: Draw, body: bytes) -> bytes:
    """One to three edits that know nothing of the format."""
    for _ in range(draw(st.integers(1, 3))):
        at, to = sorted(draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        match draw(st.sampled_from(("cut", "end", "flip", "put", "twin", "swap", "all"))):
            case "cut":
                body = body[:at] + body[min(to, at + 64) :]
            case "end":
                body = body[:at]
            case "flip" if at < len(body):
                body = body[:at] + bytes([body[at] ^ 1 << draw(st.integers(0, 7))]) + body[at + 1 :]
            case "put":
                body = body[:at] + draw(st.binary(max_size=16)) + body[at:]
            case "twin":
                body = body[:to] + body[at : min(to, at + 4096)] + body[to:]
            case "swap":
                body = body[:at] + draw(st.sampled_from(BYTES)) + body[min(to, at + 8) :]
            case "all":
                body = draw(st.sampled_from((*WHOLE, body.decode("latin-1").encode("utf-16"))))
    return body


def edited_text(draw: Draw, text: str) -> str:
    """Edits of the words, numbers and signs of a text."""
    parts = _parts(text)
    for _ in range(draw(st.sampled_from((1, 1, 2, 4)))):
        at = draw(st.integers(0, len(parts) - 1)) if parts else 0
        match draw(st.sampled_from(("replace", "number", "drop", "twin", "put", "graft"))):
            case "drop" if parts:
                del parts[at]
            case "twin" if parts:
                parts[at:at] = parts[at : at + draw(st.integers(1, 12))]
            case "put":
                parts.insert(at, draw(words))
            case "graft" if parts:
                parts[at] = parts[draw(st.integers(0, len(parts) - 1))]
            case "number" if parts:
                parts[at] = draw(numbers.map(number_text))
            case _:
                parts[at : at + 1] = [draw(words)]
    return "".join(parts)


def number_text(number: float) -> str:
    return f"{number:#x}" if isinstance(number, int) and abs(number) > 1e99 else str(number)


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    for c in text:
        if parts and (parts[-1][-1].isalnum() or parts[-1][-1] in ".+-") and (c.isalnum() or c in ".+-"):
            parts[-1] += c
        else:
            parts.append(c)
    return parts
