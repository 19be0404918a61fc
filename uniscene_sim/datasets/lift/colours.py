"""Pictures to colours of splats: each splat gets the mean of the pixels that show it, weighted as it is blended there.

Visibility is that of splatting itself. What moved is masked by its box. A picture's exposure is a gain for each
channel, solved for in turns with the colours; after that, colours are corrected by what the pictures still differ
(simultaneous iterative reconstruction, the averaging form of descent by gradient).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from tqdm import tqdm

from uniscene_sim.camera.splat.blend import (
    SQUARE_PX,
    Bins,
    Blended,
    bin_splats,
    blend_squares,
    gather_squares,
    new_bins,
    new_blended,
    scratch,
)
from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.camera.splat.project import FIELDS, Eye, Placement, project_patch
from uniscene_sim.datasets.lift.drive import View
from uniscene_sim.lens import project_points

__all__ = ["Canvas", "lift_colours", "moving_mask", "view_eye"]

_FAR_M = 90.0
_LEAST_SEEN = 0.8  # opacity of pixels that tell anything
_ROUNDS = 6
_AGAINST = 0.35  # share of the mean of their class in splats that little is seen of: weight in pixels


@dataclass
class Canvas:
    """Splats that are being coloured: patches of one level, with their places, numbered through."""

    patches: list[tuple[Patch, Placement]]
    count: int

    def __post_init__(self) -> None:
        self._projected = np.empty((1 << 20, len(FIELDS)), np.float32)
        self._numbers = np.empty(1 << 20, np.int32)
        self._sums = scratch()

    def seen(self, eye: Eye) -> tuple[np.ndarray, np.ndarray, Bins]:
        """Projected splats, their numbers, and bins of a view."""
        while True:
            n = 0
            for patch, placement in self.patches:
                n = project_patch(patch, placement, eye, self._projected, self._numbers, n)
            if n <= len(self._projected):
                break
            self._projected = np.empty((n + n // 4, len(FIELDS)), np.float32)
            self._numbers = np.empty(len(self._projected), np.int32)
        bits = self._projected.view(np.int32)
        bins = new_bins(n, eye.width, eye.height, 16 * n + 4096)
        pairs = bin_splats(self._projected, bits, n, eye.width, eye.height, bins)
        if pairs > len(bins.rows):
            bins = new_bins(n, eye.width, eye.height, pairs)
            bin_splats(self._projected, bits, n, eye.width, eye.height, bins)
        return self._projected, self._numbers, bins

    def show(self, eye: Eye) -> Blended:
        """Surfaces of a view."""
        projected, _, bins = self.seen(eye)
        out = new_blended(eye.height, eye.width)
        blend_squares(projected, bins, self._sums, 0, -(-eye.height // SQUARE_PX), out)
        return out

    def gather(self, eye: Eye, image: np.ndarray, weight: np.ndarray, sums: np.ndarray) -> None:
        """Add what a view tells of each splat to sums (N, 4)."""
        projected, numbers, bins = self.seen(eye)
        gather_squares(projected, bins, numbers, image, weight, sums)


def view_eye(view: View, far_m: float = _FAR_M) -> Eye:
    """The eye of a picture."""
    spec = view.camera
    w, h = float(spec.width), float(spec.height)
    rays, _ = spec.unproject(np.array([(0, 0), (w, 0), (0, h), (w, h)]))
    half = float(np.arccos(rays[:, 2].min())) + 1e-6
    return Eye(
        np.ascontiguousarray(view.pose[:3, :3]), np.ascontiguousarray(view.pose[:3, 3]), spec.lens, spec.width,
        spec.height, far_m, half, 0.0,
    )  # fmt: skip


def moving_mask(view: View, boxes: np.ndarray, grow_m: float = 0.3) -> np.ndarray:
    """Pixels bool (H, W) within the outlines of boxes (N, 8), see `drive.boxes_at`."""
    mask = np.zeros((view.camera.height, view.camera.width), np.bool_)
    v, u = np.mgrid[: mask.shape[0], : mask.shape[1]]
    for x, y, z, yaw, length, width, height, *_ in boxes:
        sides = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (0.0, 1.0)])
        corners = sides * (length + grow_m, width + grow_m, height + grow_m) - (0.0, 0.0, 0.5 * grow_m)
        c, s = np.cos(yaw), np.sin(yaw)
        corners = corners @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) + (x, y, z)
        optical = (corners - view.pose[:3, 3]) @ view.pose[:3, :3]
        pixels, imaged = project_points(view.camera.lens, np.ascontiguousarray(optical))
        pixels = pixels[imaged & (optical[:, 2] > 0.1)]
        if len(pixels) < 3:
            continue
        try:
            planes = ConvexHull(pixels).equations
        except QhullError:
            continue
        inside = np.ones(mask.shape, np.bool_)
        for a, b, d in planes:
            inside &= a * (u + 0.5) + b * (v + 0.5) + d <= 0.0
        mask |= inside
    return mask


def lift_colours(
    canvas: Canvas,
    views: Sequence[View],
    image_of: Callable[[View], tuple[np.ndarray, np.ndarray]],
    rounds: int = _ROUNDS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colours of splats from pictures.

    Args:
        canvas: the splats; their `albedo` is written.
        views: V pictures.
        image_of: a picture's colours float32 (H, W, 3), linear, and which pixels count, float32 (H, W).
        rounds: of correction.

    Returns:
        colours float32 (N, 3), linear; pixels that each was seen in, float32 (N,); gains of the pictures (V, 3).
    """
    gains = np.ones((len(views), 3))
    colours, seen = np.zeros((canvas.count, 3), np.float32), np.zeros(canvas.count, np.float32)
    material = np.concatenate([patch.material for patch, _ in canvas.patches])
    for k in range(rounds):
        sums = np.zeros((canvas.count, 4))
        for n, view in enumerate(tqdm(views, desc=f"colours, round {k + 1} of {rounds}", unit="picture", disable=None)):
            image, weight = image_of(view)
            eye = view_eye(view)
            if k:
                shown = canvas.show(eye)
                there = (weight > 0.0) & (shown.opacity > _LEAST_SEEN)
                pixels, pred = image[there].astype(np.float64), shown.albedo[there].astype(np.float64)
                if len(pixels) > 100:
                    gains[n] = _gain(pixels, pred)
                image = image / gains[n] - shown.albedo
                weight = weight * (shown.opacity > _LEAST_SEEN)
            canvas.gather(eye, np.ascontiguousarray(image, np.float32), np.ascontiguousarray(weight, np.float32), sums)
        seen = sums[:, 3].astype(np.float32)
        if k == 0:
            mean = sums[:, :3] / np.maximum(sums[:, 3:], 1e-9)
            of_class = np.zeros((256, 3))
            for m in np.unique(material):
                use = material == m
                of_class[m] = sums[use, :3].sum(axis=0) / max(sums[use, 3].sum(), 1e-9)
            share = (sums[:, 3:] / (sums[:, 3:] + _AGAINST)).clip(0.0, 1.0)
            colours = (share * mean + (1.0 - share) * of_class[material]).astype(np.float32)
        else:
            gains /= np.exp(np.log(gains).mean(axis=0))
            step = sums[:, :3] / (sums[:, 3:] + _AGAINST)
            colours = np.clip(colours + step, 0.0, 1.5).astype(np.float32)
        at = 0
        for patch, _ in canvas.patches:
            patch.albedo[:] = colours[at : at + len(patch.albedo)]
            at += len(patch.albedo)
    return colours, seen, gains


def _gain(pixels: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """Gain for each channel by the median ratio, which moving things and mirrors do not bend."""
    ratio = np.log(np.maximum(pixels, 1e-3)) - np.log(np.maximum(pred, 1e-3))
    gain: np.ndarray = np.exp(np.clip(np.median(ratio, axis=0), -0.5, 0.5))
    return gain
