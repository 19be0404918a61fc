"""Agents found again in generated windows."""

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.occupancy.temporal.instances import find_instances, lost_agents
from uniscene_sim.taxonomy import AgentClass, OccClass

POSE = Pose(100.0, 50.0, yaw=0.7)


def agent(identity, cls, forward, left, size, turn=0.0):
    c, s = np.cos(POSE.yaw), np.sin(POSE.yaw)
    out = np.zeros(1, AGENT_DTYPE)
    out["id"], out["cls"], out["size"] = identity, cls, size
    out["pos"] = (POSE.x + c * forward - s * left, POSE.y + s * forward + c * left, 0.0)
    out["rpy"][0, 2] = POSE.yaw + turn
    return out


def test_voxels_are_those_of_the_agent_whose_class_and_box_they_have():
    car = agent(7, AgentClass.CAR, 10.0, 3.0, (4.6, 1.9, 1.5))
    near = agent(8, AgentClass.CAR, 10.0, 5.2, (4.6, 1.9, 1.5))
    person = agent(9, AgentClass.PEDESTRIAN, -10.0, 0.0, (0.6, 0.6, 1.8))
    far = agent(11, AgentClass.CAR, 60.0, 0.0, (4.6, 1.9, 1.5))
    head = agent(12, AgentClass.SIGNAL_HEAD, 5.0, 5.0, (0.4, 0.4, 1.0))
    labels = np.full(DEFAULT_GRID.shape, OccClass.FREE, np.uint8)
    x0, y0 = DEFAULT_GRID.index(np.array([8.0, 2.2, 0.1]))[:2]
    x1, y1 = DEFAULT_GRID.index(np.array([12.2, 6.2, 0.1]))[:2]
    labels[x0:x1, y0:y1, 3:6] = OccClass.CAR
    labels[20:22, 20:22, 3:6] = OccClass.CAR  # nobody's
    agents = np.concatenate([car, near, person, far, head])
    found = find_instances(labels, agents, POSE, DEFAULT_GRID)
    assert set(np.unique(found)) == {0, 7, 8}
    y = DEFAULT_GRID.centres(1)
    _, j, _ = np.nonzero(found == 7)
    assert (np.abs(y[j] - 3.0) < np.abs(y[j] - 5.2)).all()  # of two boxes, the nearer
    assert not found[20:22, 20:22].any() and not found[labels != OccClass.CAR].any()
    assert lost_agents(found, agents, POSE, DEFAULT_GRID).tolist() == [9]


def test_an_empty_world_has_no_instances():
    labels = np.full(DEFAULT_GRID.shape, OccClass.FREE, np.uint8)
    nobody = np.zeros(0, AGENT_DTYPE)
    assert not find_instances(labels, nobody, POSE, DEFAULT_GRID).any()
    assert not len(lost_agents(np.zeros(labels.shape, np.uint16), nobody, POSE, DEFAULT_GRID))
