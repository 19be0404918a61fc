"""Who gives way where the lanes of two vehicles conflict."""

from __future__ import annotations

import numpy as np
from numba import njit

from uniscene_sim.compute.compiled import device
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.traffic.idm import MAX_ACCEL_MPS2, idm, stop_within

__all__ = ["PATIENCE_S", "find_conflicts_ahead", "yield_acceleration"]

#: Who has stood still for longer than this takes more than the rules give, lest all wait for each other.
PATIENCE_S = 8.0
_TRAFFIC, _CONSTANT = MotionMode.TRAFFIC, MotionMode.CONSTANT
_MAX_CONFLICTS = 6  # lanes with conflicts that are considered at once, ahead of a body
_STANDS_MPS = 0.3  # who is slower counts as standing
_LONG_M = 15.0  # two vehicles longer than this together do not pass in a tight bend
_SWING_M = 2.5  # long ones need this much more where they cross others


@njit(cache=True)
def find_conflicts_ahead(bodies, paths, counts, line_state, first):
    """What each body comes to: lanes (N, 6) that meet others (-1: none), how far ahead of its centre they start, m, and
    how far its front may go before a line stops it (inf: freely)."""
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
            lane = int(path[q, 7])
            if lane != last:
                last = lane
                if lane >= 0 and first[lane + 1] > first[lane] and k < _MAX_CONFLICTS:
                    lanes[i, k], starts[i, k] = lane, q - me.s - path[q, 8]
                    k += 1
            line = int(path[q, 5])
            if line > 0 and q >= front - 1.0 and stops_in[i] == np.inf:
                state = line_state[line - 1]
                if state == 1 or (state == 0 and me.served != line):
                    stops_in[i] = q - front
    return lanes, starts, stops_in


@device
def _time_to(distance, speed, accel):
    """Seconds to a place ahead when speeding up."""
    return (np.sqrt(speed * speed + 2.0 * accel * max(distance, 0.0)) - speed) / accel


@device
def yield_acceleration(i, bodies, lanes, starts, stops_in, first, meets, limit, room):
    """Acceleration that gives way where lanes meet, and keeps what is shared clear while there is no room beyond."""
    me = bodies[i]
    half, worst = 0.5 * me.length, MAX_ACCEL_MPS2
    for u in range(_MAX_CONFLICTS):
        lane = lanes[i, u]
        if lane < 0:
            break
        nearest, clear = np.inf, -np.inf
        for row in range(first[lane], first[lane + 1]):
            enter, leave = starts[i, u] + meets[row, 1] - half, starts[i, u] + meets[row, 2] + half
            # Whoever is in goes on; so does who can no longer stop.
            if enter <= 0.0 or enter > me.speed**2 / 3.0 + 15.0 or me.speed**2 / (2.0 * 5.0) > enter:
                if enter <= 0.0:
                    nearest = -np.inf
                continue
            if meets[row, 6] < 2:
                nearest, clear = min(nearest, enter), max(clear, leave)
            began = starts[i, u] < half
            worst = min(
                worst, _yield_at_conflict(i, bodies, lanes, starts, stops_in, meets[row], began, enter, leave, limit)
            )
        if 0.0 < nearest < np.inf and room < clear:
            worst = min(worst, stop_within(me, nearest - 0.5, limit))
    return worst


@device
def _yield_at_conflict(i, bodies, lanes, starts, stops_in, meeting, began, enter, leave, limit):
    """Acceleration at one shared stretch, `enter` ahead of the front and `leave` ahead when the tail is out; `began`:
    whether the front is on its lane of the junction already."""
    me = bodies[i]
    rule, merge, tight = meeting[5], meeting[6] == 1, meeting[6] == 2
    worst = MAX_ACCEL_MPS2
    for j in range(bodies.size):
        other = bodies[j]
        if j == i or (other.mode != _TRAFFIC and other.mode != _CONSTANT):
            continue
        long = me.length + other.length > _LONG_M
        if tight and not long:
            continue
        swing = _SWING_M if long and not tight else 0.0
        my_enter, my_leave = enter - swing, leave + swing
        mine_in, mine_out = _time_to(my_enter, me.speed, MAX_ACCEL_MPS2), _time_to(my_leave, me.speed, MAX_ACCEL_MPS2)
        for w in range(_MAX_CONFLICTS):
            if lanes[j, w] < 0:
                break
            if lanes[j, w] != int(meeting[0]):
                continue
            there = 0.5 * other.length
            their_enter = starts[j, w] + meeting[3] - there - swing
            their_leave = starts[j, w] + meeting[4] + there + swing
            if their_leave < 0.0:
                continue
            inside = their_enter <= 0.0
            # Of two at its edge the lower number goes, and the higher one once that has not helped.
            edge = j < i if other.wait < PATIENCE_S else i < j
            yields = inside and (my_enter > 0.0 or edge)
            if my_enter > 0.0 and not inside and stops_in[j] >= their_enter:
                theirs_in = _time_to(their_enter, other.speed, 1.0)
                # Who joins needs time to come up to the speed of those behind.
                joins = (
                    1.5 + max(other.speed - np.sqrt(me.speed**2 + 2.0 * MAX_ACCEL_MPS2 * max(my_enter, 0.0)), 0.0) / 2.5
                )
                soon = theirs_in < (mine_in + joins if merge else mine_out + 1.0)
                committed = other.speed**2 / (2.0 * 4.0) > their_enter
                waits = other.speed < _STANDS_MPS and other.wait > 2.0
                if rule > 0:
                    yields = soon
                elif rule < 0:
                    yields = soon and committed
                elif began != (starts[j, w] < there):
                    yields = not began or (soon and committed)  # who is in the junction clears it first
                else:
                    yields = soon and (theirs_in < mine_in or (theirs_in == mine_in and j < i))
                if waits and me.wait > 3.0:
                    # Of two that wait for each other goes who is in the junction, then the lower number.
                    there_too = starts[j, w] < there
                    yields = there_too if began != there_too else j < i
            if not yields:
                continue
            chosen = stop_within(me, my_enter - 0.5, limit)
            if merge:  # behind who is ahead already
                gap = leave - me.length - their_leave
                if gap > 0.5:
                    chosen = max(chosen, idm(me.speed, max(limit, 3.0), gap, other.speed))
            worst = min(worst, chosen)
    return worst
