"""Rules of sources, tested with the first two seconds of what they open."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from uniscene_sim.conformance.rules import (
    Rules,
    fingerprint_in_new_process,
    hash_layouts,
    refused_with_input_error,
    require,
    require_array,
)
from uniscene_sim.control import Control
from uniscene_sim.engine_support.source_steps import step_us_of
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.layout import AGENT_DTYPE, PHYSICS_US, LayoutFrame
from uniscene_sim.outcome import Outcome, Status

__all__ = ["drive_digest", "source_rules"]

_TICK_US = 100_000  # or a little more, if the source steps otherwise
_TICKS = 20
_STATUS = ", ".join(Status)
_MAP_ATTRIBUTES = ("ref", "bounds", "surface", "frontages", "rasterise")


def source_rules(source: Any, name: str, on: str) -> Rules:
    """Rules of a source that opens `on`."""

    def attributes() -> None:
        require(isinstance(getattr(source, "name", None), str), "name must be a string")
        one = source.open(on)
        require(isinstance(one.open_loop, bool), f"open_loop must be True or False, is {one.open_loop!r}")
        require(isinstance(one.title, str) and bool(one.title), f"title must be a string, is {one.title!r}")
        require(isinstance(one.seed, int), f"seed must be an integer, is {one.seed!r}")
        require(one.duration_s > 0, f"duration_s must be above 0, is {one.duration_s!r}")
        for attribute in _MAP_ATTRIBUTES:
            require(hasattr(one.map, attribute), f"map must be a StaticMap, lacks {attribute}")
        route = one.route_path
        require_array("route_path", route, np.float64, (len(route), 3))

    def seeded() -> None:
        require(source.open(on, 12345).seed == 12345, "open() with a seed must take that seed")

    def layouts() -> None:
        one = source.open(on)
        frames = [one.reset()]
        _check_layout(frames[0], one)
        for _ in range(_TICKS):
            more = one.step(one.driver_control(), tick_us := step_us_of(one, _TICK_US))
            expected = tick_us // PHYSICS_US
            require(len(more) == expected, f"a step of {tick_us} us must give {expected} layouts, gave {len(more)}")
            for frame in more:
                _check_layout(frame, one)
            frames += more
        steps = set(np.diff([f.stamp_us for f in frames]).tolist())
        require(steps == {PHYSICS_US}, f"layouts must come every {PHYSICS_US} us, come {sorted(steps)} apart")
        require(isinstance(one.outcome, Outcome), f"outcome must be an Outcome, is a {type(one.outcome).__name__}")
        require(one.outcome.status in tuple(Status), f"status must be one of {_STATUS}, is {one.outcome.status!r}")
        require(isinstance(one.done, bool), f"done must be True or False, is {one.done!r}")

    def repeats() -> None:
        one = source.open(on)
        first, again, other = _drive(one), _drive(one), _drive(source.open(on))
        require(first == again, "the same controls gave other layouts after a reset")
        require(first == other, "the same controls gave other layouts in a new source")

    def kept() -> None:
        one = source.open(on)
        frames = [one.reset()]
        before = hash_layouts(frames)
        for _ in range(_TICKS):
            one.step(one.driver_control(), step_us_of(one, _TICK_US))
        require(hash_layouts(frames) == before, "a layout changed after it was handed out")

    def new_process() -> None:
        there = fingerprint_in_new_process("source", name, on)
        require(there == drive_digest(source, on), "a new process gave other layouts")

    def controls() -> None:
        ends = []
        for accel in (-5.0, 2.0):
            one = source.open(on)
            one.reset()
            for _ in range(_TICKS):
                frame = one.step(Control(0.0, accel), step_us_of(one, _TICK_US))[-1]
            ends.append((frame.ego_pose.x, frame.ego_pose.y))
        apart = float(np.linalg.norm(np.subtract(ends[1], ends[0])))
        if one.open_loop:
            require(apart == 0.0, f"open_loop is True, but the control moves the ego by {apart:.1f} m")
        else:
            require(apart > 0.5, f"2 s of braking or of speeding up differ by {apart:.2f} m, expected over 0.5 m")

    def errors() -> None:
        refused = refused_with_input_error("what does not exist", lambda: source.open("no such thing as this"))
        require(refused, "open() of what does not exist must raise InputError")
        one = source.open(on)
        one.reset()
        for dt_us in (0, -PHYSICS_US, 12_345):
            refused = refused_with_input_error(f"a step of {dt_us} us", partial(one.step, Control(), dt_us))
            require(refused, f"a step of {dt_us} us must raise InputError")
        if not _is_live(source):
            require(_drive(one) == _drive(source.open(on)), "after an error the source goes on in another way")
        tick_us = step_us_of(one, _TICK_US)
        require(len(one.step(Control(), tick_us)) == tick_us // PHYSICS_US, "after an error the source must go on")

    rules: Rules = [
        ("declares its attributes", attributes), ("takes a seed", seeded), ("layouts every 10 ms", layouts),
        ("what is handed out stays", kept), ("controls move the ego", controls), ("errors", errors),
    ]  # fmt: skip
    if not _is_live(source):
        rules[3:3] = [("repeats", repeats), ("repeats in a new process", new_process)]
    return rules


def _is_live(source: Any) -> bool:
    """Whether it opens worlds that go on by themselves and need not repeat."""
    return bool(getattr(source, "live", False))


def drive_digest(source: Any, on: str) -> str:
    """Digest of the layouts, to be compared with that of a new process."""
    return _drive(source.open(on))


def _drive(one: LayoutSource) -> str:
    frames = [one.reset()]
    for _ in range(_TICKS):
        frames += one.step(one.driver_control(), step_us_of(one, _TICK_US))
    return hash_layouts(frames)


def _check_layout(frame: Any, one: LayoutSource) -> None:
    require(isinstance(frame, LayoutFrame), f"layouts must be LayoutFrame, are {type(frame).__name__}")
    require(frame.map_ref == one.map.ref, f"map_ref must be the map's, {one.map.ref[:8]}, is {frame.map_ref[:8]}")
    require(frame.seed == one.seed, f"seed must be {one.seed}, is {frame.seed}")
    require_array("agents", frame.agents, AGENT_DTYPE, (len(frame.agents),))
    require_array("signals", frame.signals, np.uint8, (len(one.map.signals),))
    require_array("route", frame.route, np.float64, (len(frame.route), 3))
    require_array("ego_velocity", frame.ego_velocity, np.float64, (3,))
    ids = frame.agents["id"]
    require(len(np.unique(ids)) == len(ids), "ids of agents must differ")
    require(not (ids == 0).any(), "the id 0 is nobody's")
    for field in ("pos", "rpy", "size", "vel"):
        require(bool(np.isfinite(frame.agents[field]).all()), f"agents' {field} must be finite")
    require(bool((frame.agents["size"] > 0).all()), "agents' size must be above 0")
