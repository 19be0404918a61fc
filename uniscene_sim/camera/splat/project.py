"""Splats to the image: their Gaussians through the lens, linearised at each mean (Zwicker et al. 2001, EWA)."""

from __future__ import annotations

from math import log, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.compute.compiled import device, inlined, nogil_kernel
from uniscene_sim.lens import FISHEYE, PINHOLE, image_point, pixel_ray
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material

__all__ = [
    "ASIDE",
    "BEHIND",
    "BLUR_PX2",
    "FIELDS",
    "LEAST_ALPHA",
    "NEAR_M",
    "PEAK",
    "Eye",
    "Placement",
    "image_edges",
    "project_patch",
]

#: Columns of a projected splat: image point (px); inverse covariance xx, xy, yy (1/px^2); depth (m); peak of alpha;
#: albedo; normal, map frame; visible shares of sun and sky; half extents (px); material; row of the agent, -1 on the
#: world; OccClass; slope of depth along the image's axes (m/px).
FIELDS = (
    "u", "v", "xx", "xy", "yy", "depth", "opacity", "r", "g", "b", "nx", "ny", "nz", "sun", "sky", "across", "down",
    "material", "row", "label", "du", "dv",
)  # fmt: skip
NEAR_M = 0.1
_BODY, _UPPER, _LOWER = int(Material.BODY), int(Material.CLOTH_UPPER), int(Material.CLOTH_LOWER)
#: Times opacity: alpha at the mean, were it not bounded. So splats are flat within and fall off steeply, and neighbours
#: meet without gaps though they hardly overlap.
PEAK = 4.0
#: Added to each variance, as in Kerbl's and gsplat's rasterizers, so that no splat is narrower than a pixel.
BLUR_PX2 = 0.3
LEAST_ALPHA = 1.0 / 255.0  # what is fainter is not blended
_STEP = 1e-3  # of the distance, for derivatives of lenses
BEHIND = 0.1  # cosine up to which a surface that faces away is seen, for its splats are flat and it need not be
ASIDE = 1.3  # of the tangent of the image's edge: where lenses with a plane image are linearised at most
_WIDEST = 6.0  # tangent that they have there at most


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


class _Optical(NamedTuple):
    """From a patch to the optical frame: t p + s."""

    t00: float
    t01: float
    t02: float
    t10: float
    t11: float
    t12: float
    t20: float
    t21: float
    t22: float
    s0: float
    s1: float
    s2: float


@device
def _level(patch: Patch, eye: Eye, away):
    """The coarsest level that is fine enough at a distance, m."""
    level = 0
    for k in range(1, patch.level_m.shape[0]):
        if patch.level_m[k] * eye.lens[1] <= eye.level_px * away:
            level = k
    return level


@inlined
def _optical_from_patch(place: Placement, eye: Eye):
    r, a = eye.rotation, place.affine
    px, py, pz = place.shift[0] - eye.position[0], place.shift[1] - eye.position[1], place.shift[2] - eye.position[2]
    return _Optical(
        r[0, 0] * a[0, 0] + r[1, 0] * a[1, 0] + r[2, 0] * a[2, 0],
        r[0, 0] * a[0, 1] + r[1, 0] * a[1, 1] + r[2, 0] * a[2, 1],
        r[0, 0] * a[0, 2] + r[1, 0] * a[1, 2] + r[2, 0] * a[2, 2],
        r[0, 1] * a[0, 0] + r[1, 1] * a[1, 0] + r[2, 1] * a[2, 0],
        r[0, 1] * a[0, 1] + r[1, 1] * a[1, 1] + r[2, 1] * a[2, 1],
        r[0, 1] * a[0, 2] + r[1, 1] * a[1, 2] + r[2, 1] * a[2, 2],
        r[0, 2] * a[0, 0] + r[1, 2] * a[1, 0] + r[2, 2] * a[2, 0],
        r[0, 2] * a[0, 1] + r[1, 2] * a[1, 1] + r[2, 2] * a[2, 1],
        r[0, 2] * a[0, 2] + r[1, 2] * a[1, 2] + r[2, 2] * a[2, 2],
        r[0, 0] * px + r[1, 0] * py + r[2, 0] * pz,
        r[0, 1] * px + r[1, 1] * py + r[2, 1] * pz,
        r[0, 2] * px + r[1, 2] * py + r[2, 2] * pz,
    )


@device
def _growth(affine):
    """How many times larger the longest edge of a patch becomes, at least 1."""
    most = 1.0
    for k in range(3):
        most = max(most, affine[0, k] ** 2 + affine[1, k] ** 2 + affine[2, k] ** 2)
    return sqrt(most)


@device
def _moved(m: _Optical, x, y, z):
    """A point of the patch in the optical frame."""
    return (m.t00 * x + m.t01 * y + m.t02 * z + m.s0, m.t10 * x + m.t11 * y + m.t12 * z + m.s1,
            m.t20 * x + m.t21 * y + m.t22 * z + m.s2)  # fmt: skip


@device
def image_edges(eye: Eye):
    """Largest tangents of directions within the image, across and down; of fisheyes none are needed."""
    right, low = 0.0, 0.0
    if eye.lens[0] == FISHEYE:
        return right, low
    for k in range(9):
        x, y, z, found = pixel_ray(eye.lens, 0.5 * (k // 3) * eye.width, 0.5 * (k % 3) * eye.height)
        found = found and z * _WIDEST > max(abs(x), abs(y))
        right, low = max(right, abs(x) / z if found else _WIDEST), max(low, abs(y) / z if found else _WIDEST)
    return right, low


@device
def _out_of_sight(eye: Eye, right, low, x, y, z, radius):
    """Whether a sphere (optical frame) is too far away or beside the image."""
    away = sqrt(x * x + y * y + z * z)
    if away - radius > eye.far_m:
        return True
    if away > radius and sqrt(x * x + y * y) * np.cos(eye.half_angle) - z * np.sin(eye.half_angle) > radius:
        return True
    if eye.lens[0] != PINHOLE:
        return False
    return abs(x) - right * z > radius * sqrt(1.0 + right * right) or abs(y) - low * z > radius * sqrt(1.0 + low * low)


@device
def _through_lens(eye: Eye, right, low, x, y, z):
    """Whether the lens images a point (optical frame), its image u, v, and the six derivatives of that.

    Lenses with a plane image are linearised no farther aside than a little beyond the image: what lies beside the eye
    would else become larger than the image.
    """
    lens = eye.lens
    ax, ay = x, y
    if lens[0] != FISHEYE:
        most_x, most_y = ASIDE * right * z, ASIDE * low * z
        ax, ay = min(max(x, -most_x), most_x), min(max(y, -most_y), most_y)
    if lens[0] == PINHOLE:
        fx, fy = lens[1] / z, lens[2] / z
        return True, lens[3] + fx * x, lens[4] + fy * y, fx, 0.0, -fx * ax / z, 0.0, fy, -fy * ay / z
    h = _STEP * max(sqrt(x * x + y * y + z * z), NEAR_M)
    u, v, seen = image_point(lens, x, y, z)
    u0, v0, s0 = u, v, seen
    if ax != x or ay != y:
        u0, v0, s0 = image_point(lens, ax, ay, z)
    ua, va, sa = image_point(lens, ax + h, ay, z)
    ub, vb, sb = image_point(lens, ax, ay + h, z)
    uc, vc, sc = image_point(lens, ax, ay, z + h)
    return (seen and s0 and sa and sb and sc, u, v, (ua - u0) / h, (ub - u0) / h, (uc - u0) / h,
            (va - v0) / h, (vb - v0) / h, (vc - v0) / h)  # fmt: skip


@device
def _spread(m: _Optical, j00, j01, j02, j10, j11, j12, s):
    """Variance in the image xx, xy, yy (px^2) and with depth (px m) of a covariance `s` (6,) of the patch."""
    # image <- patch, (2, 3)
    a0, a1, a2 = (j00 * m.t00 + j01 * m.t10 + j02 * m.t20, j00 * m.t01 + j01 * m.t11 + j02 * m.t21,
                  j00 * m.t02 + j01 * m.t12 + j02 * m.t22)  # fmt: skip
    b0, b1, b2 = (j10 * m.t00 + j11 * m.t10 + j12 * m.t20, j10 * m.t01 + j11 * m.t11 + j12 * m.t21,
                  j10 * m.t02 + j11 * m.t12 + j12 * m.t22)  # fmt: skip
    g0, g1, g2 = (s[0] * a0 + s[1] * a1 + s[2] * a2, s[1] * a0 + s[3] * a1 + s[4] * a2,
                  s[2] * a0 + s[4] * a1 + s[5] * a2)  # fmt: skip
    h0, h1, h2 = (s[0] * b0 + s[1] * b1 + s[2] * b2, s[1] * b0 + s[3] * b1 + s[4] * b2,
                  s[2] * b0 + s[4] * b1 + s[5] * b2)  # fmt: skip
    return (a0 * g0 + a1 * g1 + a2 * g2, a0 * h0 + a1 * h1 + a2 * h2, b0 * h0 + b1 * h1 + b2 * h2,
            m.t20 * g0 + m.t21 * g1 + m.t22 * g2, m.t20 * h0 + m.t21 * h1 + m.t22 * h2)  # fmt: skip


@inlined
def _write_surface(patch: Patch, place: Placement, q, nx, ny, nz, o):
    """Write what a splat shows: colour, normal, light, material, agent and label."""
    m = patch.material[q]
    part = 0 if m == _BODY else (1 if m == _UPPER else (2 if m == _LOWER else -1))
    if place.row >= 0 and part >= 0 and not place.painted:
        o[7], o[8], o[9] = place.rgb[part, 0], place.rgb[part, 1], place.rgb[part, 2]
    else:
        o[7], o[8], o[9] = patch.albedo[q, 0], patch.albedo[q, 1], patch.albedo[q, 2]
    scale = 1.0 / sqrt(nx * nx + ny * ny + nz * nz)
    o[10], o[11], o[12] = nx * scale, ny * scale, nz * scale
    o[13], o[14] = patch.light[q, 0], patch.light[q, 1]
    o[17], o[18] = m, place.row
    o[19] = place.label if place.row >= 0 else MATERIAL_LABEL[m]


@inlined
def _project(patch: Patch, place: Placement, eye: Eye, m: _Optical, right, low, q, o):
    """Write splat `q` into a row of `FIELDS`; returns whether it may be seen."""
    x, y, z = _moved(m, patch.means[q, 0], patch.means[q, 1], patch.means[q, 2])
    fisheye = eye.lens[0] == FISHEYE
    away2 = x * x + y * y + z * z
    if (z < NEAR_M and not (fisheye and away2 >= NEAR_M * NEAR_M)) or away2 > eye.far_m * eye.far_m:
        return False
    n, r = place.turn, eye.rotation
    vx, vy, vz = patch.normals[q, 0], patch.normals[q, 1], patch.normals[q, 2]
    nx = n[0, 0] * vx + n[0, 1] * vy + n[0, 2] * vz
    ny = n[1, 0] * vx + n[1, 1] * vy + n[1, 2] * vz
    nz = n[2, 0] * vx + n[2, 1] * vy + n[2, 2] * vz
    dx = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z
    dy = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z
    dz = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
    facing = nx * dx + ny * dy + nz * dz
    length2 = nx * nx + ny * ny + nz * nz
    if facing > 0.0 and facing * facing > BEHIND**2 * length2 * (dx * dx + dy * dy + dz * dz):
        return False
    if length2 == 0.0:  # two-sided: towards the eye
        nx, ny, nz = -dx, -dy, -dz
    good, u, v, j00, j01, j02, j10, j11, j12 = _through_lens(eye, right, low, x, y, z)
    if not good:
        return False
    xx, xy, yy, zu, zv = _spread(m, j00, j01, j02, j10, j11, j12, patch.covariances[q])
    sharp = xx * yy - xy * xy
    xx, yy = xx + BLUR_PX2, yy + BLUR_PX2
    det = xx * yy - xy * xy
    # what is blurred is as much fainter (Yu et al. 2024, Mip-Splatting)
    peak = PEAK * patch.opacities[q] * sqrt(max(sharp, 0.0) / det)
    if peak < LEAST_ALPHA:
        return False
    extent = sqrt(2.0 * log(peak / LEAST_ALPHA))
    across, down = extent * sqrt(xx), extent * sqrt(yy)
    if u + across <= 0.0 or u - across >= eye.width or v + down <= 0.0 or v - down >= eye.height:
        return False
    o[0], o[1], o[2], o[3], o[4] = u, v, yy / det, -xy / det, xx / det
    o[5] = sqrt(away2) if fisheye else z
    o[6], o[15], o[16] = peak, across, down
    # the depth that a Gaussian has in the mean at a pixel
    o[20], o[21] = (zu * yy - zv * xy) / det, (zv * xx - zu * xy) / det
    if fisheye:
        o[20], o[21] = 0.0, 0.0
    _write_surface(patch, place, q, nx, ny, nz, o)
    return True


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
        rows in use then; more than M if it does not fit, and rows of `out` are not to be used then.
    """
    m, grown, most = _optical_from_patch(place, eye), _growth(place.affine), out.shape[0]
    right, low = image_edges(eye)
    for c in range(patch.bounds.shape[0]):
        radius = patch.bounds[c, 3] * grown
        if radius < 0.0:
            continue
        x, y, z = _moved(m, patch.bounds[c, 0], patch.bounds[c, 1], patch.bounds[c, 2])
        if _out_of_sight(eye, right, low, x, y, z, radius):
            continue
        level = _level(patch, eye, max(sqrt(x * x + y * y + z * z) - radius, NEAR_M))
        for q in range(patch.first[level, c], patch.first[level, c + 1]):
            row = min(count, most - 1)  # the last is written again and again where they do not fit
            if _project(patch, place, eye, m, right, low, q, out[row]):
                numbers[row] = place.first + q
                count += 1
    return count
