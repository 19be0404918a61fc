"""Draws `docs/sparse_sdf_real.png`: a held-out moment of a real street as photographed, as cells that earlier sweeps
saw, as `sparse-sdf` makes the sweep through them, and as the real sweep was.

python docs/make_sparse_sdf_real.py FOLDER

FOLDER is PandaSet's sequence 002 (CC BY 4.0, (c) Hesai and Scale AI), with pictures of its front camera.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation

from uniscene_sim.datasets.pandaset_sweeps import TRAINED_ON, PandaSetSweeps
from uniscene_sim.evaluation.learned_lidar import LearnedRayPredictor
from uniscene_sim.evaluation.lidar import returning_rays
from uniscene_sim.evaluation.ray_predictors import label_grid_around
from uniscene_sim.lidar.learned.model import LidarModel
from uniscene_sim.storage.input_file import read_json
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.taxonomy import OCC_RGB, OccClass
from uniscene_sim.tile import CELL_M
from uniscene_sim.tracing.label_grid import label_arrays, trace_labels

FRAME, SIZE, SCALE = 66, (480, 270), 0.25
_FAR_M, _MOST = 70.0, 1 << 24
_SKY = (28, 30, 36)


class _Camera:
    """The front camera when it took a picture."""

    def __init__(self, folder: Path, frame: int):
        place = folder / "camera/front_camera"
        k = read_json(place / "intrinsics.json", _MOST, "intrinsics")
        pose = read_json(place / "poses.json", _MOST, "poses")[frame]
        self.focal, self.centre = SCALE * np.array([k["fx"], k["fy"]]), SCALE * np.array([k["cx"], k["cy"]])
        self.rotation = Rotation.from_quat([pose["heading"][c] for c in "xyzw"]).as_matrix()  # world <- camera
        self.at = np.array([pose["position"][c] for c in "xyz"])

    def rays(self) -> np.ndarray:
        """Unit directions (H * W, 3) of the pixels, in the world."""
        u, v = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
        ahead = np.stack([(u - self.centre[0]) / self.focal[0], (v - self.centre[1]) / self.focal[1], np.ones_like(u)])
        world = ahead.reshape(3, -1).T @ self.rotation.T
        return world / np.linalg.norm(world, axis=1, keepdims=True)

    def pixels(self, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (K, 2) of those points (N, 3) that are seen, and which they are."""
        seen = (xyz - self.at) @ self.rotation
        ahead = np.flatnonzero(seen[:, 2] > 1.0)
        uv = np.floor(seen[ahead, :2] / seen[ahead, 2:] * self.focal + self.centre).astype(int)
        inside = ((uv >= 0) & (uv < np.array(SIZE) - 1)).all(axis=1)
        return uv[inside], ahead[inside]


def cells_seen(camera: _Camera, grid) -> np.ndarray:
    """The cells as the camera would see them, coloured by class and shaded by the face that is met."""
    rays = camera.rays()
    far, label = trace_labels(label_arrays(grid), np.broadcast_to(camera.at, rays.shape).copy(), rays, _FAR_M)
    hit = label != OccClass.FREE
    end = (camera.at + np.where(hit, far, 0.0)[:, None] * rays) / CELL_M
    face = np.abs(end - np.round(end)).argmin(axis=1)
    shade = np.array([0.78, 0.9, 1.0])[face] * (1.0 - 0.5 * np.clip(far / _FAR_M, 0, 1))
    colour = np.where(hit[:, None], OCC_RGB[label] * shade[:, None], _SKY)
    return colour.reshape(SIZE[1], SIZE[0], 3).astype(np.uint8)


def points_seen(camera: _Camera, xyz: np.ndarray) -> np.ndarray:
    """Points coloured by distance, near ones last."""
    picture = np.full((SIZE[1], SIZE[0], 3), _SKY, np.uint8)
    uv, which = camera.pixels(xyz)
    away = np.linalg.norm(xyz[which] - camera.at, axis=1)
    order = np.argsort(-away)
    part = np.clip(np.log(away[order] / 4.0) / np.log(_FAR_M / 4.0), 0, 1)[:, None]
    colours = (1 - part) * [255, 214, 92] + part * [64, 128, 255]
    for du, dv in ((0, 0), (1, 0), (0, 1), (1, 1)):
        picture[uv[order, 1] + dv, uv[order, 0] + du] = colours
    return picture


def main() -> None:
    folder = Path(sys.argv[1])
    camera, real = _Camera(folder, FRAME), PandaSetSweeps(folder)
    street = real.rays_through([FRAME], TRAINED_ON)
    [sweep] = street.town.sweeps
    made = LearnedRayPredictor(LidarModel.load("lidar_pandaset", "cpu"))(street.town, sweep)
    returns = returning_rays(made, 0) & (made.range_m < _FAR_M)
    back = sweep.range_m < _FAR_M
    photograph = Image.open(folder / f"images_480x270/front_camera/{FRAME:02d}.jpg").convert("RGB")
    parts = (
        ("photograph, frame 66 (held out)", np.asarray(photograph)),
        ("cells that frames 0 to 55 saw, and movers", cells_seen(camera, label_grid_around(street.town, sweep))),
        (
            "sweep by sparse-sdf, fine-tuned",
            points_seen(camera, (sweep.origin + made.range_m[:, None] * sweep.direction)[returns]),
        ),
        ("real sweep", points_seen(camera, (sweep.origin + sweep.range_m[:, None] * sweep.direction)[back])),
    )
    pictures = []
    for text, picture in parts:
        image = Image.fromarray(picture)
        ImageDraw.Draw(image).text((8, 6), text, fill=(255, 255, 255), stroke_width=2, stroke_fill=0)
        pictures.append(np.asarray(image))
    rows = [np.concatenate(pictures[:2], axis=1), np.concatenate(pictures[2:], axis=1)]
    with output_file(Path(__file__).parent / "sparse_sdf_real.png") as part:
        Image.fromarray(np.concatenate(rows)).quantize(256).save(part, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
