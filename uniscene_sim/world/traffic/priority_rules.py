"""How vehicles give way where lanes conflict; which lane goes first stands in `right_of_way`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.maps.signals import StopLineState
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.path_columns import LANE, LANE_S, STOP
from uniscene_sim.world.traffic.conflict_table import HOW, MERGE, MY_IN, MY_OUT, OTHER, OTHER_IN, OTHER_OUT, RULE, TIGHT
from uniscene_sim.world.traffic.idm import idm, stop_within

__all__ = ["PATIENCE_S", "ConflictsAhead", "find_conflicts_ahead", "yield_acceleration"]

#: A driver that has stood for longer than this drives on where the rules alone would let all wait for each other.
PATIENCE_S = 8.0
_TRAFFIC, _CONSTANT = MotionMode.TRAFFIC, MotionMode.CONSTANT
_SIGN, _RED = StopLineState.SIGN, StopLineState.RED
_MAX_CONFLICTS = 6  # lanes with conflicts that are considered at once, ahead of a body
_STANDS_MPS = 0.3  # a slower vehicle counts as standing
_LONG_M = 15.0  # two vehicles longer than this together do not pass in a tight bend
_SWING_M = 2.5  # long ones need this much more where they cross others


class ConflictsAhead(NamedTuple):
    """What each body comes to."""

    lanes: np.ndarray  # (N, 6) int64, lanes with conflicts in the order of its path, -1: none
    starts: np.ndarray  # (N, 6) float64, how far ahead of its centre each lane starts, m
    stops_in: np.ndarray  # (N,) float64, how far its front may go before a stop line holds it, m; inf: none does


@njit(cache=True)
def find_conflicts_ahead(bodies, paths, counts, line_states, first):
    """`ConflictsAhead` of all bodies.

    Args:
        bodies: (N,) BODY_DTYPE.
        paths: (N, P, 10), see `world.path_columns`.
        counts: (N,) int64 points in each path.
        line_states: StopLineState uint8 (L,).
        first: int64 (lanes + 1,), see `ConflictTable`.
    """
    total = bodies.size
    lanes, starts = np.full((total, _MAX_CONFLICTS), -1), np.zeros((total, _MAX_CONFLICTS))
    stops_in = np.full(total, np.inf)
    for i in range(total):
        me = bodies[i]
        if me.mode != _TRAFFIC and me.mode != _CONSTANT:
            continue
        path, n, at = paths[i], counts[i], min(max(int(me.s), 0), counts[i] - 1)
        front, last, k = me.s + 0.5 * me.length, -1, 0
        for q in range(max(at - 15, 0), min(at + 70, n)):
            lane = int(path[q, LANE])
            if lane != last:
                last = lane
                if lane >= 0 and first[lane + 1] > first[lane] and k < _MAX_CONFLICTS:
                    lanes[i, k], starts[i, k] = lane, q - me.s - path[q, LANE_S]
                    k += 1
            line = int(path[q, STOP])
            if line > 0 and q >= front - 1.0 and stops_in[i] == np.inf:
                state = line_states[line - 1]
                if state == _RED or (state == _SIGN and me.served != line):
                    stops_in[i] = q - front
    return ConflictsAhead(lanes, starts, stops_in)


@device
def _time_to(distance, speed, accel):
    """Seconds to a place ahead when speeding up."""
    return (np.sqrt(speed * speed + 2.0 * accel * max(distance, 0.0)) - speed) / accel


@device
def yield_acceleration(i, bodies, ahead, conflicts, limit, room):
    """Acceleration, m/s2, that gives way where lanes conflict, and keeps the shared stretch clear while there is no
    room beyond.

    Args:
        i: row of the body that decides.
        bodies: (N,) BODY_DTYPE.
        ahead: ConflictsAhead.
        conflicts: ConflictTable.
        limit: speed limit, m/s.
        room: how far the front may go until it stands at the end of a queue, m; inf for none.
    """
    me, rows = bodies[i], conflicts.rows
    half, worst = 0.5 * me.length, me.accel_mps2
    for u in range(_MAX_CONFLICTS):
        lane, start = ahead.lanes[i, u], ahead.starts[i, u]
        if lane < 0:
            break
        nearest, clear = np.inf, -np.inf
        for row in range(conflicts.first[lane], conflicts.first[lane + 1]):
            enter, leave = start + rows[row, MY_IN] - half, start + rows[row, MY_OUT] + half
            # A vehicle that is in the stretch goes on; so does one that can no longer stop.
            if enter <= 0.0 or enter > me.speed**2 / 3.0 + 15.0 or me.speed**2 / (2.0 * 5.0) > enter:
                if enter <= 0.0:
                    nearest = -np.inf
                continue
            if rows[row, HOW] != TIGHT:
                nearest, clear = min(nearest, enter), max(clear, leave)
            worst = min(worst, _yield_at_conflict(i, bodies, ahead, rows[row], start < half, enter, leave, limit))
        if 0.0 < nearest < np.inf and room < clear:
            worst = min(worst, stop_within(me, nearest - 0.5, limit))
    return worst


@device
def _yield_at_conflict(i, bodies, ahead, conflict, began, enter, leave, limit):
    """Acceleration at one shared stretch, `enter` ahead of the front and `leave` ahead when the tail is out; `began`:
    whether the front is on its lane of the junction already."""
    me = bodies[i]
    rule, merge, tight = conflict[RULE], conflict[HOW] == MERGE, conflict[HOW] == TIGHT
    worst = me.accel_mps2
    for j in range(bodies.size):
        other = bodies[j]
        if j == i or (other.mode != _TRAFFIC and other.mode != _CONSTANT):
            continue
        long = me.length + other.length > _LONG_M
        if tight and not long:
            continue
        swing = _SWING_M if long and not tight else 0.0
        my_enter, my_leave = enter - swing, leave + swing
        mine_in, mine_out = _time_to(my_enter, me.speed, me.accel_mps2), _time_to(my_leave, me.speed, me.accel_mps2)
        for w in range(_MAX_CONFLICTS):
            if ahead.lanes[j, w] < 0:
                break
            if ahead.lanes[j, w] != int(conflict[OTHER]):
                continue
            start, there = ahead.starts[j, w], 0.5 * other.length
            their_enter = start + conflict[OTHER_IN] - there - swing
            their_leave = start + conflict[OTHER_OUT] + there + swing
            if their_leave < 0.0:
                continue
            inside = their_enter <= 0.0
            # Of two at its edge the body of the lower row goes, and the other one once that has waited long.
            edge = j < i if other.wait < PATIENCE_S else i < j
            yields = inside and (my_enter > 0.0 or edge)
            if my_enter > 0.0 and not inside and ahead.stops_in[j] >= their_enter:
                theirs_in = _time_to(their_enter, other.speed, 1.0)
                # A vehicle that merges needs time to reach the speed of those behind.
                joins = (
                    1.5 + max(other.speed - np.sqrt(me.speed**2 + 2.0 * me.accel_mps2 * max(my_enter, 0.0)), 0.0) / 2.5
                )
                soon = theirs_in < (mine_in + joins if merge else mine_out + 1.0)
                committed = other.speed**2 / (2.0 * 4.0) > their_enter
                waits = other.speed < _STANDS_MPS and other.wait > 2.0
                if rule > 0:
                    yields = soon
                elif rule < 0:
                    yields = soon and committed
                elif began != (start < there):
                    yields = not began or (soon and committed)  # a vehicle in the junction clears it first
                else:
                    yields = soon and (theirs_in < mine_in or (theirs_in == mine_in and j < i))
                if waits and me.wait > 3.0:
                    # Of two that wait for each other the one in the junction goes, then the one of the lower row.
                    there_too = start < there
                    yields = there_too if began != there_too else j < i
            if not yields:
                continue
            chosen = stop_within(me, my_enter - 0.5, limit)
            if merge:  # behind a vehicle that is ahead already
                gap = leave - me.length - their_leave
                if gap > 0.5:
                    chosen = max(chosen, idm(me, max(limit, 3.0), gap, other.speed))
            worst = min(worst, chosen)
    return worst
