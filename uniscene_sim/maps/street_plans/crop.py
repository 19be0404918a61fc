"""A part of a map with lanes: what lies within a square of it, as a map of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uniscene_sim.maps.elements import Lane, RoadNetwork
from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["cropped"]


def cropped(whole: RoadNetwork, x: float, y: float, half_m: float) -> VectorMap:
    """The part of a network within a square; lanes are kept whole or not at all.

    Args:
        whole: the network.
        x, y: middle of the square, m.
        half_m: half of its side.
    """
    middle = np.array([x, y])

    def near(places: np.ndarray) -> bool:
        return bool((np.abs(places[..., :2] - middle) < half_m).all(axis=-1).any())

    kept = [lane for lane in whole.lanes if near(lane.centre)]
    number = {lane.index: k for k, lane in enumerate(kept)}
    signals = [signal for signal in whole.signals if any(lane in number for lane in signal.lanes)]
    signal_number = {signal.index: k for k, signal in enumerate(signals)}
    programs = []
    for program in whole.programs:
        phases = tuple(tuple(signal_number[i] for i in phase if i in signal_number) for phase in program.phases)
        if any(phases):
            programs.append(replace(program, phases=tuple(phase for phase in phases if phase)))
    return VectorMap(
        name=f"{whole.name}_{x:.0f}_{y:.0f}",
        lanes=tuple(_renumbered(lane, number) for lane in kept),
        crossings=tuple(c for c in whole.crossings if near(c.polygon)),
        stop_lines=tuple(
            replace(line, lane=number[line.lane], signal=signal_number.get(line.signal, -1))
            for line in whole.stop_lines if line.lane in number
        ),
        signals=tuple(replace(s, index=k, lanes=_known(s.lanes, number)) for k, s in enumerate(signals)),
        programs=tuple(programs),
        objects=tuple(o for o in whole.objects if near(o.position)),
        left_hand_traffic=whole.left_hand_traffic,
        frame_origin=whole.frame_origin,
        geo_reference=whole.geo_reference,
        complete_kinds=whole.complete_kinds,
        covers=tuple(c for c in whole.covers if _reaches(c.rings[0], middle, half_m)),
    )  # fmt: skip


def _reaches(ring: np.ndarray, middle: np.ndarray, half_m: float) -> bool:
    """Whether the bounds of a ring (N, 2), m, reach into a square."""
    return bool(((ring.min(axis=0) < middle + half_m) & (ring.max(axis=0) > middle - half_m)).all())


def _renumbered(lane: Lane, number: dict[int, int]) -> Lane:
    left, right, opposite = (number.get(index, -1) for index in (lane.left, lane.right, lane.opposite))
    return replace(
        lane, index=number[lane.index], successors=_known(lane.successors, number),
        predecessors=_known(lane.predecessors, number),
        can_change_left=lane.can_change_left and left >= 0, can_change_right=lane.can_change_right and right >= 0,
        left=left, right=right, opposite=opposite,
    )  # fmt: skip


def _known(lanes: Sequence[int], number: dict[int, int]) -> tuple[int, ...]:
    return tuple(number[lane] for lane in lanes if lane in number)
