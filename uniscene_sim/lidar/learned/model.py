"""`LidarModel`: a trained network with a numpy interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from uniscene_sim.lidar.learned.network import Rays, SdfConfig, SparseSdfNet, air_features
from uniscene_sim.lidar.learned.ray_samples import RaySamples
from uniscene_sim.lidar.learned.voxel_scene import VoxelScene
from uniscene_sim.lidar.weather import Air
from uniscene_sim.zoo.models import load_model
from uniscene_sim.zoo.networks import load_network
from uniscene_sim.zoo.torch_device import autocast_for, explain_out_of_memory, pick_device

__all__ = ["LidarModel"]


class LidarModel:
    """Ray samples to ranges, intensity and drop-out; bit-identical for the same inputs on one machine.

    Args:
        name: as in the zoo.
        net: the network.
        sha256: of the weights.
        device: torch device; by default a GPU if there is one.
        mean_depth: whether depth is UniScene's equation 10, the mean over all samples, in place of the surface at the
            median.

    Attributes:
        config: of the network.
    """

    def __init__(self, name: str, net: SparseSdfNet, sha256: str, device: str | None = None, mean_depth: bool = False):
        self.name, self.sha256, self._mean_depth = name, sha256, mean_depth
        self._device = pick_device(device)
        self.net = net.to(self._device).eval().requires_grad_(False)
        self.config = net.config

    @classmethod
    def load(cls, name: str | Path, device: str | None = None) -> LidarModel:
        """Load a model of the zoo, by name or folder.

        Raises:
            InputError: no such model, weights of another version or damaged ones.
        """
        model = load_model(name)
        model.require_networks("net", made_by="train lidar")
        net = load_network(model, "net", lambda sizes: SparseSdfNet(SdfConfig(**sizes)))
        return cls(model.name, net, model.sha256, device)

    def by_mean_depth(self) -> LidarModel:
        """The same model with depth by equation 10."""
        return LidarModel(self.name, self.net, self.sha256, self._device.type, mean_depth=True)

    def render(
        self, scene: VoxelScene, samples: RaySamples, direction: np.ndarray, detect_range_m: float, air: Air
    ) -> dict[str, np.ndarray]:
        """Render R rays.

        Args:
            scene: cells and their features.
            samples: (R, n), in these cells.
            direction: float32 (R, 3), map frame.
            detect_range_m: of the sensor, for a dark surface in clear air.
            air: between sensor and surfaces.

        Returns:
            `depth` (m), `intensity`, `missed` and `dropped` (probabilities), each float32 (R,), and `chosen` int64
            (R,), the sample at that depth.
        """
        with torch.no_grad(), autocast_for(self._device), explain_out_of_memory(len(direction)), _one_thread():
            rays = Rays(
                *(torch.from_numpy(x).to(self._device)
                  for x in (samples.t, samples.row, samples.offset, samples.slope, samples.gap, direction))
            )  # fmt: skip
            conditions = air_features(detect_range_m, air).to(self._device).expand(len(direction), 4)
            made = self.net(scene.features, rays, conditions)
            return {
                "depth": (made.mean if self._mean_depth else made.depth).cpu().numpy(),
                "intensity": made.intensity.cpu().numpy(),
                "missed": made.miss.sigmoid().cpu().numpy(),
                "dropped": made.dropped.sigmoid().cpu().numpy(),
                "chosen": made.chosen.cpu().numpy(),
            }


@contextmanager
def _one_thread() -> Iterator[None]:
    """Runs torch on one thread: layers this narrow gain little from more, which on a busy machine wait for each other
    for ten times as long as the work takes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
