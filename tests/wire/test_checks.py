"""Layouts that no world holds are refused before sensors see them; those of our own worlds are not."""

from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.control import Control
from uniscene_sim.edit import Undo
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.limits.bounds import EDITS
from uniscene_sim.wire.checks import check_layout
from uniscene_sim.world.scenario_source import ScenarioSource


@pytest.fixture(scope="module")
def layout():
    source = ScenarioSource.open("cut_in")
    source.reset()
    return source.step(Control(), 100_000)[-1]


@pytest.mark.parametrize("name", ["cut_in", "roundabout_entry"])
def test_a_world_of_ours_passes(name):
    source = ScenarioSource.open(name)
    check_layout(source.reset())
    for _ in range(20):
        check_layout(source.step(source.driver_control(), 100_000)[-1])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("size", 0.0, "from 0.01 to 100 m"),
        ("size", np.nan, "from 0.01 to 100 m"),
        ("pos", 1e300, "m, got 1e"),
        ("vel", -1e4, "m/s"),
        ("gait", np.inf, "got inf"),
        ("cls", 77, "a whole number from 0 to 10, got 77"),
    ],
)
def test_an_agent_beyond_all_bounds_is_named(layout, name, value, expected):
    agents = layout.agents.copy()
    agents[name].reshape(len(agents), -1)[-1, -1] = value
    with pytest.raises(InputError, match=rf"LayoutFrame\.agents\.{name}: .*{expected}"):
        check_layout(replace(layout, agents=agents))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ego_velocity", np.array([0.0, 1e4, 0.0])),
        ("ego_yaw_rate", 1e9),
        ("ego_steer", np.nan),
        ("ego_pose", Pose(1e8, 0.0, 0.0)),
        ("stamp_us", -5),
        ("edits", (EDITS + 1) * (Undo(),)),
        ("route", np.full((3, 3), 1e200)),
        ("route", np.zeros((100_001, 3))),
        ("signals", np.array([9], np.uint8)),
    ],
)
def test_an_ego_or_a_world_beyond_all_bounds_is_named(layout, field, value):
    with pytest.raises(InputError, match=rf"LayoutFrame\.{field}: expected"):
        check_layout(replace(layout, **{field: value}))


def test_more_agents_than_any_world_has_are_refused(layout):
    with pytest.raises(InputError, match=r"LayoutFrame\.agents: expected at most 5,000"):
        check_layout(replace(layout, agents=np.repeat(layout.agents[:1], 5001)))
