"""Agents as splats: the surface voxels of their templates, posed each tick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uniscene_sim.camera.raycast.shading import LINEAR_RGB
from uniscene_sim.camera.splat.appearance import Body
from uniscene_sim.camera.splat.patch import RECORDED, Patch, pack_patch
from uniscene_sim.camera.splat.project import Placement
from uniscene_sim.camera.splat.splats import Splats, merge_splats
from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, Material
from uniscene_sim.tracing.agents import PosedAgents, TemplateSource

__all__ = ["LEVELS_M", "body_patch", "place_agent", "template_patch", "template_splats"]

#: Sizes of the levels of detail, m.
LEVELS_M = (0.1, 0.2, 0.4, 0.8)
_FLAT = 0.1  # standard deviation of a voxel's splat along its normal, in voxels


def template_patch(templates: TemplateSource, index: int) -> Patch:
    """All levels of `template_splats`."""
    finest, voxel = template_splats(templates, index), float(np.asarray(templates.voxel_m)[index])
    levels = [merge_splats(finest, size) if size > voxel else finest for size in LEVELS_M]
    return pack_patch(levels, LEVELS_M, chunk_m=None)


def template_splats(templates: TemplateSource, index: int) -> Splats:
    """The splats of a template in its natural size; x forward, y left, z up, from the middle of its footprint, m."""
    shape, voxel = np.asarray(templates.shape)[index], float(np.asarray(templates.voxel_m)[index])
    begin = int(np.asarray(templates.offset)[index])
    rows = slice(begin, begin + int(np.prod(shape)))
    material = np.asarray(templates.material)[rows].reshape(shape)
    normal = np.asarray(templates.normal)[rows].reshape(*shape, 3)
    solid = np.pad(material != Material.NONE, 1)
    inside = solid[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for step in (-1, 1):
            inside &= np.roll(solid, step, axis)[1:-1, 1:-1, 1:-1]
    at = np.argwhere((material != Material.NONE) & ~inside)
    length = np.linalg.norm(normal[tuple(at.T)].astype(np.float64), axis=1, keepdims=True)
    n = np.where(length > 0.0, normal[tuple(at.T)] / np.maximum(length, 1e-9), 0.0)
    i, j = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2])
    flat = np.where((n != 0.0).any(axis=1), 1.0, 0.0)[:, None]
    # a square of the voxel's size across its normal
    spread = (i == j) - (1.0 - 12.0 * _FLAT**2) * flat * n[:, i] * n[:, j]
    what = material[tuple(at.T)]
    count = len(at)
    return Splats(
        ((at + 0.5) * voxel - np.array([0.5, 0.5, 0.0]) * shape * voxel).astype(np.float32),
        (spread * voxel**2 / 12.0).astype(np.float32),
        n.astype(np.float32),
        np.ones(count, np.float32),
        LINEAR_RGB[what].astype(np.float32),
        what,
        np.zeros(count, np.uint16),
        np.full(count, voxel**2, np.float32),
    )


def body_patch(templates: TemplateSource, body: Body) -> Patch:
    """All levels of a recorded body, in its template's natural size.

    Raises:
        InputError: it is not of this set of templates.
    """
    if not 0 <= body.template < len(np.asarray(templates.size_m)):
        raise InputError(f"expected a template below {len(np.asarray(templates.size_m))}, got {body.template}")
    finest = template_splats(templates, body.template)
    if len(finest) != len(body.albedo):
        raise InputError(f"expected {len(finest)} colours of template {body.template}, got {len(body.albedo)}")
    finest = replace(finest, albedo=body.albedo)
    patch = pack_patch([merge_splats(finest, size) for size in LEVELS_M], LEVELS_M, chunk_m=None)
    patch.light[:, 0] = RECORDED
    return patch


def place_agent(
    agents: PosedAgents, rgb: np.ndarray, templates: TemplateSource, n: int, template: int | None = None
) -> Placement:
    """Where an agent stands.

    Args:
        agents: all.
        rgb: float64 (3, 3), its paint, upper and lower clothes, linear.
        templates: shapes.
        n: row of the agent.
        template: whose splats are placed; None for its own.
    """
    stretch = agents.size[n] / np.asarray(templates.size_m)[agents.template[n] if template is None else template]
    turn = agents.rotation[n]
    return Placement(
        np.ascontiguousarray(turn * stretch),
        np.ascontiguousarray(agents.position[n]),
        np.ascontiguousarray(turn / stretch),
        n,
        int(AGENT_OCC_CLASS[agents.cls[n]]),
        rgb,
        template is not None,
    )
