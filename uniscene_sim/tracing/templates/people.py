"""Pedestrians, cyclists and motorcyclists, with moving legs."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from uniscene_sim.taxonomy import Material as M
from uniscene_sim.tracing.templates.shapes import VoxelCanvas

__all__ = ["cyclist", "motorcyclist", "pedestrian"]

_VOXEL = 0.03
Point = tuple[float, float, float]  # m


def pedestrian(phase: float, skirt: bool = False, long_hair: bool = False, coat: bool = False) -> VoxelCanvas:
    """A person 1.75 m tall at a phase (0..1) of the stride.

    Args:
        phase: at 0 and 0.5 the legs pass each other, at 0.25 and 0.75 they are farthest apart.
        skirt, long_hair, coat: what is worn; a coat reaches to the knees.
    """
    solid = VoxelCanvas(0.72, 0.6, 1.75, _VOXEL)
    swing, passing = sin(2 * pi * phase), cos(2 * pi * phase)
    for side, sign in ((-1, 1), (1, -1)):
        reach = 0.2 * swing * sign
        lift = max(0.0, passing * sign)  # of the leg that swings forward
        hip = (0.0, side * 0.08, 0.9)
        knee = (0.5 * reach + 0.04 + 0.1 * lift, side * 0.085, 0.5 + 0.02 * lift)
        ankle = (reach - 0.03 - 0.08 * lift - 0.04 * max(0.0, -reach), side * 0.08, 0.1 + 0.1 * lift)
        toe = (ankle[0] + 0.15, ankle[1], ankle[2] - 0.05 - 0.03 * lift)
        solid.paint(solid.capsule(hip, knee, 0.085), M.SKIN if skirt else M.CLOTH_LOWER)
        solid.paint(solid.capsule(knee, ankle, 0.06), M.SKIN if skirt else M.CLOTH_LOWER)
        solid.paint(solid.capsule(ankle, toe, 0.05), M.TYRE)
        shoulder = (0.0, side * 0.175, 1.39)
        elbow = (-0.4 * reach - 0.03, side * 0.215, 1.12)
        hand = (-0.85 * reach + 0.05, side * 0.2, 0.9)
        solid.paint(solid.capsule(shoulder, elbow, 0.055), M.CLOTH_UPPER)
        solid.paint(solid.capsule(elbow, hand, 0.045), M.CLOTH_UPPER)
        solid.paint(solid.ellipsoid((hand[0], hand[1], hand[2] - 0.05), (0.05, 0.035, 0.075)), M.SKIN)
    hips = solid.ellipsoid((0, 0, 0.93), (0.13, 0.155, 0.11))
    solid.paint(hips, M.CLOTH_LOWER)
    if skirt:
        _flare(solid, 0.55, 0.98, 0.1, M.CLOTH_LOWER)
    # From the waist, the chest widens towards the shoulders and is deepest below them.
    rise = np.clip((solid.z - 1.0) / 0.35, 0, 1)
    chest = (solid.x / (0.11 + 0.025 * rise)) ** 2 + (solid.y / (0.135 + 0.035 * rise)) ** 2 < 1
    solid.paint(chest & (solid.z > 0.96) & (solid.z < 1.4), M.CLOTH_UPPER)
    solid.paint(solid.ellipsoid((0, 0, 1.39), (0.11, 0.19, 0.075)), M.CLOTH_UPPER)
    if coat:
        _flare(solid, 0.5, 1.05, 0.06, M.CLOTH_UPPER)
    _head(solid, 0.015, 1.615, long_hair)
    return solid


def _flare(solid: VoxelCanvas, low: float, high: float, wider: float, cloth: M) -> None:
    """A skirt or the lower part of a coat between two heights (m), `wider` (m) at its hem."""
    spread = 0.135 + wider * np.clip((high - solid.z) / (high - low), 0, 1)
    around = (solid.x / spread) ** 2 + (solid.y / (spread + 0.025)) ** 2 < 1
    solid.paint(around & (solid.z > low) & (solid.z < high), cloth)


def _head(solid: VoxelCanvas, x: float, z: float, long_hair: bool) -> None:
    solid.paint(solid.capsule((x, 0, z - 0.2), (x, 0, z - 0.08), 0.05), M.SKIN)
    solid.paint(solid.ellipsoid((x, 0, z), (0.10, 0.08, 0.125)), M.SKIN)
    hair = solid.ellipsoid((x - 0.015, 0, z + 0.025), (0.11, 0.09, 0.12))
    solid.paint(hair & ((solid.z > z + 0.05) | (solid.x < x - 0.03)), M.HAIR)
    if long_hair:
        solid.paint(solid.ellipsoid((x - 0.08, 0, z - 0.1), (0.045, 0.085, 0.16)), M.HAIR)


def _bent(a: Point, b: Point, length: float, bend: Point) -> Point:
    """The joint of a limb from a to b whose two halves are `length` long, on the side of `bend`, m."""
    along = np.subtract(b, a)
    reach = float(np.linalg.norm(along))
    side = np.subtract(bend, float(np.dot(bend, along)) / reach**2 * along)
    off = np.sqrt(max(length**2 - 0.25 * reach**2, 0.0)) * side / np.linalg.norm(side)
    x, y, z = (np.add(a, 0.5 * along) + off).tolist()
    return x, y, z


def _rider(solid: VoxelCanvas, hips: Point, shoulders: Point, hands: Point, feet: tuple[Point, Point]) -> None:
    """A person who sits: places in the middle of the body, but for the hands, which are at +-y, and the feet."""
    for side, foot in zip((-1, 1), feet, strict=True):
        hip, ankle = (hips[0], side * 0.09, hips[2]), (foot[0] - 0.05, foot[1], foot[2] + 0.08)
        knee = _bent(hip, ankle, 0.44, (1.0, side * 0.12, 0.2))
        solid.paint(solid.capsule(hip, knee, 0.078), M.CLOTH_LOWER)
        solid.paint(solid.capsule(knee, ankle, 0.055), M.CLOTH_LOWER)
        solid.paint(solid.capsule(ankle, (foot[0] + 0.1, foot[1], foot[2] + 0.03), 0.045), M.TYRE)
    solid.paint(solid.ellipsoid(hips, (0.15, 0.165, 0.12)), M.CLOTH_LOWER)
    low = (hips[0] + 0.02, hips[2] + 0.1)
    for y in (-0.07, 0.07):
        solid.paint(solid.capsule((low[0], 0.8 * y, low[1]), (shoulders[0] - 0.03, y, shoulders[2] - 0.09), 0.115),
                    M.CLOTH_UPPER)  # fmt: skip
    for side in (-1, 1):
        shoulder, hand = (shoulders[0], side * 0.165, shoulders[2] - 0.07), (hands[0], side * hands[1], hands[2])
        elbow = _bent(shoulder, hand, 0.29, (0.0, side * 0.7, -1.0))
        solid.paint(solid.ellipsoid(shoulder, (0.08, 0.075, 0.08)), M.CLOTH_UPPER)
        solid.paint(solid.capsule(shoulder, elbow, 0.055), M.CLOTH_UPPER)
        solid.paint(solid.capsule(elbow, hand, 0.043), M.CLOTH_UPPER)
        solid.paint(solid.ellipsoid(hand, (0.055, 0.05, 0.045)), M.SKIN)


def _spoked_wheel(solid: VoxelCanvas, x: float, radius: float, thick: float) -> None:
    r = np.sqrt((solid.x - x) ** 2 + (solid.z - radius) ** 2)
    solid.paint((np.abs(r - radius + thick) < thick) & (np.abs(solid.y) < thick), M.TYRE)
    solid.paint((r < 0.05) & (np.abs(solid.y) < 0.06), M.CHROME)
    angle = np.arctan2(solid.z - radius, solid.x - x)
    solid.paint((r < radius - thick) & (np.abs(solid.y) < 0.016) & (np.abs(np.sin(3 * angle)) * r < 0.025), M.RIM)


def _mudguard(solid: VoxelCanvas, x: float, radius: float, angles: tuple[float, float], material: M) -> None:
    """An arc over a wheel, between two angles (rad) from the front upwards."""
    r, angle = np.hypot(solid.x - x, solid.z - radius), np.arctan2(solid.z - radius, solid.x - x)
    solid.paint((np.abs(r - radius - 0.035) < 0.02) & (np.abs(solid.y) < 0.05) & (angle > angles[0])
                & (angle < angles[1]), material)  # fmt: skip


def cyclist(phase: float, helmet: bool = True) -> VoxelCanvas:
    """A bicycle and its rider at a phase (0..1) of the pedals, with a helmet, or a rucksack and none."""
    solid = VoxelCanvas(1.8, 0.64, 1.8, _VOXEL)
    for x in (-0.53, 0.53):
        _spoked_wheel(solid, x, 0.34, 0.026)
    crank, seat, head, bar = (-0.06, 0.0, 0.3), (-0.22, 0.0, 0.86), (0.38, 0.0, 0.8), (0.36, 0.0, 1.02)
    for a, b in ((crank, seat), (crank, head), ((-0.19, 0.0, 0.76), head), ((-0.53, 0.0, 0.34), crank),
                 ((-0.53, 0.0, 0.34), (-0.18, 0.0, 0.76)), ((0.53, 0.0, 0.34), bar)):  # fmt: skip
        solid.paint(solid.capsule(a, b, 0.026), M.BODY)
    _mudguard(solid, -0.53, 0.34, (0.7, 2.6), M.BODY_TRIM)
    _mudguard(solid, 0.53, 0.34, (0.6, 2.3), M.BODY_TRIM)
    solid.paint(solid.ellipsoid((-0.8, 0.0, 0.68), (0.04, 0.05, 0.045)), M.TAILLIGHT)
    solid.paint(solid.ellipsoid((0.5, 0.0, 0.84), (0.055, 0.055, 0.05)), M.HEADLIGHT)
    solid.paint(solid.capsule((0.36, -0.24, 1.02), (0.36, 0.24, 1.02), 0.025), M.CHROME)
    solid.paint(solid.ellipsoid((seat[0], 0.0, seat[2] + 0.03), (0.14, 0.08, 0.045)), M.TYRE)
    solid.paint((np.hypot(solid.x - crank[0], solid.z - crank[2]) < 0.09) & (np.abs(solid.y + 0.045) < 0.02), M.CHROME)
    pedals = []
    for side, turn in ((-1, 0.0), (1, pi)):
        angle = 2 * pi * phase + turn  # forward is clockwise, seen from the right
        pedal = (crank[0] + 0.17 * cos(angle), side * 0.13, crank[2] - 0.17 * sin(angle))
        solid.paint(solid.capsule((crank[0], side * 0.09, crank[2]), (pedal[0], side * 0.09, pedal[2]), 0.02), M.CHROME)
        solid.paint(solid.box((pedal[0] - 0.05, pedal[0] + 0.05), (pedal[1] - 0.05, pedal[1] + 0.05),
                              (pedal[2] - 0.015, pedal[2] + 0.02)), M.TYRE)  # fmt: skip
        pedals.append(pedal)
    _rider(solid, (-0.21, 0.0, 0.95), (0.07, 0.0, 1.45), (0.34, 0.22, 1.04), (pedals[0], pedals[1]))
    _head(solid, 0.1, 1.63, not helmet)
    if helmet:
        shell = solid.ellipsoid((0.09, 0, 1.655), (0.15, 0.115, 0.135))
        vents = (np.abs(np.abs(solid.y) - 0.045) < 0.016) & (solid.z > 1.7) & (np.abs(solid.x - 0.09) < 0.1)
        solid.paint(shell & (solid.z > 1.65 - 0.25 * np.minimum(solid.x - 0.09, 0.0)), M.BODY)
        solid.paint(shell & vents, M.TYRE)
    else:
        solid.paint(solid.capsule((-0.2, 0, 1.16), (-0.08, 0, 1.38), 0.12), M.BODY)
    return solid


def motorcyclist() -> VoxelCanvas:
    """A motorcycle and its rider."""
    solid = VoxelCanvas(2.1, 0.84, 1.65, _VOXEL)
    for x in (-0.7, 0.72):
        _spoked_wheel(solid, x, 0.32, 0.06)
        solid.paint((np.hypot(solid.x - x, solid.z - 0.32) < 0.14) & (np.abs(np.abs(solid.y) - 0.09) < 0.02), M.RIM)
    _mudguard(solid, 0.72, 0.32, (0.5, 2.5), M.BODY)
    solid.paint(solid.ellipsoid((0.2, 0, 0.8), (0.32, 0.17, 0.17)), M.BODY)
    solid.paint(solid.ellipsoid((0.02, 0, 0.45), (0.34, 0.17, 0.2)), M.BODY_TRIM)
    solid.paint(solid.capsule((-0.62, 0, 0.76), (-0.05, 0, 0.7), 0.11), M.TYRE)
    solid.paint(solid.capsule((-0.85, 0, 0.82), (-0.6, 0, 0.74), 0.08), M.BODY)
    for side in (-1, 1):
        solid.paint(solid.capsule((0.72, side * 0.1, 0.32), (0.46, side * 0.1, 1.0), 0.04), M.CHROME)
        solid.paint(solid.capsule((-0.7, side * 0.1, 0.32), (-0.1, side * 0.1, 0.42), 0.04), M.CHROME)
        solid.paint(solid.capsule((0.44, side * 0.3, 1.02), (0.42, side * 0.3, 1.2), 0.02), M.TYRE)
        solid.paint(solid.ellipsoid((0.42, side * 0.33, 1.2), (0.03, 0.065, 0.045)), M.BODY_TRIM)
    solid.paint(solid.capsule((-0.85, -0.17, 0.42), (0.0, -0.17, 0.32), 0.05), M.CHROME)  # exhaust
    solid.paint(solid.box((0.4, 0.47), (-0.36, 0.36), (0.98, 1.03)), M.TYRE)
    solid.paint(solid.ellipsoid((0.6, 0, 0.94), (0.13, 0.15, 0.13)), M.BODY)
    solid.paint(solid.ellipsoid((0.66, 0, 0.92), (0.1, 0.11, 0.1)), M.HEADLIGHT)
    solid.paint(solid.box((-0.95, -0.86), (-0.11, 0.11), (0.78, 0.88)), M.TAILLIGHT)
    solid.paint(solid.box((-0.95, -0.91), (-0.11, 0.11), (0.6, 0.74)), M.SIGN_WHITE)
    for side in (-1, 1):
        for x in (-0.86, 0.6):
            indicator = M.INDICATOR_LEFT if side > 0 else M.INDICATOR_RIGHT
            solid.paint(solid.ellipsoid((x, side * 0.2, 0.82), (0.05, 0.06, 0.045)), indicator)
    feet = ((-0.06, -0.22, 0.28), (-0.06, 0.22, 0.28))
    _rider(solid, (-0.26, 0.0, 0.86), (-0.02, 0.0, 1.3), (0.42, 0.29, 1.03), feet)
    helmet = solid.ellipsoid((0.05, 0, 1.49), (0.155, 0.13, 0.155))
    solid.paint(helmet, M.BODY)
    solid.paint(helmet & (solid.x > 0.1) & (np.abs(solid.z - 1.5) < 0.05), M.GLASS)
    return solid
