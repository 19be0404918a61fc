"""Traffic lights, signs and stop lines of a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.elements import Lane, Signal, SignalProgram, StopLine
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.sumo.lanes import NetLanes
from uniscene_sim.maps.sumo.net import SumoNet

__all__ = ["NetControl", "control_of"]

_SIGNS = {"m": "yield", "s": "stop", "w": "stop"}
_BACK_M, _BESIDE_M = 0.5, 0.8  # stop line before the end of a lane; post beside it


@dataclass(frozen=True)
class NetControl:
    """What rules traffic."""

    stops: tuple[StopLine, ...]
    signals: tuple[Signal, ...]
    programs: tuple[SignalProgram, ...]


def control_of(net: SumoNet, made: NetLanes, losses: Losses) -> NetControl:
    """Lights by their programs, a signal for the lanes of an edge that are green together; signs by right of way."""
    stops: list[StopLine] = []
    signals: list[Signal] = []
    programs: list[SignalProgram] = []
    lights, signs = _ruled_lanes(net, made)
    for light, links in lights.items():
        if light not in net.programs:
            losses.add("left out, for they have no program", f"traffic light {light!r}")
            continue
        phases = net.programs[light]
        groups: dict[tuple[tuple[str, int], tuple[bool, ...]], list[int]] = {}
        for lane, indices in links.items():
            green = tuple(any(state[i : i + 1] in ("G", "g") for i in indices) for _, state in phases)
            groups.setdefault((made.lanes[lane].key[:2], green), []).append(lane)
        first = len(signals)
        for (_, _), lanes in groups.items():
            _place(made.lanes, lanes, "traffic_light", net.left_hand, stops, signals)
        program = _program(phases, [green for _, green in groups], first)
        if program is None:
            losses.add("left out, for no light of theirs is ever green", f"program {light!r}")
        else:
            programs.append(program)
    for (_, kind), lanes in signs.items():
        _place(made.lanes, lanes, kind, net.left_hand, stops, signals)
    return NetControl(tuple(stops), tuple(signals), tuple(programs))


def _ruled_lanes(
    net: SumoNet, made: NetLanes
) -> tuple[dict[str, dict[int, list[int]]], dict[tuple[str, str], list[int]]]:
    """Lanes and their links by light, and lanes of each edge that a sign rules, by edge and kind."""
    lights: dict[str, dict[int, list[int]]] = {}
    states: dict[int, set[str]] = {}
    for link in net.connections:
        lane = made.number.get(link.before, -1)
        if lane < 0 or made.lanes[lane].junction or made.lanes[lane].kind not in ("driving", "bus"):
            continue
        if link.light:
            lights.setdefault(link.light, {}).setdefault(lane, []).append(link.link)
        else:
            states.setdefault(lane, set()).add(link.state)
    signs: dict[tuple[str, str], list[int]] = {}
    for lane, state in states.items():
        if state <= set(_SIGNS):
            kind = "stop" if state & {"s", "w"} else "yield"
            signs.setdefault((made.lanes[lane].key[0], kind), []).append(lane)
    return lights, signs


def _place(lanes: tuple[Lane, ...], ruled: list[int], kind: str, left_hand: bool, stops: list[StopLine],
           signals: list[Signal]) -> None:  # fmt: skip
    """A signal beside the outermost of some lanes, and their stop lines."""
    outermost = lanes[min(ruled, key=lambda i: lanes[i].key[2])]
    number, yaw = len(signals), float(outermost.heading[-1])
    side = 1 if left_hand else -1
    foot = outermost.border(side)[-1] + side * _BESIDE_M * np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    signals.append(Signal(number, str(number), kind, foot, float(wrap_angle(yaw + np.pi)), tuple(ruled)))
    if kind == "yield":
        return
    for i in ruled:
        lane = lanes[i]
        at = max(lane.length - _BACK_M, 0.5 * lane.length)
        ends = np.array([[np.interp(at, lane.s, lane.border(side)[:, k]) for k in range(3)] for side in (1, -1)])
        stops.append(StopLine(ends, i, at, number if kind == "traffic_light" else -1))


def _program(phases: tuple[tuple[float, str], ...], greens: list[tuple[bool, ...]], first: int) -> SignalProgram | None:
    """The phases in which something is green, each as long as they are on average.

    Args:
        phases: duration, s, and state of each.
        greens: for each signal, whether it is green in each phase.
        first: index of the first signal.
    """
    made, lasts, yellows = list[tuple[int, ...]](), list[float](), list[float]()
    for k, (duration, state) in enumerate(phases):
        green = tuple(first + i for i, of in enumerate(greens) if of[k])
        if "y" in state.lower() or "u" in state:
            yellows.append(duration)
        elif green and (not made or made[-1] != green):
            made.append(green)
            lasts.append(duration)
        elif green:
            lasts[-1] += duration
    if not made:
        return None
    green_s, yellow_s = float(np.clip(np.mean(lasts), 1.0, 600.0)), float(np.mean(yellows)) if yellows else 3.0
    return SignalProgram(tuple(made), green_s, float(np.clip(yellow_s, 0.5, 20.0)))
