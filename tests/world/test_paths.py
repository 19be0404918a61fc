"""Paths by the metre, held to a plain reference in numpy."""

from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.geometry import point_in_polygon
from uniscene_sim.maps.elements import Lane, SpeedLimit
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.path_columns import CROSSING, JUNCTION, LANE, LANE_S, LIMIT, STOP, YAW
from uniscene_sim.world.paths import annotate_path, random_path_ahead
from uniscene_sim.world.traffic.walkways import WalkwayNetwork


def plain_way(road, lane, s, key):
    """Path (R, 3) and the lane (R,) and arc length (R,) of each point."""
    lanes, way = road.lanes, [lane]
    length = lanes[lane].length - s
    while length < 400 and lanes[way[-1]].successors:
        options = lanes[way[-1]].successors
        options = tuple(b for b in options if lanes[b].successors) or options
        way.append(options[int(unit_hash(*key, way[-1], len(way)) * len(options))])
        length += lanes[way[-1]].length
    points = np.concatenate([lanes[i].centre for i in way])
    owner = np.concatenate([np.full(len(lanes[i].centre), k) for k, i in enumerate(way)])
    keep = np.concatenate([[True], np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1) > 1e-3])
    points, owner = points[keep], owner[keep]
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))])
    want = np.arange(s, min(at[-1], s + 399), 1.0)
    if len(want) < 2:
        want = np.linspace(max(at[-1] - 2.0, 0.0), at[-1], 3)
    path = np.stack([np.interp(want, at, points[:, k]) for k in range(3)], axis=1)
    turn = owner[np.clip(np.searchsorted(at, want, side="right") - 1, 0, len(owner) - 1)]
    begins = np.concatenate([[0.0], np.cumsum([lanes[i].length for i in way])])
    return path, np.array(way)[turn], np.maximum(want - begins[turn], 0.0)


def plain_columns(road, path, lanes, lane_s):
    out = np.zeros((len(path), 10))
    direction = np.gradient(path[:, :2], axis=0)
    yaw = np.unwrap(np.arctan2(direction[:, 1], direction[:, 0]))
    out[:, :3], out[:, YAW], out[:, LANE], out[:, LANE_S], out[:, LIMIT] = path, yaw, lanes, lane_s, 60.0
    on = lanes >= 0
    out[on, LIMIT] = [road.lanes[i].speed_limit_mps for i in lanes[on]]
    names = sorted({lane.junction for lane in road.lanes} | {""})
    out[on, JUNCTION] = [names.index(road.lanes[i].junction) for i in lanes[on]]
    bend = np.abs(np.gradient(np.convolve(np.pad(yaw, 2, mode="edge"), np.full(5, 0.2), "valid")))
    out[:, LIMIT] = np.minimum(out[:, LIMIT], np.sqrt(2.2 / np.maximum(bend, 1e-4)))
    for index, line in enumerate(road.stop_lines):
        centre = line.ends.mean(axis=0)
        gap = np.hypot(path[:, 0] - centre[0], path[:, 1] - centre[1])
        gap[(np.abs(path[:, 2] - centre[2]) > 3.0) | (lanes != line.lane)] = np.inf
        before, after = np.append(np.inf, gap[:-1]), np.append(gap[1:], np.inf)
        out[(gap < 2.5) & (gap <= before) & (gap < after), STOP] = index + 1
    for index, crossing in enumerate(road.crossings):
        for k, (x, y, z) in enumerate(path):
            if abs(z - crossing.polygon[:, 2].mean()) < 3.0 and point_in_polygon(x, y, crossing.polygon):
                out[k, CROSSING] = index + 1
    return out


def plain_owners(road, path, way):
    owner, arc, here = np.zeros(len(path), dtype=int), np.zeros(len(path)), 0
    for k, point in enumerate(path):
        best = np.inf
        for step in range(here, min(here + 4, len(way))):
            lane = road.lanes[way[step]]
            gap = np.hypot(lane.centre[:, 0] - point[0], lane.centre[:, 1] - point[1])
            if gap.min() < best - 1e-6:
                best, found, owner[k], arc[k] = gap.min(), step, lane.index, lane.s[gap.argmin()]
        here = found
    return owner, arc


@pytest.mark.parametrize("name", ["motorway", "roundabout", "rural", "urban_grid"])
def test_paths_agree_with_the_plain_reference(name):
    road = load_map(data_dir("scenarios") / "maps" / f"{name}.npz")
    for lane in [lane for lane in road.lanes if lane.kind == "driving"][::3]:
        for share in (0.0, 0.3, 0.999):
            key = (3, lane.index)
            fast = random_path_ahead(road, lane.index, share * lane.length, key)
            path, lanes, lane_s = plain_way(road, lane.index, share * lane.length, key)
            assert fast.shape == (len(path), 10)
            assert np.abs(fast[:, :3] - path).max() < 1e-5 and (fast[:, LANE] == lanes).all()
            assert np.allclose(fast[:, LANE_S], lane_s)
            assert np.allclose(fast, plain_columns(road, fast[:, :3], lanes, lane_s), atol=1e-9)
        route = road.route(lane.index, 0.2 * lane.length, None, 300.0)
        fast = annotate_path(road, route.path, route.lanes)
        assert np.allclose(fast, plain_columns(road, route.path, *plain_owners(road, route.path, route.lanes)))


def test_walkers_keep_to_their_side_by_the_metre():
    road = load_map(data_dir("scenarios") / "maps" / "urban_grid.npz")
    walks = WalkwayNetwork(road)
    for lane in walks.lanes:
        middle, aside = (walks.plan(lane, 3.0, 1, left, (1, lane)) for left in (0.0, 0.6))
        assert len(aside) == len(middle) <= 400
        step = np.gradient(middle[:, :2], axis=0)
        left = np.stack([-step[:, 1], step[:, 0]], axis=1) / np.hypot(*step.T)[:, None]
        assert np.allclose(aside[:, :2] - middle[:, :2], 0.6 * left)
        assert np.hypot(*np.diff(middle[:, :2], axis=0).T).max() < 1.0 + 1e-9


def test_limits_hold_from_where_they_begin():
    x = np.arange(400.0)
    lane = Lane(
        0, ("a", 0, -1), "driving", np.stack([x, 0 * x, 0 * x], axis=1), 0 * x, 0 * x + 3.5, "none", "none",
        speed_limit_mps=np.inf, speed_changes=(SpeedLimit(100.0, 27.0), SpeedLimit(250.0, 13.0)),
    )  # fmt: skip
    path = random_path_ahead(VectorMap("limits", (lane,)), 0, 20.0, (1,))
    at, limit = path[:, 0], path[:, LIMIT]
    assert (limit[at < 100] > 100).all(), "none: drivers drive as fast as they want"
    assert (limit[(at >= 100) & (at < 250)] == 27.0).all() and (limit[at >= 250] == 13.0).all()
    assert replace(lane, speed_changes=()).limit_at(300.0) == np.inf
