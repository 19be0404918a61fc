"""Projection and blending of splats in plain NumPy, against which the kernels of `project` and `blend` are tested.

One splat after the other, one pixel after the other: without culling, bins, early ends, votes or single precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.splat.blend import MOST_ALPHA, Blended, depth_bucket, new_blended
from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.camera.splat.project import (
    ASIDE,
    BEHIND,
    BLUR_PX2,
    FIELDS,
    LEAST_ALPHA,
    NEAR_M,
    PEAK,
    Eye,
    Placement,
    image_edges,
)
from uniscene_sim.lens import FISHEYE, PINHOLE, project_points
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass

__all__ = ["PixelWeights", "Projection", "blend_plainly", "depth_order", "pixel_weights", "project_plainly"]

_PARTS = (Material.BODY, Material.CLOTH_UPPER, Material.CLOTH_LOWER)
_STEP = 1e-5  # of the distance, for derivatives of lenses


class Projection(NamedTuple):
    """What an eye may see of a patch."""

    rows: np.ndarray  # float64 (M, 22), columns `FIELDS`
    numbers: np.ndarray  # int64 (M,), which splat each row is


class PixelWeights(NamedTuple):
    """What is seen at a point of the image, nearest first."""

    rows: np.ndarray  # int64 (K,), of projected splats
    weights: np.ndarray  # float64 (K,), their shares of the light


def project_plainly(patch: Patch, place: Placement, eye: Eye) -> Projection:
    """What an eye may see of a patch, as `project.project_patch`."""
    turn = eye.rotation.T @ place.affine  # optical <- patch
    shift = eye.rotation.T @ (place.shift - eye.position)
    rows = [
        (row, q)
        for q in _shown(patch, turn, shift, place, eye)
        if (row := _project(patch, q, place, eye, turn, shift)) is not None
    ]
    return Projection(
        np.array([row for row, _ in rows]).reshape(-1, len(FIELDS)), np.array([q for _, q in rows], np.int64)
    )


def _shown(patch: Patch, turn: np.ndarray, shift: np.ndarray, place: Placement, eye: Eye) -> list[int]:
    """The splats of the coarsest levels that are fine enough, by chunks."""
    grown = max(1.0, float(np.linalg.norm(place.affine, axis=0).max()))
    shown: list[int] = []
    for c, bounds in enumerate(patch.bounds.astype(np.float64)):
        away = np.linalg.norm(turn @ bounds[:3] + shift) - bounds[3] * grown
        fine = patch.level_m * eye.lens[1] <= eye.level_px * max(away, NEAR_M)
        level = max(np.flatnonzero(fine), default=0)
        shown += range(patch.first[level, c], patch.first[level, c + 1])
    return shown


def _project(
    patch: Patch, q: int, place: Placement, eye: Eye, turn: np.ndarray, shift: np.ndarray
) -> np.ndarray | None:
    """Row (22,) of a splat, None if it is not seen."""
    point = turn @ patch.means[q].astype(np.float64) + shift
    fisheye = eye.lens[0] == FISHEYE
    distance = float(np.linalg.norm(point))
    if (not fisheye and point[2] < NEAR_M) or not NEAR_M <= distance <= eye.far_m:
        return None
    sight = eye.rotation @ point / distance
    normal = place.turn @ patch.normals[q].astype(np.float64)
    length = np.linalg.norm(normal)
    normal = normal / length if length > 0.0 else -sight
    if normal @ sight > BEHIND:
        return None
    pixel, seen = project_points(eye.lens, point[None])
    if not seen[0]:
        return None
    jacobian = _jacobian(eye, point, distance)
    xx, xy, xz, yy, yz, zz = patch.covariances[q].astype(np.float64)
    covariance = turn @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ turn.T
    sharp = jacobian @ covariance @ jacobian.T
    blurred = sharp + BLUR_PX2 * np.eye(2)
    peak = PEAK * patch.opacities[q] * np.sqrt(max(np.linalg.det(sharp), 0.0) / np.linalg.det(blurred))
    if peak < LEAST_ALPHA:
        return None
    extent = np.sqrt(2.0 * np.log(peak / LEAST_ALPHA) * np.diag(blurred))
    if (pixel[0] + extent <= 0.0).any() or (pixel[0] - extent >= (eye.width, eye.height)).any():
        return None
    inverse = np.linalg.inv(blurred)
    slope = np.zeros(2) if fisheye else inverse @ (jacobian @ covariance[:, 2])
    material, agent = Material(patch.material[q]), place.row >= 0
    dyed = agent and material in _PARTS and not place.painted
    return np.array([
        *pixel[0], inverse[0, 0], inverse[0, 1], inverse[1, 1], distance if fisheye else point[2], peak,
        *(place.rgb[_PARTS.index(material)] if dyed else patch.albedo[q]), *normal, *patch.light[q], *extent,
        material, place.row, place.label if agent else MATERIAL_LABEL[material], *slope,
    ])  # fmt: skip


def _jacobian(eye: Eye, point: np.ndarray, distance: float) -> np.ndarray:
    """Derivative (2, 3) of the image point by the point, px/m; of lenses with a plane image not far beside it."""
    model, focal = eye.lens[0], eye.lens[1:3]
    if model != FISHEYE:
        most = ASIDE * np.array(image_edges(eye))
        point = np.append(np.clip(point[:2] / point[2], -most, most), 1.0) * point[2]
    if model == PINHOLE:
        pinhole: np.ndarray = np.column_stack([np.diag(focal), -focal * point[:2] / point[2]]) / point[2]
        return pinhole
    steps = _STEP * distance * np.eye(3)
    ahead, behind = project_points(eye.lens, point + steps)[0], project_points(eye.lens, point - steps)[0]
    central: np.ndarray = (ahead - behind).T / (2.0 * _STEP * distance)
    return central


def depth_order(projected: np.ndarray) -> np.ndarray:
    """Rows int64 (M,) of projected splats by the step of their depth, those of one step in their order."""
    bits = projected[:, 5].astype(np.float32).view(np.int32)
    order: np.ndarray = np.argsort([depth_bucket(b) for b in bits], kind="stable")
    return order


def pixel_weights(projected: np.ndarray, order: np.ndarray, u: float, v: float) -> PixelWeights:
    """What is seen at a point of the image.

    Args:
        projected: (M, 22), see `project.FIELDS`.
        order: their `depth_order`.
        u, v: the point, px.
    """
    x, y = u - projected[:, 0], v - projected[:, 1]
    power = -0.5 * (projected[:, 2] * x * x + projected[:, 4] * y * y) - projected[:, 3] * x * y
    alpha = np.minimum(projected[:, 6] * np.exp(power), MOST_ALPHA)[order]
    shown = alpha >= LEAST_ALPHA
    alpha = alpha[shown]
    return PixelWeights(order[shown], alpha * np.cumprod(np.append(1.0, 1.0 - alpha))[:-1])


def blend_plainly(projected: np.ndarray, width: int, height: int) -> Blended:
    """The image of projected splats (M, 22), see `project.FIELDS`, as `blend.blend_squares`."""
    out, order = new_blended(height, width), depth_order(projected)
    out.opacity[:], out.label[:], out.splat[:] = 0.0, OccClass.FREE, -1
    for v, u in np.ndindex(height, width):
        rows, weights = pixel_weights(projected, order, u + 0.5, v + 0.5)
        if not len(rows):
            continue
        some, opacity = projected[rows], weights.sum()
        mean = weights @ some / opacity
        clear = 1.0 - np.cumsum(weights) + weights  # before each splat
        half = some[np.flatnonzero(clear >= 0.5)[-1]]
        out.opacity[v, u] = opacity
        out.depth[v, u] = half[5] + half[20] * (u + 0.5 - half[0]) + half[21] * (v + 0.5 - half[1])
        out.albedo[v, u], out.normal[v, u], out.light[v, u] = mean[7:10], mean[10:13], mean[13:15]
        out.label[v, u] = np.bincount(some[:, 19].astype(np.int64), weights).argmax()
        out.splat[v, u] = rows[weights.argmax()]
    return out
