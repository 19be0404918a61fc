"""`uniscene-sim check`: tests whether a source, an engine or a sink follows the rules of its interface.

`uniscene_sim.interfaces` documents the rules; here they are tests, one file for each kind of plug-in.
"""

from __future__ import annotations

import warnings
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
from uniscene_sim.errors import InputError, InputWarning

__all__ = ["Finding", "check", "fingerprint"]


@dataclass(frozen=True)
class Finding:
    """Result of testing one rule; for a failure, `detail` gives what was expected and what was found."""

    rule: str
    passed: bool
    detail: str = ""


def check(slot: str, name: str, on: str = "cut_in") -> Iterator[Finding]:
    """Test the rules of a slot, one by one.

    Args:
        slot: one of `plugins.SLOTS`.
        name: installed name, with or without options; or `module:attribute` of a class under development, if the part
            before the colon is not an installed name.
        on: what a source opens.

    Raises:
        InputError: it does not exist or cannot be constructed.
    """
    for rule, test in _rules(slot, name, on):
        try:
            with warnings.catch_warnings():
                # An engine may leave out what a spec asks for, if it says so.
                warnings.simplefilter("ignore", InputWarning)
                test()
        except RuleViolation as violation:
            yield Finding(rule, False, str(violation))
        except Exception as error:
            yield Finding(rule, False, f"raised {type(error).__name__}: {error}")
        else:
            yield Finding(rule, True)


def fingerprint(slot: str, name: str, on: str) -> str:
    """Digest of a plug-in's output, to be compared with that of a new process."""
    plugin = _class_of(slot, name)
    if slot == "source":
        return drive_digest(plugin, on)
    if slot == "window":
        return digests_of_windows(plugin)
    return tile_digests(plugin) if slot == "occupancy" else street_digests(slot, plugin)


def _rules(slot: str, name: str, on: str) -> Rules:
    plugin = _class_of(slot, name)
    if slot == "source":
        return source_rules(plugin, name, on)
    if slot == "occupancy":
        return tile_rules(plugin, name)
    if slot == "window":
        return window_rules(plugin, name)
    return sink_rules(plugin) if slot == "sink" else sensor_rules(slot, plugin, name)


def _class_of(slot: str, name: str) -> Any:
    if ":" not in name or plugins.installed(slot, name):
        return plugins.load_plugin(slot, name, "NAME")
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        raise InputError(f"{name!r} cannot be loaded: {error}", field="NAME") from error
