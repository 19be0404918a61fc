"""Ambient traffic overtakes where it gains by it, and never into anybody."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.geometry import boxes_overlap
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.scenario_source import ScenarioSource

MAPS = Path(__file__).parents[2] / "scenarios" / "maps"
YAML = f"""
map: {MAPS / "motorway.xodr"}
seed: {{seed}}
duration_s: 25
ego:
  spawn: {{{{x: 60.49, y: -0.39, yaw_deg: 6.9}}}}
  speed_mps: 12
  target_speed_mps: 12
traffic: {{{{vehicles_per_km: 14}}}}
"""


def present(bodies: np.ndarray) -> np.ndarray:
    return bodies[bodies["mode"] != MotionMode.ABSENT]


@pytest.mark.parametrize("seed", [1, 2])
def test_motorway_traffic_overtakes_without_touching(tmp_path, seed):
    file = tmp_path / "overtaking.yaml"
    file.write_text(YAML.format(seed=seed))
    scenario = load_scenario(file)
    source = ScenarioSource(scenario, load_map(scenario.map))
    source.reset()
    changed: set[int] = set()
    while not source.done:
        source.step(source.driver_control(), 500_000)
        bodies = present(source.state.bodies)
        changed |= set(bodies["id"][1:][bodies["offset_length"][1:] > 0].tolist())
        boxes = np.stack([bodies[k] for k in ("x", "y", "yaw", "length", "width")], axis=1)
        for a, b in combinations(boxes, 2):
            assert abs(a[0] - b[0]) > 15 or not boxes_overlap(a, b)
    assert len(changed) >= 3, "a slow ego on a busy motorway is overtaken"
    bodies = present(source.state.bodies)
    assert source.map.surface.drivable(bodies["x"], bodies["y"], bodies["z"]).all()
