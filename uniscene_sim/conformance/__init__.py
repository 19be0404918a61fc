"""`uniscene-sim check`: whether a source, an engine or a sink keeps the rules of its interface, and what is wrong.

The rules are said in `uniscene_sim.interfaces`; here they are tests, one file for each kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from uniscene_sim import plugins
from uniscene_sim.conformance.rules import Rules, RuleViolation
from uniscene_sim.conformance.sensors import sensor_rules, street_digests
from uniscene_sim.conformance.sinks import sink_rules
from uniscene_sim.conformance.sources import drive_digest, source_rules
from uniscene_sim.conformance.tiles import tile_digests, tile_rules
from uniscene_sim.conformance.windows import digests_of_windows, window_rules
from uniscene_sim.errors import InputError

__all__ = ["Finding", "check", "fingerprint"]


@dataclass(frozen=True)
class Finding:
    """Whether one rule is kept; `detail` says what was expected and what was seen where it is not."""

    rule: str
    good: bool
    detail: str = ""


def check(slot: str, name: str, on: str = "cut_in") -> Iterator[Finding]:
    """Findings, one a rule, as they are made.

    Args:
        slot: one of `plugins.SLOTS`.
        name: as installed, with options or not; or `module:attribute` of one under development, where nothing is
            installed under the name before the colon.
        on: what a source opens.

    Raises:
        InputError: no such thing, or one that cannot be constructed.
    """
    for rule, test in _rules(slot, name, on):
        try:
            test()
        except RuleViolation as broken:
            yield Finding(rule, False, str(broken))
        except Exception as error:
            yield Finding(rule, False, f"raised {type(error).__name__}: {error}")
        else:
            yield Finding(rule, True)


def fingerprint(slot: str, name: str, on: str) -> str:
    """What is held against a new process."""
    made = _class_of(slot, name)
    if slot == "source":
        return drive_digest(made, on)
    if slot == "window":
        return digests_of_windows(made)
    return tile_digests(made) if slot == "occupancy" else street_digests(slot, made)


def _rules(slot: str, name: str, on: str) -> Rules:
    made = _class_of(slot, name)
    if slot == "source":
        return source_rules(made, name, on)
    if slot == "occupancy":
        return tile_rules(made, name)
    if slot == "window":
        return window_rules(made, name)
    return sink_rules(made) if slot == "sink" else sensor_rules(slot, made, name)


def _class_of(slot: str, name: str) -> Any:
    if ":" not in name or plugins.installed(slot, name):
        return plugins.load_plugin(slot, name, "NAME")
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        raise InputError(f"{name!r} cannot be loaded: {error}", field="NAME") from error
