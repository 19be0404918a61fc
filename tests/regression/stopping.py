"""A drive whose end can be worked out by hand: straight on at a speed v, then brakes, and a car that stands ahead.

A vehicle with the lag tau that brakes with b after a time t slows down by b (1 - exp(-s / tau)) m/s2, s seconds later,
so it stands after v (t + tau) + v^2 / (2 b) - b tau^2 / 2 (but for exp(-v / (b tau)), which is small). The model steps
by 10 ms, and each step has the acceleration of its end: its tau is that much less.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from tests.maps.opendrive_text import road
from uniscene_sim.control import Control
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.outcome import Status
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.results import SERIES_DTYPE, CaseResult, Violation
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.vehicles.bicycle import DT_S

REACTION_S, BRAKING_MPS2 = 0.5, 6.0
EGO_X_M, CAR_M = 20.0, 4.2  # where its rear axle begins, and the length of the other car
TEXT = """map: straight
duration_s: 8
parameters:
  speed: {value: 15, uniform: [5, 25]}
  place: {value: 80, uniform: [30, 110]}
  weather: {value: clear, choice: [clear, rain, fog]}
style: {weather: $weather}
ego:
  spawn: {x: 20, y: -1.75, yaw_deg: 0}
  speed_mps: $speed
agents:
  - name: broken_down
    class: car
    size: [4.2, 1.8, 1.5]
    spawn: {x: $place, y: -1.75, yaw_deg: 0, free: true}
    behaviour: parked
expect: {stops: FAILURE}
criteria:
  - {kind: collision, value: 0}
  - {kind: min_ttc, value: 0.1, optional: true}
"""


def stopping_file(folder: Path) -> Path:
    """The scenario, beside its map."""
    text = f'<OpenDRIVE><header revMajor="1" revMinor="6"/>{road("1", length=400)}</OpenDRIVE>'
    (folder / "straight.xodr").write_text(text)
    (folder / "stopping.yaml").write_text(TEXT)
    return folder / "stopping.yaml"


def least_place_m(speed: float | np.ndarray) -> float | np.ndarray:
    """Where the other car stands, m along x, when the ego comes to stand right behind it."""
    ego = EgoVehicle()
    lag = ego.accel_lag_s - DT_S
    stops = speed * (REACTION_S + lag) + speed**2 / (2.0 * BRAKING_MPS2) - 0.5 * BRAKING_MPS2 * lag**2
    return EGO_X_M + ego.rear_axle_to_centre_m + 0.5 * ego.length_m + stops + 0.5 * CAR_M


@cache
def _map(path: Path) -> StaticMap:
    return load_map(path)


def drive(case: Case) -> CaseResult:
    """A case with a driver that brakes after its reaction time, looked at or not."""
    scenario = load_scenario(case.file, case.seed, case.parameters)
    source = ScenarioSource(scenario, _map(scenario.map))
    rows, hit_s = [], None
    while not source.done and hit_s is None:
        time_s = source.state.time_us * 1e-6
        for layout in source.step(Control(0.0, -BRAKING_MPS2 if time_s > REACTION_S - 1e-6 else 0.0), 100_000):
            pose, speed = layout.ego_pose, float(np.hypot(*layout.ego_velocity[:2]))
            if hit_s is None and any(name.startswith("contact") for name in layout.events):
                hit_s = layout.stamp_us * 1e-6
        rows.append((time_s, pose.x, pose.y, pose.yaw, speed, layout.ego_accel, source.state.tally.ttc_s, np.inf))
    outcome = source.outcome
    status = Status.FAILURE if hit_s is not None else Status.SUCCESS
    told = () if hit_s is None else (Violation("collision", hit_s, f"collision at {hit_s:.2f} s"),)
    return CaseResult(case, "stops", status, str(status) in case.accepts("stops"), outcome.criteria, told,
                      drawn=scenario.drawn, series=np.array(rows, SERIES_DTYPE))  # fmt: skip
