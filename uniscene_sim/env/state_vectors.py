"""State vectors in [-1, 1], for agents without sensors. Lengths are in m, speeds in m/s, angles in rad."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.maps.signals import StopLineState
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.path_columns import LIMIT, STOP, YAW, X, Y

__all__ = ["AGENTS", "EGO", "ROUTE", "left_of_route", "write_agent_states", "write_ego_state", "write_route_state"]

#: Entries of the ego's state, and the value that each is divided by.
EGO = {
    "speed": 30.0,
    "acceleration": 8.0,
    "steering": 0.6,
    "yaw_rate": 1.0,
    "left_of_route": 4.0,
    "heading_off_route": np.pi,
    "speed_limit": 30.0,
    "route_speed": 30.0,  # what the task asks for where the limit allows it
    "next_line": 80.0,  # distance to the next stop line, 1 if none is near
    "line_stops": 1.0,  # 1 if it must not be crossed now: red or yellow
    "route_left": 500.0,
}
#: Entries of a point of the route: x, y and heading in base_link.
ROUTE = {"x": 64.0, "y": 32.0, "heading": np.pi}
#: Entries of an agent: presence, position in base_link, velocity relative to the ego, heading, length, pedestrian.
AGENTS = {
    "present": 1.0, "x": 80.0, "y": 80.0, "vx": 30.0, "vy": 30.0, "cos": 1.0, "sin": 1.0, "length": 20.0, "person": 1.0,
}  # fmt: skip

_EGO = np.array(list(EGO.values()))
_ROUTE = np.array(list(ROUTE.values()))
_AGENTS = np.array(list(AGENTS.values()))
_STEP_M, _NEAR_M = 4.0, 80.0
_RED, _YELLOW = StopLineState.RED, StopLineState.YELLOW
_SIGNAL_HEAD, _PERSON = int(AgentClass.SIGNAL_HEAD), int(AgentClass.PEDESTRIAN)


@njit(cache=True)
def _wrapped(angle):
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


@njit(cache=True)
def _write(values, scale, out):
    for k in range(values.size):
        out[k] = min(max(values[k] / scale[k], -1.0), 1.0)


@njit(cache=True)
def _point_on_path(path, n, s):
    """x, y, heading of a path (R, 10) with n points at arc length `s`, limited to the path."""
    a = min(max(int(np.floor(s)), 0), n - 1)
    b = min(a + 1, n - 1)
    f = min(max(s - a, 0.0), 1.0)
    return (
        path[a, X] + f * (path[b, X] - path[a, X]),
        path[a, Y] + f * (path[b, Y] - path[a, Y]),
        path[a, YAW] + f * (path[b, YAW] - path[a, YAW]),
    )


@njit(cache=True)
def left_of_route(bodies, all_paths, counts):
    """Distance of the ego's centre to the left of its route, m; arguments as for `write_ego_state`."""
    x, y, heading = _point_on_path(all_paths[0], counts[0], bodies[0].s)
    return -np.sin(heading) * (bodies[0].x - x) + np.cos(heading) * (bodies[0].y - y)


@njit(cache=True)
def write_ego_state(bodies, all_paths, counts, line_states, steer, yaw_rate, target, left_m, out):
    """Write the entries of `EGO`.

    Args:
        bodies: (N,) BODY_DTYPE, the ego first.
        all_paths: (N, R, 10) paths that the bodies follow, see `world.path_columns`.
        counts: (N,) number of points of each path.
        line_states: uint8 (L,) `StopLineState` of the stop lines.
        steer: front-wheel angle, rad.
        yaw_rate: rad/s.
        target: speed that the task asks for, m/s.
        left_m: rest of the route, m.
        out: float32 (11,), written.
    """
    ego, path, n = bodies[0], all_paths[0], counts[0]
    heading = _point_on_path(path, n, ego.s)[2]
    line, stops = _NEAR_M, 0.0
    front = ego.s + 0.5 * ego.length
    for k in range(max(int(np.ceil(front)), 0), min(int(front + _NEAR_M), n)):
        if path[k, STOP] > 0:
            line = k - front
            state = line_states[int(path[k, STOP]) - 1]
            stops = 1.0 if state == _RED or state == _YELLOW else 0.0
            break
    limit = path[min(max(int(ego.s), 0), n - 1), LIMIT]
    values = np.array([
        ego.speed,
        ego.accel,
        steer,
        yaw_rate,
        left_of_route(bodies, all_paths, counts),
        _wrapped(ego.yaw - heading),
        limit,
        min(target, limit),
        line,
        stops,
        left_m,
    ])  # fmt: skip
    _write(values, _EGO, out)


@njit(cache=True)
def write_route_state(x, y, yaw, bodies, all_paths, counts, out):
    """Write the next points of the route as `ROUTE`; points beyond its end are at its end.

    Args:
        x, y, yaw: pose of base_link in the map frame, m and rad.
        bodies, all_paths, counts: as for `write_ego_state`.
        out: float32 (K, 3), written.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    for k in range(out.shape[0]):
        px, py, heading = _point_on_path(all_paths[0], counts[0], bodies[0].s + _STEP_M * (k + 1))
        dx, dy = px - x, py - y
        _write(np.array([c * dx + s * dy, -s * dx + c * dy, _wrapped(heading - yaw)]), _ROUTE, out[k])


@njit(cache=True)
def write_agent_states(x, y, yaw, vx, vy, agents, out):
    """Write the nearest agents within 80 m as `AGENTS`, nearest first; the remaining rows are 0.

    Args:
        x, y, yaw: pose of base_link in the map frame, m and rad.
        vx, vy: velocity of the ego in the map frame, m/s.
        agents: (A,) AGENT_DTYPE.
        out: float32 (K, 9), written.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    distance = np.empty(agents.size)
    for i in range(agents.size):
        dx, dy = agents[i].pos[0] - x, agents[i].pos[1] - y
        distance[i] = np.inf if agents[i].cls == _SIGNAL_HEAD else np.hypot(dx, dy)
    out[:] = 0.0
    for k in range(min(out.shape[0], agents.size)):
        i = int(np.argmin(distance))
        if distance[i] > _NEAR_M:
            break
        distance[i] = np.inf
        agent = agents[i]
        dx, dy, turn = agent.pos[0] - x, agent.pos[1] - y, agent.rpy[2] - yaw
        ux, uy = agent.vel[0] - vx, agent.vel[1] - vy
        values = np.array([
            1.0, c * dx + s * dy, -s * dx + c * dy, c * ux + s * uy, -s * ux + c * uy, np.cos(turn), np.sin(turn),
            agent.size[0], 1.0 if agent.cls == _PERSON else 0.0,
        ])  # fmt: skip
        _write(values, _AGENTS, out[k])
