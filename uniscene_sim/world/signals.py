"""Traffic lights: their state as a function of time, and where their heads hang."""

from __future__ import annotations

import numpy as np

from uniscene_sim.layout import AGENT_DTYPE, Light, SignalState
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.map import StaticMap

__all__ = ["HEAD_SIZE", "lights_of", "signal_heads", "signal_states"]

HEAD_SIZE = (0.35, 0.35, 1.0)
_HEAD_ABOVE_FOOT_M = 3.0
_LIGHTS = np.array([0, Light.RED, Light.YELLOW, Light.GREEN], dtype=np.uint8)


def signal_states(vector_map: StaticMap, time_s: float) -> np.ndarray:
    """SignalState uint8 (S,) of every signal; lights that no program rules stay off."""
    states = np.full(len(vector_map.signals), SignalState.OFF, dtype=np.uint8)
    for program in vector_map.programs:
        length = program.green_s + program.yellow_s + program.all_red_s
        phase, into = divmod(time_s % (length * len(program.phases)), length)
        for number, members in enumerate(program.phases):
            green = number == int(phase)
            for signal in members:
                if green and into < program.green_s:
                    states[signal] = SignalState.GREEN
                elif green and into < program.green_s + program.yellow_s:
                    states[signal] = SignalState.YELLOW
                elif states[signal] == SignalState.OFF:
                    states[signal] = SignalState.RED
    return states


def signal_heads(vector_map: StaticMap) -> np.ndarray:
    """Heads of all traffic lights as (H,) AGENT_DTYPE at ids 1..H; their `colour` is the signal's index."""
    signals = [s for s in vector_map.signals if s.kind == "traffic_light"]
    heads = np.zeros(len(signals), dtype=AGENT_DTYPE)
    for i, signal in enumerate(signals):
        ground = vector_map.surface_height(*(np.array([v]) for v in signal.position))[0]
        heads[i]["id"], heads[i]["cls"], heads[i]["colour"] = i + 1, AgentClass.SIGNAL_HEAD, signal.index
        heads[i]["pos"] = (*signal.position[:2], ground + _HEAD_ABOVE_FOOT_M)
        heads[i]["rpy"] = (0.0, 0.0, signal.yaw)
        heads[i]["size"] = HEAD_SIZE
    return heads


def lights_of(heads: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Light bits uint8 (H,) of the heads under signal states (S,)."""
    return _LIGHTS[states[heads["colour"].astype(np.int64)]]
