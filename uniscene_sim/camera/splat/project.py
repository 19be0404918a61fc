"""Splats to the image: their Gaussians through the lens, linearised at each mean (Zwicker et al. 2001, EWA)."""

from __future__ import annotations

from math import log, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.compute.compiled import device, nogil_kernel
from uniscene_sim.lens import FISHEYE, PINHOLE, image_point
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material

__all__ = ["FIELDS", "NEAR_M", "PEAK", "Eye", "Placement", "project_patch"]

#: Columns of a projected splat: image point (px); inverse covariance xx, xy, yy (1/px^2); depth (m); peak of alpha; albedo;
#: normal, map frame; visible shares of sun and sky; half extents (px); material; row of the agent, -1 on the world; OccClass;
#: slope of depth along the image's axes (m/px).
FIELDS = ("u", "v", "xx", "xy", "yy", "depth", "opacity", "r", "g", "b", "nx", "ny", "nz", "sun", "sky", "across", "down",
          "material", "row", "label", "du", "dv")  # fmt: skip
NEAR_M = 0.1
_BODY, _UPPER, _LOWER = int(Material.BODY), int(Material.CLOTH_UPPER), int(Material.CLOTH_LOWER)
#: Times opacity: alpha at the mean, were it not bounded. So splats are flat within and fall off steeply, and neighbours
#: meet without gaps though they hardly overlap.
PEAK = 4.0
_BLUR_PX2 = 0.3  # added to each variance, as in Kerbl's and gsplat's rasterizers, so that no splat is narrower than a pixel
_LEAST_ALPHA = 1.0 / 255.0
_STEP = 1e-3  # of the distance, for derivatives of lenses
_ASIDE = 1.3  # of the tangent of the image's edge: where pinholes are linearised at most


class Eye(NamedTuple):
    """A camera, and the cone that holds its image."""

    rotation: np.ndarray  # float64 (3, 3), map <- optical
    position: np.ndarray  # float64 (3,) m
    lens: np.ndarray  # float64 (11,), see `uniscene_sim.lens`
    width: int  # px
    height: int
    far_m: float
    half_angle: float  # rad, between the axis and the farthest image corner
    level_px: float  # size of splats that is fine enough


class Placement(NamedTuple):
    """Where a patch stands: a point p of it is at affine p + shift in the map."""

    affine: np.ndarray  # float64 (3, 3)
    shift: np.ndarray  # float64 (3,) m
    turn: np.ndarray  # float64 (3, 3), for normals, which need not stay of unit length
    row: int  # of the agent, -1 for the world
    label: int  # OccClass of the agent
    rgb: np.ndarray  # float64 (3, 3), linear, of its body, upper and lower clothes
    painted: bool = False  # the patch has the colours of its clothes and paint already
    first: int = 0  # number of the patch's first splat


@device
def _level(patch: Patch, eye: Eye, away):
    """The coarsest level that is fine enough at a distance, m."""
    level = 0
    for k in range(1, patch.level_m.shape[0]):
        if patch.level_m[k] * eye.lens[1] <= eye.level_px * away:
            level = k
    return level


@nogil_kernel
def project_patch(patch: Patch, place: Placement, eye: Eye, out, numbers, count):
    """Append what an eye may see of a patch.

    Args:
        patch: the splats.
        place: where they stand.
        eye: the camera.
        out: float32 (M, 22), columns `FIELDS`, written from `count` on.
        numbers: int32 (M,), written: which splat each row is.
        count: rows in use.

    Returns:
        rows in use then; more than M if it does not fit.
    """
    cos_half, sin_half = np.cos(eye.half_angle), np.sin(eye.half_angle)
    r, a = eye.rotation, place.affine
    # optical <- patch
    t00 = r[0, 0] * a[0, 0] + r[1, 0] * a[1, 0] + r[2, 0] * a[2, 0]
    t01 = r[0, 0] * a[0, 1] + r[1, 0] * a[1, 1] + r[2, 0] * a[2, 1]
    t02 = r[0, 0] * a[0, 2] + r[1, 0] * a[1, 2] + r[2, 0] * a[2, 2]
    t10 = r[0, 1] * a[0, 0] + r[1, 1] * a[1, 0] + r[2, 1] * a[2, 0]
    t11 = r[0, 1] * a[0, 1] + r[1, 1] * a[1, 1] + r[2, 1] * a[2, 1]
    t12 = r[0, 1] * a[0, 2] + r[1, 1] * a[1, 2] + r[2, 1] * a[2, 2]
    t20 = r[0, 2] * a[0, 0] + r[1, 2] * a[1, 0] + r[2, 2] * a[2, 0]
    t21 = r[0, 2] * a[0, 1] + r[1, 2] * a[1, 1] + r[2, 2] * a[2, 1]
    t22 = r[0, 2] * a[0, 2] + r[1, 2] * a[1, 2] + r[2, 2] * a[2, 2]
    px, py, pz = place.shift[0] - eye.position[0], place.shift[1] - eye.position[1], place.shift[2] - eye.position[2]
    s0 = r[0, 0] * px + r[1, 0] * py + r[2, 0] * pz
    s1 = r[0, 1] * px + r[1, 1] * py + r[2, 1] * pz
    s2 = r[0, 2] * px + r[1, 2] * py + r[2, 2] * pz
    grown = max(1.0, sqrt(max(a[0, 0] ** 2 + a[1, 0] ** 2 + a[2, 0] ** 2, a[0, 1] ** 2 + a[1, 1] ** 2 + a[2, 1] ** 2,
                              a[0, 2] ** 2 + a[1, 2] ** 2 + a[2, 2] ** 2)))  # fmt: skip
    fx, fy, cx, cy = eye.lens[1], eye.lens[2], eye.lens[3], eye.lens[4]
    pinhole, fisheye = eye.lens[0] == PINHOLE, eye.lens[0] == FISHEYE
    most_x, most_y = _ASIDE * max(cx, eye.width - cx) / fx, _ASIDE * max(cy, eye.height - cy) / fy
    n = place.turn
    for c in range(patch.bounds.shape[0]):
        radius = patch.bounds[c, 3] * grown
        if radius < 0.0:
            continue
        bx, by, bz = patch.bounds[c, 0], patch.bounds[c, 1], patch.bounds[c, 2]
        x = t00 * bx + t01 * by + t02 * bz + s0
        y = t10 * bx + t11 * by + t12 * bz + s1
        z = t20 * bx + t21 * by + t22 * bz + s2
        away = sqrt(x * x + y * y + z * z)
        if away - radius > eye.far_m:
            continue
        # outside the cone around the image
        if away > radius and sqrt(x * x + y * y) * cos_half - z * sin_half > radius:
            continue
        if pinhole and (
            (abs(x) * fx - most_x / _ASIDE * fx * z) > radius * sqrt(fx * fx + (most_x / _ASIDE * fx) ** 2)
            or (abs(y) * fy - most_y / _ASIDE * fy * z) > radius * sqrt(fy * fy + (most_y / _ASIDE * fy) ** 2)
        ):
            continue
        level = _level(patch, eye, max(away - radius, NEAR_M))
        for q in range(patch.first[level, c], patch.first[level, c + 1]):
            mx, my, mz = patch.means[q, 0], patch.means[q, 1], patch.means[q, 2]
            x = t00 * mx + t01 * my + t02 * mz + s0
            y = t10 * mx + t11 * my + t12 * mz + s1
            z = t20 * mx + t21 * my + t22 * mz + s2
            if (not fisheye and z < NEAR_M) or x * x + y * y + z * z > eye.far_m * eye.far_m:
                continue
            vx, vy, vz = patch.normals[q, 0], patch.normals[q, 1], patch.normals[q, 2]
            nx = n[0, 0] * vx + n[0, 1] * vy + n[0, 2] * vz
            ny = n[1, 0] * vx + n[1, 1] * vy + n[1, 2] * vz
            nz = n[2, 0] * vx + n[2, 1] * vy + n[2, 2] * vz
            dx = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z
            dy = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z
            dz = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
            facing = nx * dx + ny * dy + nz * dz
            length2 = nx * nx + ny * ny + nz * nz
            if facing > 0.0 and facing * facing > 0.01 * length2 * (dx * dx + dy * dy + dz * dz):
                continue
            if pinhole:
                u, v = cx + fx * x / z, cy + fy * y / z
                jx, jy = min(max(x / z, -most_x), most_x), min(max(y / z, -most_y), most_y)
                j00, j01, j02 = fx / z, 0.0, -fx * jx / z
                j10, j11, j12 = 0.0, fy / z, -fy * jy / z
            else:
                u, v, seen = image_point(eye.lens, x, y, z)
                if not seen:
                    continue
                h = _STEP * sqrt(x * x + y * y + z * z)
                if h < _STEP * NEAR_M:
                    continue
                ua, va, sa = image_point(eye.lens, x + h, y, z)
                ub, vb, sb = image_point(eye.lens, x, y + h, z)
                uc, vc, sc = image_point(eye.lens, x, y, z + h)
                if not (sa and sb and sc):
                    continue
                j00, j01, j02 = (ua - u) / h, (ub - u) / h, (uc - u) / h
                j10, j11, j12 = (va - v) / h, (vb - v) / h, (vc - v) / h
            # image <- patch, (2, 3)
            a0, a1, a2 = (j00 * t00 + j01 * t10 + j02 * t20, j00 * t01 + j01 * t11 + j02 * t21,
                          j00 * t02 + j01 * t12 + j02 * t22)  # fmt: skip
            b0, b1, b2 = (j10 * t00 + j11 * t10 + j12 * t20, j10 * t01 + j11 * t11 + j12 * t21,
                          j10 * t02 + j11 * t12 + j12 * t22)  # fmt: skip
            s = patch.covariances[q]
            g0, g1, g2 = (s[0] * a0 + s[1] * a1 + s[2] * a2, s[1] * a0 + s[3] * a1 + s[4] * a2,
                          s[2] * a0 + s[4] * a1 + s[5] * a2)  # fmt: skip
            h0, h1, h2 = (s[0] * b0 + s[1] * b1 + s[2] * b2, s[1] * b0 + s[3] * b1 + s[4] * b2,
                          s[2] * b0 + s[4] * b1 + s[5] * b2)  # fmt: skip
            xx = a0 * g0 + a1 * g1 + a2 * g2
            xy = a0 * h0 + a1 * h1 + a2 * h2
            yy = b0 * h0 + b1 * h1 + b2 * h2
            sharp = xx * yy - xy * xy
            xx, yy = xx + _BLUR_PX2, yy + _BLUR_PX2
            det = xx * yy - xy * xy
            # what is blurred is as much fainter (Yu et al. 2024, Mip-Splatting)
            peak = PEAK * patch.opacities[q] * sqrt(max(sharp, 0.0) / det)
            if peak < _LEAST_ALPHA:
                continue
            extent = sqrt(2.0 * log(peak / _LEAST_ALPHA))
            across, down = extent * sqrt(xx), extent * sqrt(yy)
            if u + across <= 0.0 or u - across >= eye.width or v + down <= 0.0 or v - down >= eye.height:
                continue
            if count < out.shape[0]:
                o = out[count]
                numbers[count] = place.first + q
                o[0], o[1], o[2], o[3], o[4] = u, v, yy / det, -xy / det, xx / det
                o[5] = sqrt(x * x + y * y + z * z) if fisheye else z
                o[6] = peak
                m = patch.material[q]
                part = 0 if m == _BODY else (1 if m == _UPPER else (2 if m == _LOWER else -1))
                if place.row >= 0 and part >= 0 and not place.painted:
                    o[7], o[8], o[9] = place.rgb[part, 0], place.rgb[part, 1], place.rgb[part, 2]
                else:
                    o[7], o[8], o[9] = patch.albedo[q, 0], patch.albedo[q, 1], patch.albedo[q, 2]
                if length2 > 0.0:
                    scale = 1.0 / sqrt(length2)
                else:  # two-sided: towards the eye
                    nx, ny, nz = -dx, -dy, -dz
                    scale = 1.0 / sqrt(dx * dx + dy * dy + dz * dz)
                o[10], o[11], o[12] = nx * scale, ny * scale, nz * scale
                o[13], o[14] = patch.light[q, 0], patch.light[q, 1]
                o[15], o[16] = across, down
                o[17], o[18] = m, place.row
                # the depth that a Gaussian has in the mean at a pixel
                if fisheye:
                    o[20], o[21] = 0.0, 0.0
                else:
                    zu = t20 * g0 + t21 * g1 + t22 * g2
                    zv = t20 * h0 + t21 * h1 + t22 * h2
                    o[20], o[21] = (zu * yy - zv * xy) / det, (zv * xx - zu * xy) / det
                o[19] = place.label if place.row >= 0 else MATERIAL_LABEL[m]
            count += 1
    return count
