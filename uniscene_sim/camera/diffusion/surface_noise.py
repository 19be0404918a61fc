"""`surface_noise`: standard normal noise that stays on the surfaces that latent pixels see.

Each body (the static world, each agent in its own frame, the sky as directions) is divided into cubes, at all levels of
detail, whose edges are powers of two. A cube is *owned* by the latent pixel into which its centre projects, and found
by the rays that end inside of it. A latent pixel shows the noise of one cube that it owns: of those at the coarsest
level where it owns one that its rays find, from cubes of one to two of its own widths down to those of a quarter to
half of it, the cube whose number, a hash, is least. Where it owns none, it has noise of its own.

This noise is

- **white**: two latent pixels of an image never show the same cube, so their numbers are independent, and each is one
  standard normal number, whatever the distance. Averages of many cubes would be as white; they would never repeat;
- **a function of the place**: of seed, body, pose and surface, never of the way that led there. The same pose gives the
  same noise;
- **fixed to the surface** as far as whiteness allows: from another pose, a latent pixel shows the same cube if it is
  still the least of those in the other footprint. That is min-wise hashing (Broder, 1997): two footprints agree with
  the probability of their overlap over their union. Coarse cubes come first so that most numbers outlast a change of
  distance, where all cubes of the old level are too fine, or too coarse, for a latent pixel.
"""

from __future__ import annotations

from math import floor as whole
from math import inf, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.diffusion.bodies import Bodies, bodies_of, moved
from uniscene_sim.camera.diffusion.latents import (
    LATENT_PX,
    SAMPLES,
    SeenSurfaces,
    check_seen,
    latent_shape,
    pixel_rays,
    sample_pixels,
)
from uniscene_sim.compute.compiled import inlined, nogil_kernel
from uniscene_sim.compute.keyed_random import key_of, normal_pair, unit_hash5
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.lens import FISHEYE, image_point
from uniscene_sim.rig import CameraSpec

__all__ = ["COARSEST", "FINEST", "noise_key", "surface_noise"]

#: Levels at which cubes are tried, from the one whose cubes are between half and all of a latent pixel's width.
COARSEST, FINEST = 1, -1
_NOBODY = -1  # key of noise that no surface has
_LEVELS = 1 << 7  # more than there are levels on either side of 1 m


class _View(NamedTuple):
    """What all latent pixels of an image share."""

    depth: np.ndarray  # float32 (H, W) m
    instance: np.ndarray  # uint16 (H, W)
    rays: np.ndarray  # float32 (SAMPLES h, SAMPLES w, 3), see `pixel_rays`
    lens: np.ndarray  # float64 (11,)
    bodies: Bodies
    latent_px: int
    seed: int  # int64
    camera: int  # int64, key of its name


class _Cell(NamedTuple):
    """A cube of a body; its three keys are all that its noise depends on, beside the seed."""

    body: int
    xy: int
    z_level: int


def surface_noise(
    frame: LayoutFrame,
    seen: SeenSurfaces,
    spec: CameraSpec,
    seed: int,
    channels: int = 4,
    latent_px: int = LATENT_PX,
) -> np.ndarray:
    """Noise of a camera's latents that is fixed to surfaces.

    Args:
        frame: the layout at the image's stamp.
        seen: depth and instance of the image, (H, W).
        spec: the camera, of any lens.
        seed: of the noise, any integer.
        channels: how many numbers, independent of each other, a latent pixel has.
        latent_px: its side in pixels of the image, an even number.

    Returns:
        float32 (channels, H / latent_px, W / latent_px), standard normal.

    Raises:
        InputError: the image is not made of whole latent pixels, or not of the camera's size.
    """
    shape = latent_shape(spec, latent_px)
    check_seen(seen, spec)
    pixels = sample_pixels(latent_px)
    view = _View(
        np.ascontiguousarray(seen.depth, np.float32),
        np.ascontiguousarray(seen.instance, np.uint16),
        pixel_rays(spec, pixels.start, pixels.step),
        spec.lens,
        bodies_of(frame, spec),
        latent_px,
        noise_key(seed),
        noise_key(spec.name),
    )
    out = np.empty((channels, *shape), np.float32)
    map_threads(lambda rows: _noise_rows(view, out, *rows), row_ranges(shape[0]))
    return out


def noise_key(part: int | str) -> int:
    """The key of a seed, or of a camera's name, in this noise: of 64 bits, signed."""
    return int(key_of("surface noise", part).astype(np.int64))


# --- kernels ----------------------------------------------------------------------------------------------------------


@nogil_kernel
def _noise_rows(view: _View, out, first, last):
    """Write the rows `first` to `last` - 1 of noise (C, h, w)."""
    channels, _, width = out.shape
    for v in range(first, last):
        for u in range(width):
            cell = _shown(view, v, u, width)
            for c in range(0, channels, 2):
                a = unit_hash5(view.seed, cell.body, cell.xy, cell.z_level, 1 + c)
                b = unit_hash5(view.seed, cell.body, cell.xy, cell.z_level, 2 + c)
                one, other = normal_pair(a, b)
                out[c, v, u] = one
                if c + 1 < channels:
                    out[c + 1, v, u] = other


@inlined
def _shown(view: _View, v, u, width):
    """The cube whose noise the latent pixel in row v and column u shows."""
    best, shown = inf, _Cell(_NOBODY, view.camera, v * width + u)
    for finer in range(COARSEST - FINEST + 1):
        for sample in range(SAMPLES * SAMPLES):
            i, j = SAMPLES * v + sample // SAMPLES, SAMPLES * u + sample % SAMPLES
            cell, owned = _cell_found(view, i, j, v, u, COARSEST - finer)
            if owned and not (cell.xy == shown.xy and cell.z_level == shown.z_level and cell.body == shown.body):
                number = unit_hash5(view.seed, cell.body, cell.xy, cell.z_level, 0)
                if number < best:
                    best, shown = number, cell
        if best < inf:
            break
    return shown


@inlined
def _cell_found(view: _View, i, j, v, u, above):
    """The cube in which the ray of a sample (i, j) ends, `above` levels above that of a latent pixel's width there, and
    whether it is the latent pixel's (v, u)."""
    every = view.latent_px // SAMPLES
    row, column = every // 2 + every * i, every // 2 + every * j
    rx, ry, rz = np.float64(view.rays[i, j, 0]), np.float64(view.rays[i, j, 1]), np.float64(view.rays[i, j, 2])
    away = sqrt(rx * rx + ry * ry + rz * rz)
    if away == 0.0:
        return _Cell(0, 0, 0), False
    depth = np.float64(view.depth[row, column])
    n = view.bodies.row_of[view.instance[row, column]]
    if depth == inf:
        n, depth = view.bodies.key.shape[0] - 1, np.float64(1.0 / away)
    x, y, z = moved(view.bodies.from_camera, n, depth * rx, depth * ry, depth * rz)

    width_m = depth * view.latent_px / view.lens[1]
    if view.lens[0] != FISHEYE:
        width_m *= rz
    level = (np.float64(width_m).view(np.int64) >> 52) - 1023 + above
    edge = np.int64((level + 1023) << 52).view(np.float64)
    per_m = np.int64((1023 - level) << 52).view(np.float64)
    a, b, c = whole(x * per_m), whole(y * per_m), whole(z * per_m)
    cx, cy, cz = moved(view.bodies.to_camera, n, (a + 0.5) * edge, (b + 0.5) * edge, (c + 0.5) * edge)
    pu, pv, imaged = image_point(view.lens, cx, cy, cz)
    owned = imaged and whole(pu / view.latent_px) == u and whole(pv / view.latent_px) == v
    return _Cell(view.bodies.key[n], (a << 32) ^ (b & 0xFFFFFFFF), c * 2 * _LEVELS + level + _LEVELS), owned
