"""Pedestrians, cyclists and motorcyclists, with moving legs."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np

from uniscene_sim.taxonomy import Material as M
from uniscene_sim.tracing.templates.shapes import VoxelCanvas

__all__ = ["cyclist", "motorcyclist", "pedestrian"]

_VOXEL = 0.03


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


def _rider(
    solid: VoxelCanvas, seat: tuple[float, float], lean: float, hands: tuple[float, float], helmet: bool
) -> None:
    """Torso, arms and head above a seat at (x, z)."""
    x, z = seat
    neck = (x + lean, 0.0, z + 0.52)
    solid.paint(solid.capsule((x, 0.06, z), (neck[0], 0.06, neck[2] - 0.04), 0.12), M.CLOTH_UPPER)
    solid.paint(solid.capsule((x, -0.06, z), (neck[0], -0.06, neck[2] - 0.04), 0.12), M.CLOTH_UPPER)
    for side in (-1, 1):
        solid.paint(
            solid.capsule((neck[0], side * 0.17, neck[2] - 0.05), (hands[0], side * 0.24, hands[1]), 0.05),
            M.CLOTH_UPPER,
        )
    _head(solid, neck[0] + 0.06, neck[2] + 0.2, False)
    if helmet:
        solid.paint(solid.ellipsoid((neck[0] + 0.05, 0, neck[2] + 0.23), (0.14, 0.12, 0.14)), M.BODY)
        solid.paint(solid.ellipsoid((neck[0] + 0.12, 0, neck[2] + 0.22), (0.09, 0.1, 0.06)), M.GLASS)


def _spoked_wheel(solid: VoxelCanvas, x: float, radius: float, thick: float) -> None:
    r = np.sqrt((solid.x - x) ** 2 + (solid.z - radius) ** 2)
    solid.paint((np.abs(r - radius + thick) < thick) & (np.abs(solid.y) < thick), M.TYRE)
    solid.paint((r < 0.05) & (np.abs(solid.y) < 0.06), M.CHROME)
    angle = np.arctan2(solid.z - radius, solid.x - x)
    solid.paint((r < radius - thick) & (np.abs(solid.y) < 0.016) & (np.abs(np.sin(3 * angle)) * r < 0.025), M.RIM)


def cyclist(phase: float) -> VoxelCanvas:
    """A bicycle and its rider at a phase (0..1) of the pedals."""
    solid = VoxelCanvas(1.8, 0.64, 1.8, _VOXEL)
    for x in (-0.53, 0.53):
        _spoked_wheel(solid, x, 0.34, 0.03)
    crank = (-0.05, 0.0, 0.3)
    seat, bar = (-0.22, 0.0, 0.9), (0.42, 0.0, 0.98)
    for a, b in ((crank, seat), (crank, (0.36, 0.0, 0.78)), ((-0.18, 0.0, 0.78), (0.36, 0.0, 0.78)),
                 ((-0.53, 0.0, 0.34), crank), ((-0.53, 0.0, 0.34), (-0.18, 0.0, 0.76)),
                 ((0.53, 0.0, 0.34), bar)):  # fmt: skip
        solid.paint(solid.capsule(a, b, 0.028), M.BODY)
    solid.paint(solid.box((0.38, 0.46), (-0.28, 0.28), (0.95, 1.0)), M.TYRE)
    solid.paint(solid.ellipsoid(seat, (0.13, 0.07, 0.04)), M.TYRE)
    for side, turn in ((-1, 0.0), (1, pi)):
        foot = (crank[0] + 0.17 * cos(2 * pi * phase + turn), side * 0.11, crank[2] + 0.17 * sin(2 * pi * phase + turn))
        knee = (0.5 * (foot[0] + seat[0]) + 0.2, side * 0.11, 0.5 * (foot[2] + 0.95) + 0.07)
        solid.paint(solid.capsule((seat[0], side * 0.09, 0.95), knee, 0.075), M.CLOTH_LOWER)
        solid.paint(solid.capsule(knee, foot, 0.055), M.CLOTH_LOWER)
        solid.paint(solid.capsule(foot, (foot[0] + 0.12, foot[1], foot[2]), 0.045), M.TYRE)
    _rider(solid, (seat[0], 0.98), 0.22, (bar[0], bar[2]), helmet=True)
    solid.paint(solid.box((-0.62, -0.56), (-0.05, 0.05), (0.72, 0.8)), M.TAILLIGHT)
    return solid


def motorcyclist() -> VoxelCanvas:
    """A motorcycle and its rider."""
    solid = VoxelCanvas(2.1, 0.84, 1.65, _VOXEL)
    for x in (-0.7, 0.72):
        _spoked_wheel(solid, x, 0.32, 0.06)
    solid.paint(solid.ellipsoid((0.2, 0, 0.78), (0.32, 0.16, 0.17)), M.BODY)
    solid.paint(solid.ellipsoid((0.02, 0, 0.45), (0.34, 0.17, 0.2)), M.BODY_TRIM)
    solid.paint(solid.capsule((-0.75, 0, 0.78), (0.0, 0, 0.72), 0.12), M.BODY_TRIM)
    solid.paint(solid.capsule((0.72, 0, 0.32), (0.5, 0, 0.95), 0.05), M.CHROME)
    solid.paint(solid.capsule((-0.7, 0, 0.32), (-0.1, 0, 0.45), 0.05), M.CHROME)
    solid.paint(solid.box((0.42, 0.5), (-0.38, 0.38), (0.98, 1.04)), M.TYRE)
    solid.paint(solid.ellipsoid((0.66, 0, 0.86), (0.1, 0.11, 0.1)), M.HEADLIGHT)
    solid.paint(solid.box((-0.92, -0.84), (-0.1, 0.1), (0.76, 0.86)), M.TAILLIGHT)
    for side in (-1, 1):
        solid.paint(solid.capsule((-0.25, side * 0.14, 0.85), (0.15, side * 0.22, 0.72), 0.085), M.CLOTH_LOWER)
        solid.paint(solid.capsule((0.15, side * 0.22, 0.72), (-0.1, side * 0.22, 0.32), 0.07), M.CLOTH_LOWER)
        solid.paint(solid.capsule((-0.1, side * 0.22, 0.3), (0.06, side * 0.22, 0.28), 0.06), M.TYRE)
        indicator = M.INDICATOR_LEFT if side > 0 else M.INDICATOR_RIGHT
        solid.paint(solid.ellipsoid((-0.82, side * 0.2, 0.8), (0.06, 0.06, 0.05)), indicator)
    _rider(solid, (-0.28, 0.9), 0.24, (0.46, 1.0), helmet=True)
    return solid
