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
from uniscene_sim.engine_support.options import parse_options
from uniscene_sim.engine_support.others_code import is_interrupt, others_code
from uniscene_sim.errors import InputError, InputWarning, said, shown
from uniscene_sim.world.scenario_source import ScenarioSource

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
        InputError: it does not exist or cannot be constructed, or a source does not open `on`.
    """
    plugin = _class_of(slot, name)
    _try(slot, plugin, on)
    for rule, test in _rules(slot, plugin, name, on):
        try:
            with warnings.catch_warnings():
                # An engine may leave out what a spec asks for, if it says so.
                warnings.simplefilter("ignore", InputWarning)
                test()
        except RuleViolation as violation:
            yield Finding(rule, False, str(violation))
        except BaseException as error:
            if is_interrupt(error):
                raise
            yield Finding(rule, False, f"raised {said(error)}")
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


def _try(slot: str, plugin: Any, on: str) -> None:
    """Construct a plug-in, so that what prevents it is told once and not by each rule."""
    if slot == "source":
        with others_code(f"source {plugin.name!r} cannot open {shown(on)}", "on"):
            try:
                plugin.open(on)
            except InputError as error:
                raise InputError(str(error), field="on") from error
    elif slot != "sink":
        world = ScenarioSource.open("cut_in")
        given = (world.map, world.seed) if slot in ("occupancy", "window") else ()
        plugins.construct(slot, plugin, *given, field="NAME")


def _rules(slot: str, plugin: Any, name: str, on: str) -> Rules:
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
    with others_code(f"{shown(name)} cannot be loaded", "NAME"):
        plugin = getattr(import_module(module), attribute)
    plugins.require_plugin(slot, plugin, name, "NAME")
    if slot in plugins.ENGINES:
        parse_options(plugin, None, "NAME")
    return plugin
