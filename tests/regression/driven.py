"""A scenario driven by the built-in driver, or by one that looks at nothing, as a result with all its numbers."""

from time import perf_counter

import numpy as np

from uniscene_sim.control import Control
from uniscene_sim.outcome import Status
from uniscene_sim.regression.cases import Case, cases_of
from uniscene_sim.regression.results import SERIES_DTYPE, TRACK_DTYPE, CaseResult, Violation
from uniscene_sim.scenario_files.read import find_scenario
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.scenario_source import ScenarioSource

TICK_US = 100_000


def case_of(scenario: str) -> Case:
    (case,) = cases_of(find_scenario(scenario))
    return case


def drive(case: Case, *, blind: bool = False) -> CaseResult:
    """Drive a case to its end; who is blind steers well and brakes for nobody."""
    began = perf_counter()
    source = ScenarioSource.open(str(case.file), case.seed, case.parameters)
    layout, rows, tracks, moments = source.reset(), [], [], {}
    while True:
        _note(source, layout, rows, tracks)
        if source.done or source.arrived:
            break
        control = source.driver_control()
        if blind:
            control = Control(control.steer_rad, 1.0)
        for layout in source.step(control, TICK_US):
            for event in layout.events:
                moments.setdefault(event.split(":")[0], layout.stamp_us * 1e-6)
    outcome = source.outcome
    named = {"collision": "contact", "off_road": "off_road", "red_light": "red_light"}
    violations = [
        Violation(row.name, at := moments.get(named.get(row.name)),
                  f"{row.name}: expected {row.expected}, was {row.actual:g}" + (f" at {at:.2f} s" if at else ""))
        for row in outcome.criteria if not row.success
    ]  # fmt: skip
    return CaseResult(
        case=case, driver="blind" if blind else "careful", status=outcome.status,
        passed=outcome.status in (Status.SUCCESS, Status.ACCEPTABLE), criteria=outcome.criteria,
        violations=tuple(violations), scores={"completion": source.completion},
        measured={"min_ttc_s": source.state.tally.min_ttc_s}, drawn=source.drawn, digest="0" * 64,
        simulated_s=layout.stamp_us * 1e-6, wall_s=perf_counter() - began, series=np.array(rows, SERIES_DTYPE),
        tracks=np.concatenate(tracks), route=source.route_path[:, :2],
    )  # fmt: skip


def _note(source: ScenarioSource, layout, rows: list, tracks: list) -> None:
    pose, vehicle = layout.ego_pose, layout.ego_vehicle
    forward = vehicle.rear_axle_to_centre_m
    x, y = pose.x + forward * np.cos(pose.yaw), pose.y + forward * np.sin(pose.yaw)
    lane, s, _ = source.map.nearest_lane(pose.x, pose.y, pose.z, pose.yaw)
    speed = float(np.linalg.norm(layout.ego_velocity))
    rows.append((layout.stamp_us * 1e-6, x, y, pose.yaw, speed, layout.ego_accel, source.state.tally.ttc_s,
                 source.map.lanes[lane].limit_at(s)))  # fmt: skip
    agents = layout.agents[layout.agents["cls"] != AgentClass.SIGNAL_HEAD]
    track = np.zeros(len(agents), TRACK_DTYPE)
    track["tick"], track["id"], track["cls"] = len(rows) - 1, agents["id"], agents["cls"]
    track["x"], track["y"], track["yaw"] = agents["pos"][:, 0], agents["pos"][:, 1], agents["rpy"][:, 2]
    track["length"], track["width"] = agents["size"][:, 0], agents["size"][:, 1]
    tracks.append(track)
