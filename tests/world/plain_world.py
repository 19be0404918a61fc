"""The ego's step and what it touches, plainly, one thing after the other: what `world.physics` is held to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import cos, hypot, sin, tan
from types import SimpleNamespace

import numpy as np

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.geometry import box_corners, boxes_overlap, wrap_angle
from uniscene_sim.layout import EgoVehicle, SignalState
from uniscene_sim.maps.signals import signal_states
from uniscene_sim.maps.static_map import Surface
from uniscene_sim.scenario import Trigger
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import project_to_path
from uniscene_sim.world.ego import EgoState, pose_on_ground, pure_pursuit
from uniscene_sim.world.episode.actions import apply_action
from uniscene_sim.world.episode.start import ego_row
from uniscene_sim.world.motion import advance_bodies, place_on_paths
from uniscene_sim.world.path_columns import STOP
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.state import WorldState

_SEAM_M = 0.1  # strips of adjoining roads may leave cracks up to this wide; a crack is not off the road


def step_ego(
    ego: EgoState, control: Control | Trajectory, vehicle: EgoVehicle, surface: Surface, dt: float
) -> EgoState:
    """One step of dt seconds, exact along the arc that a constant steering angle drives."""
    if isinstance(control, Trajectory):
        control = _follow(ego, control, vehicle)
    want_steer = min(max(control.steer_rad, -vehicle.max_steer_rad), vehicle.max_steer_rad)
    want_accel = min(max(control.accel_mps2, -vehicle.max_brake_mps2), vehicle.max_accel_mps2)
    rate = (want_steer - ego.steer) / max(vehicle.steer_lag_s, dt)
    steer = ego.steer + dt * min(max(rate, -vehicle.max_steer_rate_rad_s), vehicle.max_steer_rate_rad_s)
    accel = ego.accel + (want_accel - ego.accel) * min(dt / max(vehicle.accel_lag_s, dt), 1.0)
    # Braking ends at standstill; it never drives backwards.
    speed = min(max(ego.speed + accel * dt, 0.0), vehicle.max_speed_mps)
    distance = 0.5 * (ego.speed + speed) * dt
    turn = distance * tan(steer) / vehicle.wheelbase_m
    chord = distance * (sin(turn / 2) / (turn / 2) if abs(turn) > 1e-9 else 1.0)
    pose, yaw = ego.pose, ego.pose.yaw + turn
    x, y = pose.x + chord * cos(pose.yaw + turn / 2), pose.y + chord * sin(pose.yaw + turn / 2)
    pose = pose_on_ground(x, y, pose.z, float(wrap_angle(yaw)), vehicle, surface)
    moved = 0.0 if speed == 0.0 and ego.speed == 0.0 else accel
    return EgoState(pose, speed, moved, steer, turn / dt)


def _follow(ego: EgoState, trajectory: Trajectory, vehicle: EgoVehicle) -> Control:
    t, x, y = trajectory.points.T
    horizon = min(max(0.5, 0.2 + 4.0 / max(ego.speed, 4.0)), max(float(t[-1]), 0.1))
    tx, ty = np.interp(horizon, t, x), np.interp(horizon, t, y)
    along = cos(ego.pose.yaw) * (tx - ego.pose.x) + sin(ego.pose.yaw) * (ty - ego.pose.y)
    accel = 2.0 * (along / horizon - ego.speed) / horizon
    target = replace(ego, speed=0.0)
    steer = pure_pursuit(target, np.array([[tx, ty]]), 0, vehicle) if along > 0.1 else 0.0
    return Control(steer, float(np.clip(accel, -vehicle.max_brake_mps2, vehicle.max_accel_mps2)))


def ego_box(ego: EgoState, vehicle: EgoVehicle) -> np.ndarray:
    """x, y, yaw, length, width of the ego's body."""
    c, s, forward = cos(ego.pose.yaw), sin(ego.pose.yaw), vehicle.rear_axle_to_centre_m
    return np.array(
        [ego.pose.x + c * forward, ego.pose.y + s * forward, ego.pose.yaw, vehicle.length_m, vehicle.width_m]
    )


def contacts_with_agents(ego: EgoState, vehicle: EgoVehicle, agents: np.ndarray) -> list[int]:
    """Ids of agents (N,) AGENT_DTYPE whose boxes overlap the ego's, in height too."""
    box = ego_box(ego, vehicle)
    reach = 0.5 * np.hypot(vehicle.length_m, vehicle.width_m) + 0.5 * np.hypot(
        agents["size"][:, 0], agents["size"][:, 1]
    )
    gap = np.hypot(agents["pos"][:, 0] - box[0], agents["pos"][:, 1] - box[1])
    level = (agents["pos"][:, 2] < ego.pose.z + vehicle.height_m) & (
        agents["pos"][:, 2] + agents["size"][:, 2] > ego.pose.z + 0.1
    )
    found = []
    for agent in agents[(gap < reach) & level & (agents["cls"] != AgentClass.SIGNAL_HEAD)]:
        other = np.array([*agent["pos"][:2], agent["rpy"][2], *agent["size"][:2]])
        if boxes_overlap(box, other):
            found.append(int(agent["id"]))
    return found


def off_road(ego: EgoState, vehicle: EgoVehicle, surface: Surface) -> bool:
    """Whether a corner of the ego's body is over no lane that cars may use."""
    corners = box_corners(*ego_box(ego, vehicle))
    return not on_road(surface, corners[:, 0], corners[:, 1], np.full(4, ego.pose.z)).all()


def on_road(surface: Surface, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Whether places (N,) lie on a lane that cars may use, or in a crack between two such lanes: bool (N,)."""
    on = surface.drivable(x, y, z)
    for k in np.flatnonzero(~on):
        around_x, around_y = x[k] + _SEAM_M * np.array([1, -1, 0, 0]), y[k] + _SEAM_M * np.array([0, 0, 1, -1])
        a, b, c, d = surface.drivable(around_x, around_y, np.full(4, z[k]))
        on[k] = (a and b) or (c and d)
    return on


def holds(trigger: Trigger, state: WorldState, rows: dict[str, int]) -> bool:
    """Whether a trigger's condition is met now."""
    if trigger.kind == "time":
        return state.time_us >= trigger.value * 1e6
    a, b = state.bodies[rows[trigger.agent]], state.bodies[rows[trigger.other]]
    if trigger.kind == "reach":
        return bool(np.hypot(a["x"] - trigger.x, a["y"] - trigger.y) <= trigger.value)
    gap = np.hypot(a["x"] - b["x"], a["y"] - b["y"])
    if trigger.kind == "distance":
        return bool(gap <= trigger.value)
    clear = max(gap - 0.5 * (a["length"] + b["length"]), 0.0)
    if trigger.kind == "time_gap":
        return bool(clear / max(a["speed"], 0.1) <= trigger.value)
    return time_to_collision(a, b) <= trigger.value


def time_to_collision(a: np.ndarray, b: np.ndarray) -> float:
    """Seconds until two bodies' circumscribed distance closes at their present velocities; inf where it does not."""
    away = np.array([b["x"] - a["x"], b["y"] - a["y"]])
    va, vb = (row["speed"] * np.array([cos(row["yaw"]), sin(row["yaw"])]) for row in (a, b))
    gap = float(np.hypot(*away))
    closing = -float(away @ (vb - va)) / max(gap, 1e-6)
    return max(gap - 0.5 * float(a["length"] + b["length"]), 0.0) / closing if closing > 0.1 else np.inf


def soonest(bodies: np.ndarray) -> float:
    """Least time to collision with a body within 60 m in the strip ahead of the ego, the first one."""
    ego, best = bodies[0], np.inf
    c, s = cos(ego["yaw"]), sin(ego["yaw"])
    for other in bodies[1:]:
        dx, dy = other["x"] - ego["x"], other["y"] - ego["y"]
        if c * dx + s * dy > 0 and abs(c * dy - s * dx) < 0.5 * (ego["width"] + other["width"]) and hypot(dx, dy) < 60:
            best = min(best, time_to_collision(ego, other))
    return best


def plain_steps(
    source: ScenarioSource, state: WorldState, control: Control | Trajectory, steps: int = 10
) -> Iterator[SimpleNamespace]:
    """`ego`, `agents`, `events` and `tally` after each 10 ms from a state at which everybody decides."""
    scenario, static_map, vehicle = source.scenario, source.map, source.scenario.ego.vehicle
    bodies = state.bodies.copy()
    for name, values in source._decisions(state)._asdict().items():
        bodies[name] = values
    state = replace(state, bodies=bodies)
    for k in range(steps):
        now = control.later(k * 0.01) if isinstance(control, Trajectory) else control
        before, time_us = state, state.time_us + 10_000
        ego, bodies = step_ego(state.ego, now, vehicle, static_map.surface, 0.01), state.bodies.copy()
        advance_bodies(bodies, state.paths, state.counts, time_us * 1e-6, 0.01)
        row = ego_row(scenario, ego)
        for name in ("x", "y", "z", "yaw", "speed"):
            bodies[0][name] = row[name]
        bodies[0]["accel"] = ego.accel
        low, high = max(int(bodies[0]["s"]) - 12, 0), int(bodies[0]["s"]) + 20
        bodies[0]["s"] = max(project_to_path(state.paths[0], state.counts[0], row["x"], row["y"], low, high)[0], 0.0)
        place_on_paths(bodies, state.paths, state.counts, 1)
        state = replace(state, time_us=time_us, ego=ego, bodies=bodies)

        signals = signal_states(static_map, time_us * 1e-6)
        agents = source._agents(bodies, signals)
        touching = frozenset(contacts_with_agents(ego, vehicle, agents))
        events = [f"contact:{i}" for i in sorted(touching - state.tally.touching)]
        hits, off, line = len(events), off_road(ego, vehicle, static_map.surface), _line_crossed(before, state)
        events += ["off_road"] * off
        signal = static_map.stop_lines[line].signal if line >= 0 else -1
        ran = signal >= 0 and signals[signal] == SignalState.RED and line != state.tally.crossed_line
        events += [f"red_light:{signal}"] * int(ran)
        tally = replace(
            state.tally,
            collisions=state.tally.collisions + hits,
            off_road_s=state.tally.off_road_s + 0.01 * off,
            red_lights=state.tally.red_lights + ran,
            driven_m=state.tally.driven_m + hypot(ego.pose.x - before.ego.pose.x, ego.pose.y - before.ego.pose.y),
            min_ttc_s=min(state.tally.min_ttc_s, soonest(bodies)),
            touching=touching,
            crossed_line=line if line >= 0 else state.tally.crossed_line,
        )
        state = replace(state, tally=tally)
        for e, event in enumerate(scenario.events):
            if not state.fired[e] and holds(event.trigger, state, source._rows):
                state = replace(state, fired=(*state.fired[:e], True, *state.fired[e + 1 :]))
                for action in event.actions:
                    state = apply_action(action, state, source._rows, static_map)
                bodies = state.bodies.copy()
                place_on_paths(bodies, state.paths, state.counts, 1)
                state = replace(state, bodies=bodies)
                agents = source._agents(bodies, signals)
        yield SimpleNamespace(ego=ego, agents=agents, events=tuple(events), tally=tally)


def _line_crossed(before: WorldState, after: WorldState) -> int:
    """Stop line that the ego's front passed in this step, -1 where none."""
    front = 0.5 * after.bodies[0]["length"]
    low, high = before.bodies[0]["s"] + front, after.bodies[0]["s"] + front
    path = after.paths[0]
    for k in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        if k < after.counts[0] and path[k, STOP] > 0:
            return int(path[k, STOP]) - 1
    return -1
