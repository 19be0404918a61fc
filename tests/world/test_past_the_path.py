"""The built-in driver where its path has ended, or has not begun: the path goes straight on, and it stops."""

from dataclasses import replace

import numpy as np
import pytest

from tests.world.three_lanes import scene
from uniscene_sim.control import Control
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.scenario import EgoSpec, Spawn
from uniscene_sim.world.ego import EgoState, steer_along
from uniscene_sim.world.path_columns import PATH_COLUMNS, YAW, X, Y
from uniscene_sim.world.scenario_source import ScenarioSource

LANE_Y = -5.25


def driven(source: ScenarioSource, seconds: float, accel: float, reverse: bool = False) -> list[Control]:
    """What the built-in driver would have done while it steered alone, with another's foot on the pedals."""
    asked = []
    for _ in range(round(10 * seconds)):
        asked.append(source.driver_control())
        source.step(Control(asked[-1].steer_rad, accel, reverse), 100_000)
    return asked


def test_it_steers_along_the_end_of_its_path_and_would_brake():
    source = scene((), 60.0, 10.0, ego=EgoSpec(Spawn(x=50.0, y=LANE_Y + 0.8, yaw_deg=0.0), 10.0, 10.0))
    driven(source, 18.0, 3.0)
    asked = driven(source, 10.0, 3.0)
    assert source.state.bodies[0]["s"] > source.state.counts[0] + 100, "it is far past its path"
    assert source.state.ego.pose.y == pytest.approx(LANE_Y, abs=0.05)
    assert max(abs(control.steer_rad) for control in asked) < 0.01
    assert max(control.accel_mps2 for control in asked) < -7.0


def test_it_stops_past_the_end_of_its_path():
    source = scene((), 60.0, 10.0)
    driven(source, 20.0, 3.0)
    for _ in range(100):
        source.step(source.driver_control(), 100_000)
    assert source.state.ego.speed == 0.0 and source.state.ego.pose.y == pytest.approx(LANE_Y, abs=0.05)


def test_it_goes_back_to_its_path_from_behind_it():
    source = scene((), 60.0, 10.0)
    driven(source, 20.0, 3.0, reverse=True)
    assert source._ego_s(source.state) < -20.0
    for _ in range(150):
        source.step(source.driver_control(), 100_000)
    assert source._ego_s(source.state) > 10.0 and source.state.ego.pose.y == pytest.approx(LANE_Y, abs=0.05)


@pytest.mark.parametrize("speed", [0.0, 12.0, 40.0])
def test_beyond_a_bend_the_path_goes_straight_on(speed):
    """A quarter of a circle of 20 m between two straights of 8 m: along x before it, along y past it."""
    path = np.zeros((48, PATH_COLUMNS))
    path[:, YAW] = np.interp(np.arange(48.0), [8.0, 39.0], [0.0, np.pi / 2])
    path[1:, X] = np.cumsum(np.cos(path[:-1, YAW]))
    path[1:, Y] = np.cumsum(np.sin(path[:-1, YAW]))
    vehicle = EgoVehicle()
    for away in range(4, 60):
        x, y = path[-1, X], path[-1, Y] + away
        past = EgoState(Pose(x=x, y=y, yaw=np.pi / 2), speed)
        assert steer_along(past, path, 47 + away, vehicle) == pytest.approx(0.0, abs=1e-3)
        beside = replace(past, pose=replace(past.pose, x=x + 1.0))
        assert 0.0 < steer_along(beside, path, 47 + away, vehicle) < 0.6, "to the left, where the path is"
        behind = EgoState(Pose(x=-float(away)), speed)
        assert -1e-3 < steer_along(behind, path, -away, vehicle) < 0.6, "straight, or into the bend where it is near"
