"""The geometry-aware noise prior of UniScene (section on video generation, equations 5 to 7), from exact geometry.

The noise that a video model starts from already holds, faintly, where things were: latents of a reference image are
warped into the new one, weighted and added to noise. In the paper the depth is rendered from Gaussians, only the camera
moves, and what was hidden before takes the latent of whatever hid it. Here depth is that of the rays, each surface
moves with its body, and what the reference did not see adds nothing: there the noise alone remains, which
`surface_noise` has fixed to the surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor as whole
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.diffusion.bodies import Bodies, bodies_of, moved
from uniscene_sim.camera.diffusion.latents import LATENT_PX, SeenSurfaces, check_seen, latent_shape, pixel_rays
from uniscene_sim.compute.compiled import inlined, nogil_kernel
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.lens import FISHEYE, image_point
from uniscene_sim.rig import CameraSpec
from uniscene_sim.tracing.depth_images import is_unoccluded

__all__ = ["WEIGHT", "Moment", "WarpedLatents", "noise_prior", "warp_latents"]

#: Weight of the reference in the noise, lambda of equation 7, as in the code that the authors published.
WEIGHT = 0.03
_NEARER = 0.002  # share of depth by which an occluder is nearer
_ABSENT = -1  # of a body that did not exist


@dataclass(frozen=True)
class Moment:
    """A layout, and what a camera saw of it."""

    layout: LayoutFrame
    seen: SeenSurfaces


@dataclass(frozen=True)
class WarpedLatents:
    """Latents of a reference where their surfaces are now."""

    latents: np.ndarray  # float32 (C, h, w), 0 where the reference did not see the surface
    known: np.ndarray  # bool (h, w), whether it did


class _Warp(NamedTuple):
    """What all latent pixels of a warp share."""

    rays: np.ndarray  # float32 (h, w, 3), see `pixel_rays`
    lens: np.ndarray  # float64 (11,)
    depth: np.ndarray  # float32 (H, W) m, now
    instance: np.ndarray  # uint16 (H, W), now
    row_of: np.ndarray  # int32 (65536,), row of an instance id
    back: np.ndarray  # float64 (N, 3, 4), reference optical frame <- current one, by body
    existed: np.ndarray  # bool (N,)
    old_depth: np.ndarray  # float32 (H, W) m, of the reference
    latents: np.ndarray  # float32 (C, h, w), of the reference
    latent_px: int


def noise_prior(
    noise: np.ndarray, latents: np.ndarray, now: Moment, reference: Moment, spec: CameraSpec, weight: float = WEIGHT
) -> np.ndarray:
    """Noise for an image, with the latents of a reference mixed in (equation 7): noise + weight * warped latents.

    Args:
        noise: float32 (C, h, w), standard normal, such as `surface_noise`.
        latents: float32 (C, h, w) of the reference image.
        now: moment of the image.
        reference: moment of the reference image, of the same camera, at any other time.
        spec: the camera.
        weight: lambda. The variance is 1 + weight^2 times the mean square of the latents.

    Returns:
        float32 (C, h, w).

    Raises:
        InputError: as `warp_latents`, or noise and latents differ in shape.
    """
    if noise.shape != latents.shape:
        raise InputError(f"camera {spec.name}: expected the shape of the noise, {noise.shape}, got {latents.shape}",
                         field="latents")  # fmt: skip
    mixed: np.ndarray = noise + np.float32(weight) * warp_latents(latents, now, reference, spec).latents
    return mixed


def warp_latents(latents: np.ndarray, now: Moment, reference: Moment, spec: CameraSpec) -> WarpedLatents:
    """Latents of a reference image, moved to where their surfaces are now (equations 5 and 6).

    The surface point that the middle of a latent pixel sees, by the ray of the image's pixel there, goes back with its
    body to where it was, and is projected into the reference image (equation 5); there the latents are interpolated
    linearly (equation 6). What the reference did not image, or hid behind something, is not known; nor are bodies that
    did not exist. The sky moves by the camera's rotation.

    Args:
        latents: float32 (C, h, w) of the reference image.
        now: moment of the image.
        reference: moment of the reference image, of the same camera.
        spec: the camera.

    Raises:
        InputError: sizes do not fit each other.
    """
    h, w = latents.shape[1:] if latents.ndim == 3 else (0, 0)
    latent_px = spec.height // h if h else LATENT_PX
    shape = latent_shape(spec, latent_px)
    if (h, w) != shape:
        raise InputError(
            f"camera {spec.name}: expected (channels, {shape[0]}, {shape[1]}), got {latents.shape}", field="latents"
        )
    check_seen(now.seen, spec)
    check_seen(reference.seen, spec)
    here, there = bodies_of(now.layout, spec), bodies_of(reference.layout, spec)
    back, existed = _motion_back(here, there)
    warp = _Warp(
        pixel_rays(spec, latent_px // 2, latent_px),
        spec.lens,
        np.ascontiguousarray(now.seen.depth, np.float32),
        np.ascontiguousarray(now.seen.instance, np.uint16),
        here.row_of,
        back,
        existed,
        np.ascontiguousarray(reference.seen.depth, np.float32),
        np.ascontiguousarray(latents, np.float32),
        latent_px,
    )
    out = WarpedLatents(np.zeros(latents.shape, np.float32), np.zeros(shape, np.bool_))
    map_threads(lambda rows: _warp_rows(warp, out.latents, out.known, *rows), row_ranges(h))
    return out


def _motion_back(here: Bodies, there: Bodies) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3, 4), reference optical frame <- current one, of the bodies that are here, and which existed: bool (N,)."""
    row_of_key = {key: n for n, key in enumerate(there.key.tolist())}
    rows = np.array([row_of_key.get(key, _ABSENT) for key in here.key.tolist()])
    turn, shift = there.to_camera[rows, :, :3], there.to_camera[rows, :, 3:]
    moved_back = turn @ here.from_camera
    moved_back[:, :, 3:] += shift
    return moved_back, rows != _ABSENT


# --- kernels ----------------------------------------------------------------------------------------------------------


@nogil_kernel
def _warp_rows(warp: _Warp, out, known, first, last):
    """Write the rows `first` to `last` - 1 of warped latents (C, h, w) and of what is known (h, w)."""
    for v in range(first, last):
        for u in range(known.shape[1]):
            pu, pv, seen = _was_at(warp, v, u)
            if seen:
                known[v, u] = True
                _interpolate(warp.latents, pu / warp.latent_px - 0.5, pv / warp.latent_px - 0.5, out, v, u)


@inlined
def _was_at(warp: _Warp, v, u):
    """Image point in the reference, px, of what the middle of the latent pixel (v, u) sees, and whether the reference
    saw it."""
    row, column = warp.latent_px // 2 + warp.latent_px * v, warp.latent_px // 2 + warp.latent_px * u
    rx, ry, rz = np.float64(warp.rays[v, u, 0]), np.float64(warp.rays[v, u, 1]), np.float64(warp.rays[v, u, 2])
    depth, n = np.float64(warp.depth[row, column]), warp.row_of[warp.instance[row, column]]
    sky = depth == inf
    if sky:
        n, depth = warp.back.shape[0] - 1, np.float64(1.0)
    if not warp.existed[n] or (rx == 0.0 and ry == 0.0 and rz == 0.0):
        return 0.0, 0.0, False
    x, y, z = moved(warp.back, n, depth * rx, depth * ry, depth * rz)
    pu, pv, imaged = image_point(warp.lens, x, y, z)
    own = z
    if sky:
        own = np.float64(inf)
    elif warp.lens[0] == FISHEYE:
        own = sqrt(x * x + y * y + z * z)
    seen = imaged and is_unoccluded(warp.old_depth, pu, pv, own, _NEARER)
    return pu - 0.5, pv - 0.5, seen  # the ray's pixel has its centre half a pixel beside that of the latent pixel


@inlined
def _interpolate(latents, x, y, out, v, u):
    """Write the latents (C, h, w) at column x and row y, between their centres, and at the border those of the border,
    to the latent pixel (v, u)."""
    channels, height, width = latents.shape
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    j, i = min(whole(x), width - 2), min(whole(y), height - 2)
    a, b = x - j, y - i
    for c in range(channels):
        upper = (1.0 - a) * latents[c, i, j] + a * latents[c, i, j + 1]
        lower = (1.0 - a) * latents[c, i + 1, j] + a * latents[c, i + 1, j + 1]
        out[c, v, u] = (1.0 - b) * upper + b * lower
