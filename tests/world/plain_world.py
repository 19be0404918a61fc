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
from uniscene_sim.world.bodies import MotionMode, project_to_path
from uniscene_sim.world.ego import EgoState, pose_on_ground, pure_pursuit
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
    found = time_to_collision(state, rows[trigger.agent], rows[trigger.other], trigger.value)
    return found <= trigger.value


def time_to_collision(state: WorldState, i: int, j: int, most_s: float = 10.0) -> float:
    """Seconds until two boxes touch, by looking each 10 ms at where their paths lead; inf where they never do."""
    t = np.arange(0.0, most_s + 0.005, 0.01)
    a, b = predicted(state, i, t), predicted(state, j, t)
    first, second = state.bodies[i], state.bodies[j]
    reach = 0.5 * (np.hypot(first["length"], first["width"]) + np.hypot(second["length"], second["width"]))
    near = (np.hypot(*(a[:, :2] - b[:, :2]).T) < reach) & (np.abs(a[:, 2] - b[:, 2]) < 3.0)
    for k in np.flatnonzero(near):
        boxes = [np.array([*p[k, [0, 1, 3]], r["length"], r["width"]]) for p, r in ((a, first), (b, second))]
        if boxes_overlap(*boxes):
            return float(t[k])
    return np.inf


def predicted(state: WorldState, i: int, t: np.ndarray) -> np.ndarray:
    """x, y, z, yaw (T, 4) of a body at times (T,) from now, if it goes on at its speed; replayed ones excepted."""
    row, path = state.bodies[i], state.paths[i, : state.counts[i]]
    pose = np.array([row[n] for n in ("x", "y", "z", "yaw")])
    stands = row["mode"] == MotionMode.STATIC or (row["mode"] == MotionMode.WALK and not row["started"])
    way = 0.0 * t if stands else row["speed"] * t
    if not way.any():
        return np.tile(pose, (len(t), 1))

    def on_path(s: np.ndarray) -> np.ndarray:
        k = np.clip(np.floor(s).astype(int), 0, len(path) - 2)
        out = path[k, :4] + (s - k)[:, None] * (path[k + 1, :4] - path[k, :4])
        out[:, 3] = path[k, 3] + np.clip(s - k, 0, 1) * (path[k + 1, 3] - path[k, 3])
        return out

    def beside(points: np.ndarray, left: np.ndarray) -> np.ndarray:
        points[:, 0] -= left * np.sin(points[:, 3])
        points[:, 1] += left * np.cos(points[:, 3])
        return points

    if i == 0:
        at = on_path(np.array([row["s"]]))[0]
        dx, dy = pose[:2] - at[:2]
        along, left = cos(at[3]) * dx + sin(at[3]) * dy, cos(at[3]) * dy - sin(at[3]) * dx
        turn = float(wrap_angle(pose[3] - at[3]))
        if len(path) < 3 or abs(left) > 8 or abs(along) > 8 or abs(turn) > 0.6:
            return pose + way[:, None] * np.array([cos(pose[3]), sin(pose[3]), 0.0, 0.0])
        out = beside(on_path(row["s"] + along + way), left + way / (1 + t) * tan(turn))
        out[:, 3] += turn / (1 + t) ** 2
        return out
    s = row["s"] + way
    if row["mode"] == MotionMode.WALK:
        s = np.minimum(s, len(path) - 1.0)

    def offset(s: np.ndarray) -> np.ndarray:
        if not row["offset_length"]:
            return 0.0 * s
        x, length = s - row["offset_begin"], row["offset_length"]
        q = np.clip(x / length, 0.0, 1.0)
        at_end, slope = row["offset_from"], row["offset_slope"]
        fades, turns = 1 - 10 * q**3 + 15 * q**4 - 6 * q**5, q - 6 * q**3 + 8 * q**4 - 3 * q**5
        return at_end * fades + slope * length * turns + slope * np.minimum(x, 0.0)

    if row["cls"] == AgentClass.PEDESTRIAN:
        out = beside(on_path(s), offset(s))
    else:
        reach = 0.3 * row["length"]
        front, rear = (beside(on_path(s + d), offset(s + d)) for d in (reach, -reach))
        out = 0.5 * (front + rear)
        out[:, 3] = np.arctan2(front[:, 1] - rear[:, 1], front[:, 0] - rear[:, 0])
    return out if row["offset_length"] else beside(out, np.full(len(t), row["offset"]))


def soonest(state: WorldState) -> float:
    """Least time to collision of the ego, the first body, with anybody."""
    there = np.flatnonzero(state.bodies["mode"] != MotionMode.ABSENT)[1:]
    return min((time_to_collision(state, 0, j) for j in there.tolist()), default=np.inf)


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
        advance_bodies(bodies, state.paths, state.counts, source._begin.tracks, time_us * 1e-6, 0.01)
        row = ego_row(scenario, ego)
        for name in ("x", "y", "z", "yaw", "speed"):
            bodies[0][name] = row[name]
        bodies[0]["accel"] = ego.accel
        low, high = max(int(bodies[0]["s"]) - 12, 0), int(bodies[0]["s"]) + 20
        bodies[0]["s"] = max(project_to_path(state.paths[0], state.counts[0], row["x"], row["y"], low, high)[0], 0.0)
        place_on_paths(bodies, state.paths, state.counts, 1)
        state = replace(state, time_us=time_us, ego=ego, bodies=bodies)

        signals = signal_states(static_map, time_us * 1e-6)
        agents = source._agents(source._world, bodies, signals)
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
            ttc_s=(ttc := soonest(state) if time_us % 100_000 == 0 else state.tally.ttc_s),
            min_ttc_s=min(state.tally.min_ttc_s, ttc),
            touching=touching,
            crossed_line=line if line >= 0 else state.tally.crossed_line,
        )
        state = replace(state, tally=tally)
        for e, event in enumerate(scenario.events):
            if not state.fired[e] and holds(event.trigger, state, source._rows):
                state = replace(state, fired=(*state.fired[:e], True, *state.fired[e + 1 :]))
                state, begun = source._begin_actions(e, state)
                events += begun
                bodies = state.bodies.copy()
                place_on_paths(bodies, state.paths, state.counts, 1)
                state = replace(state, bodies=bodies)
                agents = source._agents(source._world, bodies, signals)
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
