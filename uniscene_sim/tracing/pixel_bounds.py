"""Screen-space bounds of agents, so that a pixel tests only agents that may cover it."""

from __future__ import annotations

import numpy as np

from uniscene_sim.compute.compiled import device, floor, njit
from uniscene_sim.lens import project_points
from uniscene_sim.tracing.agents import PosedAgents

__all__ = ["agent_pixel_bounds", "agent_pixel_bounds_distorted", "agents_at_pixel", "agents_in_column", "agents_in_row"]

#: Unit circle (48, 2): directions around the rim of a cone.
_RIM = np.stack([f(np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)) for f in (np.cos, np.sin)], axis=1)


@njit(cache=True)
def agent_pixel_bounds(agents: PosedAgents, rotation, position, lens, width, height, far, spans):
    """Write the columns and rows that each agent's bounding sphere may cover in a pinhole image.

    Args:
        agents: N agents.
        rotation: float64 (3, 3), map <- optical.
        position: float64 (3,) m, of the camera.
        lens: float64 (11,), see `uniscene_sim.lens`.
        width, height: px.
        far: range, m.
        spans: int64 (N, 4), written: u0, u1, v0, v1 inclusive, u0 > u1 if the agent is out of view.
    """
    fx, fy, cx, cy = lens[1], lens[2], lens[3], lens[4]
    for n in range(agents.template.shape[0]):
        x, y, z = (
            agents.centre[n, 0] - position[0],
            agents.centre[n, 1] - position[1],
            agents.centre[n, 2] - position[2],
        )
        u = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * z
        v = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * z
        w = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * z
        r = agents.radius[n]
        spans[n, 0], spans[n, 1], spans[n, 2], spans[n, 3] = 1, 0, 1, 0
        if w + r < 0.0 or x * x + y * y + z * z > (far + r) ** 2:
            continue
        if w - r < 0.1:
            spans[n, 0], spans[n, 1], spans[n, 2], spans[n, 3] = 0, width, 0, height
            continue
        near, away = 1.0 / (w - r), 1.0 / (w + r)
        spans[n, 0] = int(max(0.0, floor(cx + fx * min((u - r) * near, (u - r) * away)) - 1.0))
        spans[n, 1] = int(min(1.0 * width, floor(cx + fx * max((u + r) * near, (u + r) * away)) + 1.0))
        spans[n, 2] = int(max(0.0, floor(cy + fy * min((v - r) * near, (v - r) * away)) - 1.0))
        spans[n, 3] = int(min(1.0 * height, floor(cy + fy * max((v + r) * near, (v + r) * away)) + 1.0))


def agent_pixel_bounds_distorted(
    agents: PosedAgents, rotation: np.ndarray, position: np.ndarray, lens: np.ndarray, width: int, height: int,
    far: float, spans: np.ndarray,
) -> None:  # fmt: skip
    """As `agent_pixel_bounds`, for lenses with distortion.

    The image of the rim of the cone around a sphere encloses the image of its inside, unless the cone leaves the field
    of view; the whole image is then taken.

    Args:
        agents: N agents.
        rotation: float64 (3, 3), map <- optical.
        position: float64 (3,) m, of the camera.
        lens: float64 (11,), see `uniscene_sim.lens`.
        width, height: px.
        far: range, m.
        spans: int64 (N, 4), written: u0, u1, v0, v1 inclusive.
    """
    centre = (agents.centre - position) @ rotation
    away = np.linalg.norm(centre, axis=1)
    spans[:] = (1, 0, 1, 0)
    for n in np.flatnonzero(away - agents.radius < far):
        spans[n] = (0, width, 0, height)
        if away[n] < 1.1 * agents.radius[n]:
            continue
        axis = centre[n] / away[n]
        half = np.arcsin(agents.radius[n] / away[n]) * 1.02 + 0.005
        aside = np.cross(axis, (1.0, 0.0, 0.0) if abs(axis[0]) < 0.7 else (0.0, 1.0, 0.0))
        aside /= np.linalg.norm(aside)
        rim = np.cos(half) * axis + np.sin(half) * (_RIM[:, :1] * aside + _RIM[:, 1:] * np.cross(axis, aside))
        pixels, seen = project_points(lens, rim)
        if not seen.any() and half < 0.5 and not project_points(lens, axis[None])[1][0]:
            spans[n] = (1, 0, 1, 0)
        elif seen.all() and -axis[2] < np.cos(half):
            low, high = pixels.min(axis=0), pixels.max(axis=0)
            margin = 3.0 + 0.03 * (high - low)
            spans[n, 0::2] = np.clip(np.floor(low - margin), 0, (width, height))
            spans[n, 1::2] = np.clip(np.ceil(high + margin), 0, (width, height))


@device
def agents_in_column(spans, row_of, in_row, u, candidates):
    """Select the agents of an image row that may cover column `u`.

    Args:
        spans: int64 (N, 4).
        row_of: int64 (N,), from `agents_in_row`.
        in_row: how many of these count.
        u: column.
        candidates: int64 (N,), written.

    Returns:
        how many were written.
    """
    count = 0
    for q in range(in_row):
        if spans[row_of[q], 0] <= u <= spans[row_of[q], 1]:
            candidates[count] = row_of[q]
            count += 1
    return count


@device
def agents_in_row(spans, v, row_of):
    """Write the agents that may cover image row `v` into `row_of`, and return their number."""
    count = 0
    for n in range(spans.shape[0]):
        if spans[n, 2] <= v <= spans[n, 3]:
            row_of[count] = n
            count += 1
    return count


@device
def agents_at_pixel(spans, v, u, candidates):
    """Select the agents that may cover one pixel: `agents_in_row` and `agents_in_column` in one pass.

    Args:
        spans: int64 (N, 4).
        v, u: row and column.
        candidates: int64 (N,), written.

    Returns:
        how many were written.
    """
    count = 0
    for n in range(spans.shape[0]):
        if spans[n, 2] <= v <= spans[n, 3] and spans[n, 0] <= u <= spans[n, 1]:
            candidates[count] = n
            count += 1
    return count
