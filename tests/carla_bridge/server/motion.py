"""How actors move in a tick: vehicles as kinematic bicycles about the rear axle.

The frame is left-handed: y to the right, yaw and steering angles clockwise.
"""

from __future__ import annotations

import math

from tests.carla_bridge.server.actors import GREEN, RED, YELLOW, Actor, Drive, VehicleState, forward

MAX_ACCEL = 3.5  # m/s2 at full throttle
MAX_BRAKE = 8.0  # m/s2 at full brake, and of the hand brake
_NEXT = {GREEN: YELLOW, YELLOW: RED, RED: GREEN}


def move(actor: Actor, delta_s: float) -> None:
    """Moves a vehicle, a walker or the state of a light."""
    if actor.light:
        _cycle(actor, delta_s)
    elif actor.walker:
        _walk(actor, delta_s)
    elif actor.vehicle:
        _MOVES[actor.vehicle.drive](actor, actor.vehicle, delta_s)


def _pedals(actor: Actor, vehicle: VehicleState, delta_s: float) -> None:
    throttle, steer, brake, hand_brake, reverse, _, _ = vehicle.control
    vehicle.steer_deg = max(-1.0, min(1.0, steer)) * vehicle.max_steer_deg
    braking = max(min(brake, 1.0) * MAX_BRAKE, MAX_BRAKE if hand_brake else 0.0)
    if braking:
        _roll(actor, vehicle, 0.0, braking, delta_s)
    else:
        push = max(0.0, min(1.0, throttle)) * MAX_ACCEL
        _roll(actor, vehicle, -math.inf if reverse else math.inf, push, delta_s)


def _ackermann(actor: Actor, vehicle: VehicleState, delta_s: float) -> None:
    """The speed is followed with the acceleration asked for, or as hard as can be for zero; steering likewise."""
    steer_rad, steer_speed, speed, acceleration, _ = vehicle.ackermann
    wanted = max(-vehicle.max_steer_deg, min(vehicle.max_steer_deg, math.degrees(steer_rad)))
    turn = math.degrees(abs(steer_speed)) * delta_s if steer_speed else math.inf
    vehicle.steer_deg += max(-turn, min(turn, wanted - vehicle.steer_deg))
    slows = abs(speed) < abs(vehicle.speed) or speed * vehicle.speed < 0.0
    bound = MAX_BRAKE if slows else MAX_ACCEL
    used = min(abs(acceleration), bound) if acceleration else bound
    changes = abs(speed - vehicle.speed) > 1e-9
    vehicle.control = [
        used / MAX_ACCEL if changes and not slows else 0.0, vehicle.steer_deg / vehicle.max_steer_deg,
        used / MAX_BRAKE if changes and slows else 0.0, False, speed < 0.0, False, 1,
    ]  # fmt: skip
    _roll(actor, vehicle, speed, used, delta_s)


def _roll(actor: Actor, vehicle: VehicleState, target: float, acceleration: float, delta_s: float) -> None:
    """A tick towards the speed `target` (m/s) with `acceleration` (m/s2, positive), round the exact circle."""
    before = vehicle.speed
    gap = target - before
    reach = min(delta_s, abs(gap) / acceleration) if acceleration else 0.0  # time until the target is reached
    after = before + math.copysign(acceleration * reach, gap) if reach else before
    if acceleration and reach < delta_s:
        after = target
    distance = (before + after) / 2 * reach + after * (delta_s - reach)
    curvature = math.tan(math.radians(vehicle.steer_deg)) / vehicle.wheel_base
    yaw = math.radians(actor.rotation[1])
    turn = distance * curvature
    chord = distance if abs(turn) < 1e-9 else 2.0 * math.sin(turn / 2) / curvature
    half = vehicle.wheel_base / 2  # from the rear axle to the origin
    rear_x = actor.location[0] - half * math.cos(yaw) + chord * math.cos(yaw + turn / 2)
    rear_y = actor.location[1] - half * math.sin(yaw) + chord * math.sin(yaw + turn / 2)
    yaw += turn
    ahead_x, ahead_y = math.cos(yaw), math.sin(yaw)
    vehicle.speed, omega = after, after * curvature
    velocity = [after * ahead_x - omega * half * ahead_y, after * ahead_y + omega * half * ahead_x, 0.0]
    actor.acceleration = [(new - old) / delta_s for new, old in zip(velocity, actor.velocity, strict=True)]
    actor.location = [rear_x + half * ahead_x, rear_y + half * ahead_y, actor.location[2]]
    actor.rotation = [actor.rotation[0], wrapped(math.degrees(yaw)), actor.rotation[2]]
    actor.velocity, actor.angular_velocity = velocity, [0.0, 0.0, math.degrees(omega)]


def _coast(actor: Actor, vehicle: VehicleState, delta_s: float) -> None:
    """At a velocity that was given, in the frame of the world or its own, with a turn that was given."""
    x, y, z = vehicle.target_velocity
    if vehicle.drive is Drive.CONSTANT:
        ahead_x, ahead_y = forward(actor.rotation[1])
        x, y = x * ahead_x - y * ahead_y, x * ahead_y + y * ahead_x
    actor.acceleration = [(new - old) / delta_s for new, old in zip((x, y, z), actor.velocity, strict=True)]
    actor.velocity, actor.angular_velocity = [x, y, z], list(vehicle.target_turn)
    px, py, pz = actor.location
    actor.location = [px + x * delta_s, py + y * delta_s, pz + z * delta_s]
    pitch, yaw, roll = actor.rotation
    actor.rotation = [pitch, wrapped(yaw + vehicle.target_turn[2] * delta_s), roll]
    ahead_x, ahead_y = forward(yaw)
    vehicle.speed = x * ahead_x + y * ahead_y


def _autopilot(actor: Actor, vehicle: VehicleState, delta_s: float) -> None:
    """Straight on, or from one way point to the next and to a stop at the last."""
    before, came_from = actor.rotation[1], actor.velocity
    x, y, z = actor.location
    left = vehicle.cruise * delta_s
    had_path = bool(vehicle.path)
    ended = vehicle.cruise == 0.0
    while had_path and left > 0.0 and not ended:
        dx, dy = vehicle.path[0][0] - x, vehicle.path[0][1] - y
        step = math.hypot(dx, dy)
        if step > 1e-6:
            actor.rotation = [actor.rotation[0], math.degrees(math.atan2(dy, dx)), actor.rotation[2]]
        if step > left:
            x, y, left = x + dx * left / step, y + dy * left / step, 0.0
        else:
            x, y, left = *vehicle.path.pop(0)[:2], left - step
            if not vehicle.path:
                ended, vehicle.cruise = True, 0.0
    ahead_x, ahead_y = forward(actor.rotation[1])
    if not had_path:
        x, y = x + ahead_x * left, y + ahead_y * left
    vehicle.speed = 0.0 if ended else vehicle.cruise
    actor.location = [x, y, z]
    actor.velocity = [vehicle.speed * ahead_x, vehicle.speed * ahead_y, 0.0]
    actor.acceleration = [(new - old) / delta_s for new, old in zip(actor.velocity, came_from, strict=True)]
    actor.angular_velocity = [0.0, 0.0, wrapped(actor.rotation[1] - before) / delta_s]


def _walk(actor: Actor, delta_s: float) -> None:
    assert actor.walker is not None
    length = math.hypot(*actor.walker.direction[:2])
    speed = actor.walker.speed if length else 0.0
    x, y = (actor.walker.direction[0] / length, actor.walker.direction[1] / length) if length else (0.0, 0.0)
    actor.velocity = [speed * x, speed * y, 0.0]
    if speed:
        px, py, pz = actor.location
        actor.location = [px + speed * x * delta_s, py + speed * y * delta_s, pz]
        actor.rotation = [0.0, math.degrees(math.atan2(y, x)), 0.0]


def _cycle(actor: Actor, delta_s: float) -> None:
    light = actor.light
    assert light is not None
    if light.frozen or light.state not in _NEXT:
        return
    light.elapsed_s += delta_s
    if light.elapsed_s >= light.seconds[light.state] - 1e-9:
        light.elapsed_s -= light.seconds[light.state]
        light.state = _NEXT[light.state]


def wrapped(angle_deg: float) -> float:
    """Into [-180, 180)."""
    return (angle_deg + 180.0) % 360.0 - 180.0


_MOVES = {
    Drive.CONTROL: _pedals,
    Drive.ACKERMANN: _ackermann,
    Drive.VELOCITY: _coast,
    Drive.CONSTANT: _coast,
    Drive.AUTOPILOT: _autopilot,
}
