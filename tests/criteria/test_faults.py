"""Whose fault a collision is, after nuPlan."""

import numpy as np
import pytest

from tests.criteria.drawn import road
from uniscene_sim.criteria.collisions import NO_PARTNERS, Body, is_at_fault, partner_of
from uniscene_sim.taxonomy import AgentClass

ROAD = road()
EAST, NORTH = 0.0, 0.5 * np.pi


def fault(other: Body, speed: float = 10.0, y: float = 0.0) -> bool:
    return is_at_fault(Body(100.0, y, EAST, 4.0, 2.0, speed), 0.0, 1.35, other, ROAD)


@pytest.mark.parametrize(("other", "speed", "theirs"), [
    (Body(103.5, 0.0, EAST, 4.0, 2.0, 5.0), 10.0, True),  # into the back of a slower one
    (Body(103.5, 0.0, EAST, 4.0, 2.0, 0.0), 10.0, True),  # of one that stands
    (Body(96.5, 0.0, EAST, 4.0, 2.0, 15.0), 10.0, False),  # hit from behind
    (Body(96.5, 0.0, EAST, 4.0, 2.0, 0.0), -2.0, True),  # backs into one that stands
    (Body(102.5, 0.0, NORTH, 4.0, 2.0, 5.0), 10.0, True),  # its front into one that crosses
    (Body(100.0, -2.5, NORTH, 4.0, 2.0, 5.0), 10.0, False),  # the other one's front into its side
    (Body(103.5, 0.0, EAST, 4.0, 2.0, 5.0), 0.0, False),  # it stands
])  # fmt: skip
def test_fault_is_as_nuplan_has_it(other, speed, theirs):
    assert fault(other, speed) is theirs


def test_between_two_lanes_a_touch_of_the_sides_is_its_fault():
    beside = Body(99.0, 3.4, EAST, 4.0, 2.0, 10.0)
    assert fault(beside._replace(y=1.9)) is False, "wholly on its lane"
    assert fault(beside, y=1.5) is True, "half on the other one"


def test_partners_are_told_apart_by_class():
    kinds = {name: partner_of(getattr(AgentClass, name)) for name in AgentClass.__members__}
    assert kinds["PEDESTRIAN"] == "pedestrian" and kinds["BICYCLE"] == "cyclist"
    assert {name for name, kind in kinds.items() if kind == "vehicle"} == {
        "CAR", "TRUCK", "CONSTRUCTION_VEHICLE", "BUS", "TRAILER", "MOTORCYCLE"
    }  # fmt: skip
    assert NO_PARTNERS.plus("cyclist").plus("cyclist") == (0, 0, 2, 0)
