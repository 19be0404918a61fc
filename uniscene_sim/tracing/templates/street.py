"""Cones, barriers and the heads of traffic lights."""

from __future__ import annotations

import numpy as np

from uniscene_sim.taxonomy import Material as M
from uniscene_sim.tracing.templates.shapes import VoxelCanvas

__all__ = ["barrier", "cone", "signal_head"]


def cone() -> VoxelCanvas:
    solid = VoxelCanvas(0.42, 0.42, 0.75, 0.025)
    r = np.sqrt(solid.x**2 + solid.y**2)
    body = (r < 0.155 - 0.16 * solid.z) & (solid.z > 0.03)
    solid.paint(body, M.CONE_ORANGE)
    solid.paint(body & (((solid.z > 0.28) & (solid.z < 0.4)) | ((solid.z > 0.5) & (solid.z < 0.58))), M.CONE_WHITE)
    solid.paint(solid.z < 0.045, M.CONE_ORANGE)
    return solid


def barrier() -> VoxelCanvas:
    """A plank barrier across, red and white."""
    solid = VoxelCanvas(0.4, 1.6, 1.0, 0.04)
    for y in (-0.65, 0.65):
        solid.paint(solid.box((-0.03, 0.03), (y - 0.04, y + 0.04), (0, 1.0)), M.BODY_TRIM)
        solid.paint(solid.box((-0.2, 0.2), (y - 0.04, y + 0.04), (0, 0.08)), M.BODY_TRIM)
    for low in (0.3, 0.72):
        plank = solid.box((-0.03, 0.03), (-0.8, 0.8), (low, low + 0.24))
        solid.paint(plank, M.BARRIER_WHITE)
        solid.paint(plank & ((solid.y + solid.z) % 0.4 < 0.2), M.BARRIER_RED)
    return solid


def signal_head() -> VoxelCanvas:
    """Three lamps facing forward (+x), red at the top."""
    solid = VoxelCanvas(0.35, 0.35, 1.0, 0.025)
    solid.paint(solid.box((-0.175, 0.06), (-0.175, 0.175), (0, 1.0)), M.SIGNAL_HOUSING)
    for z, lamp in ((0.83, M.LAMP_RED), (0.5, M.LAMP_YELLOW), (0.17, M.LAMP_GREEN)):
        r2 = solid.y**2 + (solid.z - z) ** 2
        solid.paint((r2 < 0.13**2) & (solid.x > -0.02) & (solid.x < 0.085), lamp)
        visor = (r2 > 0.125**2) & (r2 < 0.155**2) & (solid.z > z) & (solid.x > 0.0)
        solid.paint(visor, M.SIGNAL_HOUSING)
    return solid
