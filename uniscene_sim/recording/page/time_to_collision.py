"""Time to collision of recorded layouts, by the definition of `world.time_to_collision`.

It speaks of bodies that go on along their paths. Of a recorded agent the path is known: it is the way that it went on
to take. That of the ego is the route that its layout holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import BODY_DTYPE, MotionMode, make_body, project_to_path
from uniscene_sim.world.path_columns import PATH_COLUMNS, YAW, X, Y, Z
from uniscene_sim.world.time_to_collision import HORIZON_S, least_time_to_collision
from uniscene_sim.world.tracks import TRACK_COLUMNS, Tracks

__all__ = ["times_to_collision"]

_SIGNAL_HEAD = int(AgentClass.SIGNAL_HEAD)
_NO_TRACKS = Tracks.of(())
_BEHIND_M = 12  # of a path is kept behind a body: its rear axle is there


def times_to_collision(layouts: Sequence[LayoutFrame], static_map: StaticMap) -> list[float]:
    """Seconds until the ego touches a body, for each layout of a drive; inf for none within ten seconds.

    Placed objects of the map are no bodies, as in the world itself.
    """
    placed = {(round(o.position[0], 3), round(o.position[1], 3)) for o in static_map.objects}
    moving = [_bodies_of(layout, placed) for layout in layouts]
    ways = _ways(moving)
    times, scratch = [], np.empty((3, TRACK_COLUMNS))
    for k, (layout, agents) in enumerate(zip(layouts, moving, strict=True)):
        bodies = np.zeros(1 + len(agents), BODY_DTYPE)
        ego = _way_of_points(layout.route)
        bodies[0], paths = _ego(layout, ego), [ego]
        for i, agent in enumerate(agents):
            whole, at = ways[int(agent["id"])]
            s = at[k]
            first = max(int(s) - _BEHIND_M, 0)
            speed = float(np.hypot(*agent["vel"][:2]))
            paths.append(whole[first : int(s + speed * HORIZON_S) + _BEHIND_M])
            bodies[1 + i] = _body(agent, s - first, speed)
        most = max(map(len, paths))
        filled = np.zeros((len(paths), most, PATH_COLUMNS))
        for row, path in zip(filled, paths, strict=True):
            row[: len(path)] = path
        moment = (filled, np.array([len(path) for path in paths]), _NO_TRACKS, layout.stamp_us * 1e-6)
        times.append(float(least_time_to_collision(bodies, 0, moment, scratch)))
    return times


def _bodies_of(layout: LayoutFrame, placed: set[tuple[float, float]]) -> np.ndarray:
    agents = layout.agents[layout.agents["cls"] < _SIGNAL_HEAD]
    bodies = [(round(x, 3), round(y, 3)) not in placed for x, y, _ in agents["pos"].tolist()]
    kept: np.ndarray = agents[np.array(bodies, bool)]
    return kept


def _ways(moving: Sequence[np.ndarray]) -> dict[int, tuple[np.ndarray, dict[int, float]]]:
    """The way of each agent by id: a point each metre (R, 10), and where on it the agent is in each layout, m."""
    seen: dict[int, list[tuple[int, np.ndarray]]] = {}
    for k, agents in enumerate(moving):
        for agent in agents:
            seen.setdefault(int(agent["id"]), []).append((k, agent))
    ways = {}
    for identity, rows in seen.items():
        points = np.array([agent["pos"] for _, agent in rows])
        yaw = np.unwrap([agent["rpy"][2] for _, agent in rows])
        s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))])
        forward = np.array([np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)]).T
        # Straight on behind its first place and beyond its last one.
        ends = points[0] - _BEHIND_M * forward[0], points[-1] + _BEHIND_M * forward[-1]
        points = np.concatenate([[ends[0]], points, [ends[1]]])
        yaw = np.concatenate([yaw[:1], yaw, yaw[-1:]])
        along = np.concatenate([[0.0], s + _BEHIND_M, [s[-1] + 2 * _BEHIND_M]])
        at = dict(zip((k for k, _ in rows), (s + _BEHIND_M).tolist(), strict=True))
        ways[identity] = _each_metre(points, yaw, along), at
    return ways


def _way_of_points(points: np.ndarray) -> np.ndarray:
    """A polyline (R, 3), m, as a path (P, 10)."""
    if len(points) < 2:
        return np.zeros((1, PATH_COLUMNS))
    step = np.diff(points[:, :2], axis=0)
    yaw = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(step, axis=1))])
    return _each_metre(points, np.append(yaw, yaw[-1]), along)


def _each_metre(points: np.ndarray, yaw: np.ndarray, along: np.ndarray) -> np.ndarray:
    at = np.arange(int(along[-1]) + 1.0)
    path = np.zeros((len(at), PATH_COLUMNS))
    for column, values in ((X, points[:, 0]), (Y, points[:, 1]), (Z, points[:, 2]), (YAW, yaw)):
        path[:, column] = np.interp(at, along, values)
    return path


def _ego(layout: LayoutFrame, path: np.ndarray) -> np.ndarray:
    vehicle, pose = layout.ego_vehicle, layout.ego_pose
    forward = vehicle.rear_axle_to_centre_m
    x, y = pose.x + forward * np.cos(pose.yaw), pose.y + forward * np.sin(pose.yaw)
    s = project_to_path(path, len(path), x, y, 0, 20)[0]
    return make_body(0, AgentClass.CAR, x, y, pose.z, pose.yaw, s=max(s, 0.0), mode=MotionMode.CONSTANT,
                     speed=float(np.linalg.norm(layout.ego_velocity)), length=vehicle.length_m,
                     width=vehicle.width_m, height=vehicle.height_m)  # fmt: skip


def _body(agent: np.ndarray, s: float, speed: float) -> np.ndarray:
    row = np.zeros((), BODY_DTYPE)
    row["id"], row["cls"], row["mode"], row["started"] = agent["id"], agent["cls"], MotionMode.CONSTANT, True
    row["x"], row["y"], row["z"] = agent["pos"]
    row["yaw"], row["s"], row["speed"] = agent["rpy"][2], s, speed
    row["length"], row["width"], row["height"] = agent["size"]
    return row
