"""A model whose latents carry what `procedural` would place: engines around a model can be seen without its weights."""

from __future__ import annotations

import hashlib

import numpy as np

from uniscene_sim.geometry import Pose
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.dense_labels import window_labels
from uniscene_sim.occupancy.learned.tile_latents import CANVAS_GRID
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.tile import TILE_M


class OracleModel:
    """Has the methods of a model. Which tile it is asked for it finds by its layout, as the tests tell it before."""

    patch = 4
    height = 32
    latent_channels = 512  # 4 x 4 x 32 labels as they are
    channels = CONDITION_CHANNELS
    sha256 = "oracle"
    device = "cpu"

    def __init__(self, static_map: StaticMap, seed: int):
        self.map, self.objects = static_map, plan_map(static_map, seed)
        self.at: dict[bytes, tuple[int, int]] = {}
        self.asked: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def generate(self, layout, noise, known=None, mask=None):
        self.asked.append((noise[0], known[0], mask[0]))
        ix, iy = self.at[hashlib.sha256(layout.tobytes()).digest()]
        x, y = (ix + 0.5) * TILE_M, (iy + 0.5) * TILE_M
        z = float(self.map.surface.height(np.array([x]), np.array([y]), np.zeros(1))[0])
        out = encode(window_labels(self.objects, self.map, Pose(x, y, z), CANVAS_GRID))[None]
        return np.where(mask[:, None], known, out)

    def decode(self, latents, layout):
        return decode(latents[0])[None]


def encode(labels: np.ndarray) -> np.ndarray:
    x, y = labels.shape[0] // 4, labels.shape[1] // 4
    return labels.reshape(x, 4, y, 4, 32).transpose(1, 3, 4, 0, 2).reshape(512, x, y).astype(np.float32)


def decode(latents: np.ndarray) -> np.ndarray:
    x, y = latents.shape[1:]
    labels = latents.reshape(4, 4, 32, x, y).transpose(3, 0, 4, 1, 2).reshape(4 * x, 4 * y, 32)
    return np.ascontiguousarray(labels).astype(np.uint8)


def oracle_engine(static_map: StaticMap, seed: int, told: bool = True):
    from uniscene_sim.occupancy.learned.tile_engine import OccflowTiles

    class Asked(OccflowTiles):
        def _condition(self, ix, iy):
            layout = super()._condition(ix, iy)
            self.model.at[hashlib.sha256(layout.data[None].tobytes()).digest()] = (ix, iy)
            return layout

    return Asked(static_map, seed, OracleModel(static_map, seed), options=OccflowTiles.Options(told=told))
