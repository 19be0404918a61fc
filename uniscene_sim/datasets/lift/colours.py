"""Pictures to colours of splats: each splat gets the mean of the pixels that show it, weighted as it is blended there.

Visibility is that of splatting itself. Agents are splats, too, which stand in each picture where their boxes are. A
picture's exposure is a gain for each channel, solved for in turns with the colours; after that, colours are corrected
by what the pictures still differ (simultaneous iterative reconstruction, the averaging form of descent by gradient).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull
from tqdm import tqdm

from uniscene_sim.camera.splat.blend import SQUARE_PX, Blended, blend_squares, gather_squares, new_blended, scratch
from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.camera.splat.project import Placement
from uniscene_sim.camera.splat.seen import SeenSplats, eye_of
from uniscene_sim.datasets.lift.drive import View
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import EgoVehicle
from uniscene_sim.lens import project_points

__all__ = ["ROUNDS", "Canvas", "box_mask", "lift_colours", "own_body"]

_FAR_M = 90.0
_LEAST_SEEN = 0.8  # opacity of pixels that tell anything
ROUNDS = 4
_BONNET, _BACK = 0.62, 0.8  # of a car's height, as outlines go
_AGAINST = 0.35  # share of the mean of their class in splats that little is seen of: weight in pixels


@dataclass
class Canvas:
    """Splats that are being coloured, numbered through: patches of one level that stand still, and those of agents.

    Attributes:
        patches: each with its place; first those that stand still.
        standing: number of those.
        place_of: where the patch of a number (from `standing` on) is in a view; None if it is not there.
    """

    patches: list[tuple[Patch, Placement]]
    standing: int
    place_of: Callable[[int, View], Placement | None]

    def __post_init__(self) -> None:
        self._seen: dict[tuple[int, int], SeenSplats] = {}
        self._sums = scratch()

    @property
    def count(self) -> int:
        """Number of all splats."""
        return sum(len(patch.means) for patch, _ in self.patches)

    def seen(self, view: View) -> SeenSplats:
        """What a view sees, until the next of its size."""
        spec, there = view.camera, self.patches[: self.standing]
        for number in range(self.standing, len(self.patches)):
            if (place := self.place_of(number, view)) is not None:
                there.append((self.patches[number][0], place))
        size = spec.width, spec.height
        if size not in self._seen:
            self._seen[size] = SeenSplats(*size)
        found = self._seen[size]
        rotation, position = (np.ascontiguousarray(part) for part in (view.pose[:3, :3], view.pose[:3, 3]))
        found.look(there, eye_of(spec, rotation, position, _FAR_M, 0.0))
        return found

    def show(self, view: View) -> Blended:
        """Surfaces of a view."""
        seen = self.seen(view)
        height, width = view.camera.height, view.camera.width
        out = new_blended(height, width)
        blend_squares(seen.projected, seen.bins, self._sums, 0, -(-height // SQUARE_PX), out)
        out.albedo[out.splat < 0] = 0.0  # else whatever was in memory
        return out

    def gather(self, view: View, image: np.ndarray, weight: np.ndarray, sums: np.ndarray) -> None:
        """Add what a view tells of each splat to sums (N, 4)."""
        seen = self.seen(view)
        gather_squares(seen.projected, seen.bins, seen.numbers, image, weight, sums)


def own_body(view: View, ego: Pose, vehicle: EgoVehicle) -> np.ndarray:
    """Pixels bool (H, W) in which a picture shows the car that carries it: rays that reach the height of its bonnet,
    or behind its middle of its roof, above its outline."""
    v, u = np.indices((view.camera.height, view.camera.width)) + 0.5
    rays, found = view.camera.unproject(np.column_stack([u.ravel(), v.ravel()]))
    rays = rays @ view.pose[:3, :3].T @ ego.rotation  # axes of base_link
    x, y, z = ego.inverse().apply(view.pose[:3, 3])
    down, seen = rays[:, 2] < -1e-6, np.zeros(len(rays), np.bool_)
    for share, sign in ((_BONNET, 1.0), (_BACK, -1.0)):
        t = np.where(down, (share * vehicle.height_m - z) / np.where(down, rays[:, 2], -1.0), -1.0)
        ahead, aside = x + t * rays[:, 0] - vehicle.rear_axle_to_centre_m, y + t * rays[:, 1]
        within = (sign * ahead > 0.0) & (np.abs(ahead) < 0.5 * vehicle.length_m)
        seen |= (t > 0.0) & within & (np.abs(aside) < 0.5 * vehicle.width_m)
    return np.asarray(seen & found).reshape(u.shape)


def box_mask(view: View, boxes: np.ndarray, grow_m: float = 0.3) -> np.ndarray:
    """Pixels bool (H, W) within the outlines of boxes (N, 8), see `drive.boxes_at`."""
    mask = np.zeros((view.camera.height, view.camera.width), np.bool_)
    v, u = np.indices(mask.shape) + 0.5
    for x, y, z, yaw, length, width, height, *_ in boxes:
        sides = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (0.0, 1.0)])
        corners = sides * (length + grow_m, width + grow_m, height + grow_m) - (0.0, 0.0, 0.5 * grow_m)
        c, s = np.cos(yaw), np.sin(yaw)
        corners = corners @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) + (x, y, z)
        optical = np.ascontiguousarray((corners - view.pose[:3, 3]) @ view.pose[:3, :3])
        pixels, imaged = project_points(view.camera.lens, optical)
        pixels = pixels[imaged & (optical[:, 2] > 0.1)]
        if len(pixels) < 4:
            continue
        outline = ConvexHull(pixels, qhull_options="QJ").equations
        mask |= (outline[:, 0] * u[..., None] + outline[:, 1] * v[..., None] + outline[:, 2] <= 0.0).all(axis=-1)
    return mask


def lift_colours(
    canvas: Canvas,
    views: Sequence[View],
    image_of: Callable[[View], tuple[np.ndarray, np.ndarray]],
    rounds: int = ROUNDS,
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
            if k:
                shown = canvas.show(view)
                there = (weight > 0.0) & (shown.opacity > _LEAST_SEEN)
                pixels, pred = image[there].astype(np.float64), shown.albedo[there].astype(np.float64)
                if len(pixels) > 100:
                    gains[n] = _gain(pixels, pred)
                image = image / gains[n] - shown.albedo
                weight = weight * (shown.opacity > _LEAST_SEEN)
            canvas.gather(view, np.ascontiguousarray(image, np.float32), np.ascontiguousarray(weight, np.float32), sums)
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
