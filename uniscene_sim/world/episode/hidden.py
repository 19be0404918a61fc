"""What stands where nobody can see it: agents and placed objects under the ground, in houses, in each other, or too far
from the ego's route."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from uniscene_sim.geometry import boxes_overlap
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Scenario
from uniscene_sim.world.episode.start import InitialState
from uniscene_sim.world.traffic.population import HIDDEN_M

__all__ = ["Houses", "hidden_agents", "hidden_objects"]

#: Boxes of the houses of a map, generated ones included: (N, 5) x, y, yaw, length, width, m and rad.
Houses = Callable[[], np.ndarray]
_SOLID = ("parked_car", "cone", "barrier", "pole", "tree", "building", "sign", "guard_rail")
_MARGIN_M = 50.0  # around the map, that is still made


def hidden_objects(static_map: StaticMap) -> Iterator[str]:
    """Objects of a map that nobody can see, a line each."""
    solid = [item for item in static_map.objects if item.kind in _SOLID]
    if not solid:
        return
    x, y, z = np.array([item.position for item in solid], dtype=float).T
    ground = static_map.surface_height(x, y, z)
    buildings = [item for item in solid if item.kind == "building"]
    houses = np.array([(*item.position[:2], item.yaw, *item.size[:2]) for item in buildings]).reshape(-1, 5)
    in_file = np.array([x, y]).T + static_map.frame_origin
    for k, item in enumerate(solid):
        where = "{} at ({:.1f}, {:.1f})".format(item.kind, *in_file[k])
        if z[k] + max(item.size[2], 0.05) < ground[k]:
            yield f"{where} cannot be seen: it lies {ground[k] - z[k]:.1f} m under the ground"
        elif _outside(static_map, x[k], y[k]):
            yield f"{where} cannot be seen: it lies outside the map"
        elif item.kind not in ("building", "pole", "sign") and _within(x[k], y[k], houses):
            yield f"{where} cannot be seen: it stands in a building"


def hidden_agents(
    scenario: Scenario, static_map: StaticMap, begin: InitialState, moves: Mapping[str, bool], houses: Houses
) -> Iterator[str]:
    """Agents of a scenario that nobody can see, a line each.

    Args:
        scenario: the scenario.
        static_map: its map.
        begin: its first moment.
        moves: whether an agent moves, by name.
        houses: asked only where an agent stands beside the road.
    """
    bodies = begin.state.bodies[: len(scenario.agents) + 1]
    boxes = [np.array([float(b[n]) for n in ("x", "y", "yaw", "length", "width")]) for b in bodies]
    for i, (agent, body) in enumerate(zip(scenario.agents, bodies[1:], strict=True)):
        x, y, z = float(body["x"]), float(body["y"]), float(body["z"])
        field = f"agents[{i}].spawn: {agent.name!r}"
        for k in range(i + 1):
            if abs(bodies[k]["z"] - z) < 2.0 and boxes_overlap(boxes[k], boxes[i + 1]):
                yield f"{field} begins inside {'the ego' if k == 0 else repr(scenario.agents[k - 1].name)}"
        if _outside(static_map, x, y):
            yield f"{field} begins outside the map"
        if moves[agent.name]:
            continue
        away = float(np.hypot(begin.route[:, 0] - x, begin.route[:, 1] - y).min())
        if away > HIDDEN_M and not scenario.ego.spawn.random:
            yield f"{field} cannot be seen: it stays {away:.0f} m from the ego's route, beyond all sensors"
        elif static_map.surface.rank(np.array([x]), np.array([y]), np.array([z]))[0] < 2 and _within(x, y, houses()):
            yield f"{field} cannot be seen: it stands in a house"
    wanted = scenario.traffic.pedestrians
    if wanted and begin.population.row_counts(begin.route)[1] == 0:
        yield f"traffic.pedestrians: the map has no walkways: none of {wanted} appears"


def _outside(static_map: StaticMap, x: float, y: float) -> bool:
    low_x, low_y, high_x, high_y = static_map.bounds
    return not (low_x - _MARGIN_M <= x <= high_x + _MARGIN_M and low_y - _MARGIN_M <= y <= high_y + _MARGIN_M)


def _within(x: float, y: float, boxes: np.ndarray) -> bool:
    """Whether a place lies in one of boxes (N, 5)."""
    c, s = np.cos(boxes[:, 2]), np.sin(boxes[:, 2])
    dx, dy = x - boxes[:, 0], y - boxes[:, 1]
    return bool(((np.abs(c * dx + s * dy) < 0.5 * boxes[:, 3]) & (np.abs(c * dy - s * dx) < 0.5 * boxes[:, 4])).any())
