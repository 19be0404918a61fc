"""What images of an engine are good for: a small network that segments is trained on them and judged on another's.

Images and exact labels are of drives through seeded towns; those that judge are of other towns, by ray casting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from uniscene_sim.assembly import tile_store
from uniscene_sim.datasets.drives import SPLITS, moment_layout, plan_seed, sample_drives
from uniscene_sim.interfaces import CameraEngine, WorldView
from uniscene_sim.layout import Style
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.metrics.occupancy import Confusion
from uniscene_sim.plugins import construct, load_plugin
from uniscene_sim.rig import CameraSpec
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.tracing.buffers import camera_buffers

__all__ = ["UseScore", "evaluate_use"]

_WIDTH_PX, _RANGE_M = 200, 60.0
_CAMERAS = ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_BACK_RIGHT")
_MOMENTS = 6  # of each town
_BATCH, _RATE = 8, 2e-3
_TRUTH = "raycast"


@dataclass(frozen=True)
class UseScore:
    """How well a network segments images by ray casting."""

    trained_on: str
    images: int
    miou: float  # of the classes that occur in the images that judge
    of_raycast: float  # over that of the network that was trained on ray casting


def evaluate_use(engines: Sequence[str], towns: int = 8, judged: int = 4, steps: int = 700) -> list[UseScore]:
    """Scores of networks that were trained on images of engines, of which one is `raycast`.

    Args:
        engines: camera engines with options.
        towns: to train in.
        judged: towns to judge in.
        steps: of each training.

    Raises:
        InputError: no such engine.
    """
    made = {name: construct("camera", load_plugin("camera", name, "engines")) for name in (_TRUTH, *engines)}
    lessons, labels = _images(made, SPLITS["train"].start, towns)
    exam, truth = _images({_TRUTH: made[_TRUTH]}, SPLITS["test"].start, judged)
    mious = {}
    for name, images in lessons.items():
        net = _trained(images, labels, steps, name)
        counts = Confusion()
        with torch.no_grad():
            for first in range(0, len(truth), _BATCH):
                rows = slice(first, first + _BATCH)
                counts.add(truth[rows], net(_tensor(exam[_TRUTH][rows])).argmax(dim=1).numpy().astype(np.uint8))
        mious[name] = counts.miou_of([k for k in range(len(OccClass)) if counts.counts[k].sum()])
    best = mious[_TRUTH] or float("nan")
    return [UseScore(name, len(labels), miou, miou / best) for name, miou in mious.items()]


def _images(engines: dict[str, CameraEngine], first: int, towns: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Images uint8 (N, H, W, 3) of each engine, and their labels uint8 (N, H, W)."""
    cameras = [_small(spec) for spec in load_rig("nuscenes-small").cameras if spec.name in _CAMERAS]
    images: dict[str, list[np.ndarray]] = {name: [] for name in engines}
    labels = []
    for seed in tqdm(range(first, first + towns), desc="images", unit="town", disable=None):
        town = make_town(seed)
        atlas = TileAtlas(tile_store("procedural", town, plan_seed(seed, 0)))
        for moment in sample_drives(town, seed, _MOMENTS, signal_heads=True):
            layout = moment_layout(moment.stamp_us, moment.pose, moment.agents, seed, Style())
            atlas.update(moment.pose.x, moment.pose.y, _RANGE_M)
            view = WorldView(layout, (), atlas)
            for name, engine in engines.items():
                frames = engine.step([None], [view], cameras)[1][0]
                images[name] += [frames[spec.name].rgb for spec in cameras]
            labels += [camera_buffers(view, spec).semantic for spec in cameras]
    return {name: np.array(found) for name, found in images.items()}, np.array(labels)


def _small(spec: CameraSpec) -> CameraSpec:
    return replace(spec.scaled(_WIDTH_PX / spec.width), max_range_m=_RANGE_M)


def _tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _trained(images: np.ndarray, labels: np.ndarray, steps: int, name: str) -> nn.Module:
    torch.manual_seed(0)
    net = _Segmenter()
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE)
    random = np.random.default_rng(0)
    for step in tqdm(range(steps), desc=f"trained on {name}", unit="step", disable=None):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / 30, 2.0 * (steps - step) / steps)
        rows = random.integers(0, len(images), _BATCH)
        image, label = _tensor(images[rows]), torch.from_numpy(labels[rows]).long()
        if step % 2:
            image, label = image.flip(3), label.flip(2)
        image = image * (1.0 + 0.2 * torch.randn(_BATCH, 3, 1, 1)) + 0.1 * torch.randn(_BATCH, 3, 1, 1)
        loss = F.cross_entropy(net(image), label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return net.eval()


class _Segmenter(nn.Module):
    """A U-Net of four resolutions; logits (B, 21, H, W) of images (B, 3, H, W)."""

    def __init__(self, width: int = 24):
        super().__init__()
        widths = (width, 2 * width, 3 * width, 4 * width)
        self.falling = nn.ModuleList(_block(a, b, 2) for a, b in zip((3, *widths[:-1]), widths, strict=True))
        self.rising = nn.ModuleList(_block(a + b, b, 1) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(width, 4 * len(OccClass), 1)

    def forward(self, image: Tensor) -> Tensor:
        levels, x = [], image
        for block in self.falling:
            x = block(x)
            levels.append(x)
        for block, level in zip(self.rising, levels[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, size=level.shape[2:]), level], dim=1))
        return F.interpolate(F.pixel_shuffle(self.head(x), 2), size=image.shape[2:])


def _block(fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(fan_in, fan_out, 3, stride, 1), nn.BatchNorm2d(fan_out), nn.SiLU(),
        nn.Conv2d(fan_out, fan_out, 3, 1, 1), nn.BatchNorm2d(fan_out), nn.SiLU(),
    )  # fmt: skip
