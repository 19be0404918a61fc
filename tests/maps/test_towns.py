"""Seeded towns: sound lane graphs, each unlike the others, on which traffic runs."""

from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.geometry import wrap_angle
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.scenario import EgoSpec, Scenario, Spawn, TrafficSpec
from uniscene_sim.world.scenario_source import ScenarioSource

SEEDS = range(12)


@pytest.fixture(scope="module")
def towns():
    return [make_town(seed) for seed in SEEDS]


def test_a_seed_always_makes_the_same_town_and_another_seed_another(towns):
    assert make_town(3).ref == towns[3].ref
    assert len({town.ref for town in towns}) == len(towns)


def test_towns_differ_in_what_they_hold(towns):
    length = np.array([sum(lane.length for lane in town.lanes if lane.kind == "driving") for town in towns])
    assert length.max() > 3 * length.min() > 1000.0
    assert sum(any(lane.kind == "median" for lane in town.lanes) for town in towns) > 2
    assert sum(not any(lane.kind == "sidewalk" for lane in town.lanes) for town in towns) < len(towns) / 2
    assert sum(bool(town.programs) for town in towns) > 2
    for town in towns:
        x0, y0, x1, y1 = town.bounds
        assert 250.0 < max(x1 - x0, y1 - y0) < 900.0


def test_lanes_that_follow_each_other_meet_without_a_kink(towns):
    for town in towns:
        for lane in town.lanes:
            assert lane.length > 0.2 and np.isfinite(lane.centre).all() and (lane.width >= 0.0).all()
            for b in lane.successors:
                after = town.lanes[b]
                assert lane.index in after.predecessors and after.kind == lane.kind
                assert np.linalg.norm(after.centre[0] - lane.centre[-1]) < 0.01
                assert abs(wrap_angle(after.heading[0] - lane.heading[-1])) < 0.02
                assert abs(after.width[0] - lane.width[-1]) < 0.01


def test_lanes_know_who_is_beside_them(towns):
    for town in towns:
        for lane in town.lanes:
            for side, other in ((1, lane.left), (-1, lane.right)):
                if other >= 0:
                    beside = town.lanes[other]
                    assert lane.index == (beside.right if side == 1 else beside.left)
                    assert np.abs(lane.border(side) - beside.border(-side)).max() < 0.01
            if lane.opposite >= 0:
                assert town.lanes[lane.opposite].opposite == lane.index
                assert np.abs(lane.border(1) - town.lanes[lane.opposite].border(1)[::-1])[:, :2].max() < 0.01


def test_every_driving_lane_into_a_junction_leads_on(towns):
    for town in towns:
        inner = [lane for lane in town.lanes if lane.kind == "driving" and lane.junction]
        assert all(lane.successors and lane.predecessors for lane in inner)
        blind = [lane for lane in town.lanes if lane.kind == "driving" and not lane.successors]
        last = np.array([lane.centre[-1, :2] for lane in blind]).reshape(-1, 2)
        starts = np.array([lane.centre[0, :2] for lane in town.lanes if lane.kind == "driving" and lane.successors])
        # A road that ends has nothing ahead of it to go on to.
        for end, lane in zip(last, blind, strict=True):
            ahead = starts - end
            forward = ahead @ [np.cos(lane.heading[-1]), np.sin(lane.heading[-1])]
            aside = np.abs(ahead @ [-np.sin(lane.heading[-1]), np.cos(lane.heading[-1])])
            assert not ((forward > 0.0) & (forward < 30.0) & (aside < 1.0)).any()


def test_stop_lines_lie_on_the_lanes_that_they_rule(towns):
    for town in towns:
        for line in town.stop_lines:
            x, y, _, _ = town.lane_point(line.lane, line.s_m)
            assert np.hypot(*(line.ends[:, :2].mean(axis=0) - [x, y])) < 0.1
            assert line.signal < 0 or line.lane in town.signals[line.signal].lanes


def test_traffic_runs_and_the_driver_keeps_to_the_road(towns):
    ego = EgoSpec(Spawn(random=True), speed_mps=6.0, target_speed_mps=12.0)
    scenario = Scenario("drive", Path(), 5, 60.0, ego, traffic=TrafficSpec(10.0, 15))
    source = ScenarioSource(scenario, towns[6])
    first = source.reset()
    for _ in range(40):
        frame = source.step(source.driver_control(), 100_000)[-1]
        assert not any(event.startswith(("off_road", "contact")) for event in frame.events)
        assert towns[6].surface.drivable(frame.ego_pose.x, frame.ego_pose.y, frame.ego_pose.z).all()
    assert len(frame.agents) > 20
    moved = np.hypot(*(frame.agents["vel"][:, :2]).T)
    assert (moved > 0.5).sum() > 10
    assert np.hypot(frame.ego_pose.x - first.ego_pose.x, frame.ego_pose.y - first.ego_pose.y) > 5.0
