"""Traffic lights: their states as a function of time, and their signal heads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.layout import AGENT_DTYPE, Light, SignalState
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass

__all__ = [
    "HEAD_SIZE",
    "SignalPrograms",
    "StopLineState",
    "head_lights",
    "signal_heads",
    "signal_states",
    "signal_states_at",
    "stop_line_states_at",
]

HEAD_SIZE = (0.35, 0.35, 1.0)  # length, width, height, m
_HEAD_ABOVE_FOOT_M = 3.0
_OFF, _RED, _YELLOW, _GREEN = SignalState.OFF, SignalState.RED, SignalState.YELLOW, SignalState.GREEN
_LIGHTS = np.array([0, Light.RED, Light.YELLOW, Light.GREEN], dtype=np.uint8)


class StopLineState:
    """Kinds and states of a stop line: a stop sign, or the state of its light; a light that is off counts as green."""

    SIGN, RED, YELLOW, GREEN = 0, SignalState.RED, SignalState.YELLOW, SignalState.GREEN


class SignalPrograms(NamedTuple):
    """The programs of all signals as arrays; one row for each phase in which a signal is green."""

    signal: np.ndarray  # (M,) int64
    phase: np.ndarray  # (M,) int64
    phases: np.ndarray  # (M,) int64, number of phases of its program
    green_s: np.ndarray  # (M,) float64
    yellow_s: np.ndarray
    length_s: np.ndarray  # (M,) float64, of a phase
    signal_of_line: np.ndarray  # (L,) int64, signal that controls each stop line, -1: a stop sign
    signals: int  # number of signals, S

    @staticmethod
    @once_per_map
    def of(static_map: StaticMap) -> SignalPrograms:
        """The programs of a map."""
        rows = [
            (signal, phase, len(p.phases), p.green_s, p.yellow_s, p.green_s + p.yellow_s + p.all_red_s)
            for p in static_map.programs
            for phase, members in enumerate(p.phases)
            for signal in members
        ]
        columns = np.array(rows, dtype=float).reshape(-1, 6).T.copy()
        signal, phase, phases = columns[:3].astype(np.int64)
        green_s, yellow_s, length_s = columns[3:]
        of_line = np.array([line.signal for line in static_map.stop_lines], dtype=np.int64)
        return SignalPrograms(signal, phase, phases, green_s, yellow_s, length_s, of_line, len(static_map.signals))


def signal_states(static_map: StaticMap, time_s: float) -> np.ndarray:
    """SignalState uint8 (S,) of every signal at a time; lights without a program stay off."""
    states: np.ndarray = signal_states_at(SignalPrograms.of(static_map), time_s)
    return states


@njit(cache=True)
def signal_states_at(programs, time_s):
    """The same from `SignalPrograms`, for kernels."""
    states = np.zeros(programs.signals, np.uint8)
    for k in range(len(programs.signal)):
        signal, length = programs.signal[k], programs.length_s[k]
        into = time_s % (length * programs.phases[k])
        green = programs.phase[k] == int(into // length)
        into %= length
        if green and into < programs.green_s[k]:
            states[signal] = _GREEN
        elif green and into < programs.green_s[k] + programs.yellow_s[k]:
            states[signal] = _YELLOW
        elif states[signal] == _OFF:
            states[signal] = _RED
    return states


@njit(cache=True)
def stop_line_states_at(programs, signal_states):
    """StopLineState uint8 (L,) of every stop line, from SignalState uint8 (S,) of every signal."""
    out = np.zeros(len(programs.signal_of_line), np.uint8)  # StopLineState.SIGN
    for k in range(len(out)):
        signal = programs.signal_of_line[k]
        if signal >= 0:
            out[k] = _GREEN if signal_states[signal] == _OFF else signal_states[signal]
    return out


def signal_heads(vector_map: StaticMap) -> np.ndarray:
    """Heads of all traffic lights as (H,) AGENT_DTYPE at ids 1..H; `colour` is the signal's index."""
    signals = [s for s in vector_map.signals if s.kind == "traffic_light"]
    heads = np.zeros(len(signals), dtype=AGENT_DTYPE)
    for i, signal in enumerate(signals):
        ground = vector_map.surface_height(*(np.array([v]) for v in signal.position))[0]
        heads[i]["id"], heads[i]["cls"], heads[i]["colour"] = i + 1, AgentClass.SIGNAL_HEAD, signal.index
        heads[i]["pos"] = (*signal.position[:2], ground + _HEAD_ABOVE_FOOT_M)
        heads[i]["rpy"] = (0.0, 0.0, signal.yaw)
        heads[i]["size"] = HEAD_SIZE
    return heads


def head_lights(heads: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Light bits uint8 (H,) of the heads (H,) AGENT_DTYPE, from SignalState uint8 (S,)."""
    lights: np.ndarray = _LIGHTS[states[heads["colour"].astype(np.int64)]]
    return lights
