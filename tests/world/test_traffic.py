"""Traffic against theory: flow and headways of IDM, right of way, and ten minutes without an overlap."""

from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tests.world.plain_world import on_road
from uniscene_sim.control import NORMAL
from uniscene_sim.geometry import boxes_overlap
from uniscene_sim.maps.elements import Crossing, Lane
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.scenario import AgentSpec, EgoSpec, Scenario, Spawn, TrafficSpec
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import BODY_DTYPE, MotionMode
from uniscene_sim.world.path_columns import LANE, LIMIT, X
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.traffic.conflict_table import HOW, MERGE, OTHER, RULE, ConflictTable
from uniscene_sim.world.traffic.population import HIDDEN_M
from uniscene_sim.world.traffic.vehicle_rules import traffic_accelerations

MAPS = Path(__file__).parents[2] / "scenarios" / "maps"
NO_CONFLICTS = ConflictTable(np.zeros(2, np.int64), np.zeros((0, 7)))


@cache
def shipped(name: str) -> VectorMap:
    return load_map(MAPS / f"{name}.npz")


def scenario(**fields) -> Scenario:
    return Scenario(
        name="t", map=Path("m"), seed=fields.pop("seed", 1), duration_s=fields.pop("duration_s", 600.0), **fields
    )


def run(source: ScenarioSource, seconds: float):
    """The source's state after each 0.1 s."""
    for _ in range(round(seconds / 0.1)):
        source.step(source.driver_control(), 100_000)
        yield source.state


@pytest.mark.parametrize("leader_mps", [3.0, 8.0, 12.0])
def test_platoon_keeps_the_headway_and_flow_of_theory(leader_mps):
    """Twenty cars behind a leader of constant speed come to s* / sqrt(1 - (v / v0)^4), so to the flow v / (s + l)."""
    desired, length, total = 15.0, 4.5, 21
    bodies = np.zeros(total, BODY_DTYPE)
    bodies["length"], bodies["width"], bodies["desired"], bodies["speed"] = length, 1.8, desired, leader_mps
    bodies["started"], bodies["s"] = True, 1000.0 - 40.0 * np.arange(total)
    bodies["mode"] = MotionMode.TRAFFIC
    for name, value in vars(NORMAL).items():
        bodies[name] = value
    bodies[0]["mode"] = MotionMode.CONSTANT
    points = 6000
    path = np.zeros((points, 10))
    path[:, X], path[:, LIMIT], path[:, LANE] = np.arange(points), 60.0, -1
    paths, counts = np.broadcast_to(path, (total, points, 10)), np.full(total, points)
    none = np.zeros(0, np.uint8), np.zeros(0, bool)
    for _ in range(6_000):
        accel = traffic_accelerations(bodies, paths, counts, *none, NO_CONFLICTS)
        bodies["speed"] = np.maximum(bodies["speed"] + 0.05 * accel, 0.0)
        bodies["s"] += 0.05 * bodies["speed"]
        bodies["x"] = bodies["s"]
    gaps = -np.diff(bodies["s"]) - length
    theory = (NORMAL.gap_m + leader_mps * NORMAL.headway_s) / np.sqrt(1.0 - (leader_mps / desired) ** 4)
    flow, expected = leader_mps / (gaps.mean() + length), leader_mps / (theory + length)
    print(f"gap {gaps.mean():.2f} m (theory {theory:.2f}), flow {3600 * flow:.0f}/h (theory {3600 * expected:.0f})")
    assert np.abs(gaps / theory - 1.0).max() < 0.02
    assert flow == pytest.approx(expected, rel=0.01)


def test_signs_and_the_ring_decide_who_gives_way():
    ring = shipped("roundabout")
    conflicts = ConflictTable.of(ring)
    rules = {}
    for lane in ring.lanes:
        for row in conflicts.rows[conflicts.first[lane.index] : conflicts.first[lane.index + 1]]:
            other = ring.lanes[int(row[OTHER])]
            if row[HOW] == MERGE:
                rules[int(lane.key[0]) % 10, int(other.key[0]) % 10] = row[RULE]
    assert rules == {(0, 1): -1.0, (1, 0): 1.0}, "who enters (1) gives way to who drives round (0)"
    grid = shipped("urban_grid")
    conflicts = ConflictTable.of(grid)
    for lane in grid.lanes:
        for row in conflicts.rows[conflicts.first[lane.index] : conflicts.first[lane.index + 1]]:
            back = conflicts.rows[conflicts.first[int(row[OTHER])] : conflicts.first[int(row[OTHER]) + 1]]
            (mirrored,) = back[back[:, OTHER] == lane.index]
            assert mirrored[RULE] == -row[RULE] and mirrored[HOW] == row[HOW]


def test_ego_waits_for_those_round_the_roundabout():
    ring = shipped("roundabout")
    round_it = AgentSpec("round", "car", Spawn(x=10.9, y=-10.9, yaw_deg=45.0), 5.5, goal=(-60.0, 1.75))
    alone = scenario(ego=EgoSpec(Spawn(x=45.0, y=1.75, yaw_deg=180.0), 7.0, 9.0, goal=(-1.75, -60.0)), duration_s=30.0)
    slowest = {}
    for name, agents in (("alone", ()), ("behind another", (round_it,))):
        source = ScenarioSource(replace(alone, agents=agents), ring)
        slowest[name] = min(state.ego.speed for state in run(source, 8.0))
    assert slowest["behind another"] < slowest["alone"] - 1.0


def test_right_before_left_where_nothing_is_signed():
    def street(index: int, x, y, **links) -> Lane:
        centre = np.stack([x, y, np.zeros(len(x))], axis=1)
        heading = np.arctan2(np.gradient(centre[:, 1]), np.gradient(centre[:, 0]))
        return Lane(index=index, key=(str(index), 0, -1), kind="driving", centre=centre, heading=heading,
                    width=np.full(len(x), 3.5), left_mark="none", right_mark="none", **links)  # fmt: skip

    def ways(first: int, x: np.ndarray, y: np.ndarray) -> list[Lane]:
        """In, across and out along one line of points."""
        inside = dict(successors=(first + 2,), predecessors=(first,), junction="7")
        return [
            street(first, x[:71], y[:71], successors=(first + 1,)),
            street(first + 1, x[70:91], y[70:91], **inside),
            street(first + 2, x[90:], y[90:], predecessors=(first + 1,)),
        ]

    line, still = np.arange(-80.0, 90.0), np.zeros(170)
    east, north = ways(0, line, still), ways(3, still, line)
    cross = VectorMap("cross", (*east, *north))
    # The one who drives north comes from the right of the one who drives east.
    other = AgentSpec("north", "car", Spawn(x=0.0, y=-60.0, yaw_deg=90.0), 9.0)
    source = ScenarioSource(
        scenario(ego=EgoSpec(Spawn(x=-60.0, y=0.0, yaw_deg=0.0), 9.0, 9.0), agents=(other,), duration_s=20.0), cross
    )
    states = list(run(source, 16.0))
    passed = {
        row: next(i for i, s in enumerate(states) if s.bodies[row][axis] > 0.0) for row, axis in ((0, "x"), (1, "y"))
    }
    assert passed[1] < passed[0] and states[-1].tally.collisions == 0
    assert min(s.bodies[1]["speed"] for s in states[: passed[1]]) > 8.0, "who comes from the right need not brake"


def test_cars_stop_for_people_on_a_crossing(road_with_crossing):
    person = AgentSpec("person", "pedestrian", Spawn(x=100.0, y=-5.0, yaw_deg=90.0, free=True), 1.2, "walk")
    ego = EgoSpec(Spawn(x=50.0), 12.0, 13.0)
    source = ScenarioSource(scenario(ego=ego, agents=(person,)), road_with_crossing)
    track = [(s.bodies[0]["x"] + 2.3, s.ego.speed, s.bodies[1]["y"]) for s in run(source, 12.0)]
    while_on = [x for x, _, y in track if -2.0 < y < 2.0]
    assert max(while_on) < 98.5, "nobody drives onto the crossing while somebody is on it"
    assert min(v for _, v, _ in track) < 4.0 and track[-1][0] > 105.0 and source.state.tally.collisions == 0
    empty = ScenarioSource(scenario(ego=ego), road_with_crossing)
    assert min(s.ego.speed for s in run(empty, 6.0)) > 11.0


@pytest.fixture
def road_with_crossing() -> VectorMap:
    n = 400
    centre = np.stack([np.arange(n, dtype=float), np.zeros(n), np.zeros(n)], axis=1)
    lane = Lane(index=0, key=("0", 0, -1), kind="driving", centre=centre, heading=np.zeros(n), width=np.full(n, 4.0),
                left_mark="solid", right_mark="solid", speed_limit_mps=14.0)  # fmt: skip
    area = np.array([[98.5, -2, 0], [101.5, -2, 0], [101.5, 2, 0], [98.5, 2, 0]], float)
    return VectorMap("road", (lane,), crossings=(Crossing(area),))


def _vehicles_that_overlap(bodies: np.ndarray) -> set[tuple[int, int]]:
    here = bodies[bodies["mode"] != MotionMode.ABSENT]
    order = np.argsort(here["x"], kind="stable")
    here = here[order]
    found = set()
    for i, a in enumerate(here):
        for b in here[i + 1 : np.searchsorted(here["x"], a["x"] + 13.0)]:
            people = a["cls"] == AgentClass.PEDESTRIAN and b["cls"] == AgentClass.PEDESTRIAN
            if people or abs(a["y"] - b["y"]) > 13.0 or abs(a["z"] - b["z"]) > 2.0:
                continue
            boxes = [np.array([r[k] for k in ("x", "y", "yaw", "length", "width")]) for r in (a, b)]
            if boxes_overlap(*boxes):
                found.add((int(a["id"]), int(b["id"])))
    return found


def minutes_of_traffic(
    vector_map: VectorMap, ego: EgoSpec, density: float, seed: int, seconds: float, overlapping_pairs: int = 0
) -> None:
    """No vehicle overlaps anything, but for so many pairs; none leaves the road, none comes or goes where the ego could
    see it, none stands for ever."""
    spec = scenario(ego=ego, traffic=TrafficSpec(density, 10), seed=seed)
    source = ScenarioSource(spec, vector_map)
    before, overlaps, off, seen, longest = source.state.bodies, set(), 0, 0, 0.0
    for step, state in enumerate(run(source, seconds)):
        now = state.bodies
        overlaps |= _vehicles_that_overlap(now)
        # Who enters has a new id.
        other = now["id"] != before["id"]
        for old, moment in (
            (other & (before["mode"] != MotionMode.ABSENT), before),
            (other & (now["mode"] != MotionMode.ABSENT), now),
        ):
            gap = np.hypot(moment["x"] - state.ego.pose.x, moment["y"] - state.ego.pose.y)
            seen += int((old & (gap < HIDDEN_M - 10.0)).sum())
        if step % 10 == 0:
            moving = now[now["mode"] == MotionMode.TRAFFIC]
            off += int((~on_road(vector_map.surface, moving["x"], moving["y"], moving["z"])).sum())
            longest = max(longest, float(moving["wait"].max()))
        before = now
    present = int((before["mode"] != MotionMode.ABSENT).sum())
    print(f"{vector_map.name} at {density}/km: {present} bodies at the end, {state.entered} entered, longest stop "
          f"{longest:.0f} s, driven {state.tally.driven_m:.0f} m")  # fmt: skip
    assert len(overlaps) <= overlapping_pairs and off == 0 and seen == 0, overlaps
    assert state.tally.red_lights == 0 and state.tally.collisions == 0 and longest < 150.0


@pytest.mark.slow
@pytest.mark.parametrize("density", [5.0, 20.0])
def test_ten_minutes_on_the_urban_grid(density):
    minutes_of_traffic(
        shipped("urban_grid"), EgoSpec(Spawn(x=14.0, y=88.25, yaw_deg=0.0), 7.0, 10.0), density, 2, 600.0
    )


def test_nobody_is_born_into_another():
    for name in ("urban_grid", "roundabout", "motorway"):
        lane = next(lane for lane in shipped(name).lanes if lane.kind == "driving" and not lane.junction)
        x, y, _ = lane.centre[5]
        ego = EgoSpec(Spawn(x=x, y=y, yaw_deg=float(np.degrees(lane.heading[5]))), 5.0, 10.0)
        for seed in (1, 2, 3):
            bodies = ScenarioSource(
                scenario(ego=ego, traffic=TrafficSpec(30.0, 20), seed=seed), shipped(name)
            ).state.bodies
            assert not _vehicles_that_overlap(bodies)
            ids = bodies["id"][bodies["mode"] != MotionMode.ABSENT]
            assert len(set(ids.tolist())) == len(ids)


def test_search_for_overlaps_agrees_with_all_pairs():
    rng = np.random.default_rng(3)
    bodies = np.zeros(60, BODY_DTYPE)
    bodies["id"], bodies["length"], bodies["width"] = np.arange(60), 4.5, 1.8
    bodies["x"], bodies["y"], bodies["yaw"] = rng.uniform(0, 60, 60), rng.uniform(0, 60, 60), rng.uniform(-3, 3, 60)
    boxes = np.stack([bodies[k] for k in ("x", "y", "yaw", "length", "width")], axis=1)
    plain = {frozenset((a, b)) for a, b in combinations(range(60), 2) if boxes_overlap(boxes[a], boxes[b])}
    assert {frozenset(pair) for pair in _vehicles_that_overlap(bodies)} == plain and plain
