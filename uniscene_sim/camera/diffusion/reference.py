"""Noise fixed to surfaces, and warped latents, as plain arrays: what the kernels are held to, value by value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.camera.diffusion.bodies import bodies_of
from uniscene_sim.camera.diffusion.latents import (
    LATENT_PX,
    SAMPLES,
    SeenSurfaces,
    latent_shape,
    pixel_rays,
    sample_pixels,
)
from uniscene_sim.camera.diffusion.surface_noise import COARSEST, FINEST, noise_key
from uniscene_sim.compute.keyed_random import unit_hashes
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec

__all__ = ["surface_noise_plainly"]

_NOT_OWNED = 2.0  # more than any number of a cube


def surface_noise_plainly(
    frame: LayoutFrame,
    seen: SeenSurfaces,
    spec: CameraSpec,
    seed: int,
    channels: int = 4,
    latent_px: int = LATENT_PX,
) -> np.ndarray:
    """The same as `surface_noise.surface_noise`."""
    h, w = latent_shape(spec, latent_px)
    bodies, key, pixels = bodies_of(frame, spec), noise_key(seed), sample_pixels(latent_px)
    rays = pixel_rays(spec, pixels.start, pixels.step).astype(np.float64)
    away = np.sqrt((rays**2).sum(axis=2))
    depth, instance = seen.depth[pixels, pixels].astype(np.float64), seen.instance[pixels, pixels]
    sky = np.isinf(depth)
    n = np.where(sky, len(bodies.key) - 1, bodies.row_of[instance])
    depth[sky] = 1.0 / np.maximum(away[sky], 1e-9)
    on_body = _moved(bodies.from_camera[n], depth[..., None] * rays)
    width_m = depth * latent_px / spec.fx * (1.0 if spec.model == "fisheye" else rays[..., 2])
    v, u = np.mgrid[: SAMPLES * h, : SAMPLES * w] // SAMPLES

    # What each latent pixel shows: three keys, of its own at first, then of the least cube at the first level with any
    shown = [np.full((h, w), -1), np.full((h, w), noise_key(spec.name)), np.arange(h * w).reshape(h, w)]
    found = np.zeros((h, w), bool)
    for above in range(COARSEST, FINEST - 1, -1):
        level = np.frexp(width_m)[1].astype(np.int64) - 1 + above
        edge = np.exp2(level)[..., None]
        a, b, c = np.moveaxis(np.floor(on_body / edge).astype(np.int64), 2, 0)
        centre = (np.stack([a, b, c], axis=2) + 0.5) * edge
        pixel, imaged = spec.project(_moved(bodies.to_camera[n], centre).reshape(-1, 3))
        column, row = np.floor(pixel / latent_px).T.reshape(2, *u.shape)
        owned = imaged.reshape(u.shape) & (column == u) & (row == v) & (away > 0.0)
        keys = [bodies.key[n], (a << 32) ^ (b & 0xFFFFFFFF), c * 256 + level + 128]
        number = np.where(owned, _hashes(key, keys, 0), _NOT_OWNED)
        number, *keys = (_by_latent(values) for values in (number, *keys))
        least = number.argmin(axis=2)[..., None]
        new = ~found & (np.take_along_axis(number, least, axis=2)[..., 0] < _NOT_OWNED)
        for part, values in zip(shown, keys, strict=True):
            part[new] = np.take_along_axis(values, least, axis=2)[..., 0][new]
        found |= new

    out = np.empty((channels + channels % 2, h, w), np.float32)
    for c in range(0, channels, 2):
        radius = np.sqrt(-2.0 * np.log(1.0 - _hashes(key, shown, 1 + c)))
        angle = 2.0 * np.pi * _hashes(key, shown, 2 + c)
        out[c], out[c + 1] = radius * np.cos(angle), radius * np.sin(angle)
    return out[:channels]


def _hashes(seed: int, cubes: Sequence[np.ndarray], use: int) -> np.ndarray:
    """Random numbers in [0, 1) of cubes, told by arrays of one shape: their body, place along x and y, and along z with
    their level."""
    body, xy, z_level = cubes
    return unit_hashes(seed, body.ravel(), xy.ravel(), z_level.ravel(), use).reshape(body.shape)


def _by_latent(values: np.ndarray) -> np.ndarray:
    """Samples (SAMPLES h, SAMPLES w) by latent pixel: (h, w, SAMPLES^2)."""
    h, w = values.shape[0] // SAMPLES, values.shape[1] // SAMPLES
    return values.reshape(h, SAMPLES, w, SAMPLES).swapaxes(1, 2).reshape(h, w, -1)


def _moved(motion: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Points (..., 3) by rigid motions (..., 3, 4)."""
    x, y, z = point[..., 0, None], point[..., 1, None], point[..., 2, None]
    moved: np.ndarray = motion[..., 0] * x + motion[..., 1] * y + motion[..., 2] * z + motion[..., 3]
    return moved
