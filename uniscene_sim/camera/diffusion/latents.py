"""The grid of latents over an image, and the rays through it."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.rig import CameraSpec

__all__ = ["LATENT_PX", "SAMPLES", "SeenSurfaces", "check_seen", "latent_shape", "pixel_rays", "sample_pixels"]

#: Side of a latent pixel in pixels of the image, of the usual autoencoders.
LATENT_PX = 8
#: Rays along each side of a latent pixel through which it looks for surface cells.
SAMPLES = 2


class SeenSurfaces(Protocol):
    """What a camera's rays met: a `CameraBuffers`, or a `CameraFrame`."""

    @property
    def depth(self) -> np.ndarray: ...

    @property
    def instance(self) -> np.ndarray: ...


def latent_shape(spec: CameraSpec, latent_px: int = LATENT_PX) -> tuple[int, int]:
    """Rows and columns of a camera's latents.

    Raises:
        InputError: the image is not made of whole latent pixels, or these not of `SAMPLES` samples a side.
    """
    if latent_px < SAMPLES or latent_px % SAMPLES:
        raise InputError(f"expected a multiple of {SAMPLES} pixels, got {latent_px}", field="latent_px")
    if spec.height % latent_px or spec.width % latent_px:
        raise InputError(
            f"camera {spec.name}: expected a height and width that are multiples of {latent_px} px, "
            f"got {spec.height} and {spec.width}",
            field="latent_px",
        )
    return spec.height // latent_px, spec.width // latent_px


def check_seen(seen: SeenSurfaces, spec: CameraSpec) -> None:
    """Refuse what is not of a camera's size.

    Raises:
        InputError: it is not.
    """
    for name in ("depth", "instance"):
        shape = getattr(seen, name).shape
        if shape != (spec.height, spec.width):
            raise InputError(
                f"camera {spec.name}: expected an image of {spec.height} x {spec.width}, got {shape}", field=name
            )


def sample_pixels(latent_px: int) -> slice:
    """Which rows, or columns, of an image are samples: in the middle of `SAMPLES` equal parts of each latent pixel."""
    every = latent_px // SAMPLES
    return slice(every // 2, None, every)


@lru_cache(64)
def pixel_rays(spec: CameraSpec, begin: int, every: int) -> np.ndarray:
    """Points of unit depth (of a fisheye, of unit distance) on the rays of each `every`-th pixel in both directions,
    from pixel `begin` on: float32 (H', W', 3) m in the optical frame, 0 where the lens has no ray. Not to be written
    to."""
    v, u = np.mgrid[begin : spec.height : every, begin : spec.width : every] + 0.5
    rays, found = spec.unproject(np.stack([u.ravel(), v.ravel()], axis=1))
    found &= (spec.model == "fisheye") | (rays[:, 2] > 0.0)
    rays[~found] = 0.0
    if spec.model != "fisheye":
        rays[found] /= rays[found, 2:]
    out = rays.reshape(*v.shape, 3).astype(np.float32)
    out.flags.writeable = False
    return out
