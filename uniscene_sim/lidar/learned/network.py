"""`SparseSdfNet`: sparse U-Net over labelled cells, signed distance at samples, heads for intensity and drop-out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log
from typing import NamedTuple

import spconv.pytorch as spconv
import torch
from spconv.pytorch import cppcore, ops
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.lidar.learned.render import render_weights, rendered_depth, surface_sample
from uniscene_sim.lidar.weather import Air
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import CELL_M

__all__ = ["Rays", "RenderedRays", "SdfConfig", "SparseSdfNet", "air_features", "spconv_backward_on_cpu"]

_CLASSES = int(OccClass.FREE)
_GUESS_M = CELL_M  # prior: samples start half a cell before the first cell, and the surface lies half a cell within it


@dataclass(frozen=True)
class SdfConfig:
    """Sizes of the network.

    Attributes:
        widths: channels of each level; cells double in size from level to level.
        blocks: residual blocks of each level of the encoder; the decoder has one each.
        hidden: width of the signed-distance head.
        samples: per ray.
        prior: whether samples are drawn from occupied cells (section 3.3), or evenly spaced.
        mean_depth: whether depth is UniScene's equation 10, the mean over all samples, in training too; by default it
            is the surface at the median.
        beam_equation: whether the drop-out head is told what the LiDAR equation leaves of a beam; without, as in
            UniScene, it has the ray's features, with the detection range and extinction as they are.
    """

    widths: tuple[int, ...] = (16, 24, 32, 32)
    blocks: tuple[int, ...] = (1, 1, 1, 2)
    hidden: int = 32
    samples: int = 8
    prior: bool = True
    mean_depth: bool = False
    beam_equation: bool = True

    @property
    def reach(self) -> int:
        """Receptive field of a cell's features, in cells to each side, rounded up to whole coarse cells."""
        levels = len(self.widths)
        cells: int = sum(2 * self.blocks[i] * 2**i for i in range(levels)) + sum(2 * 2**i for i in range(levels - 1))
        coarse: int = 2 ** (levels - 1)
        # the coarse cells that a cell lies in begin up to a coarse cell before it
        return coarse * -(-(cells + coarse) // coarse)


class Rays(NamedTuple):
    """R rays of n samples, as tensors; see `ray_samples.RaySamples`."""

    t: Tensor  # float32 (R, n) m
    row: Tensor  # int64 (R, n), -1 in free space
    offset: Tensor  # float32 (R, n, 3)
    slope: Tensor  # float32 (R, n)
    gap: Tensor  # float32 (R,)
    direction: Tensor  # float32 (R, 3), map frame


class RenderedRays(NamedTuple):
    """Predictions for R rays."""

    depth: Tensor  # (R,) m, of the surface at the median of the weights; of `mean_depth`, as the next
    mean: Tensor  # (R,) m, by equation 10 over all samples
    chosen: Tensor  # int64 (R,), the sample at that surface
    intensity: Tensor  # (R,) 0..1
    miss: Tensor  # (R,) logit that the ray hits nothing
    dropped: Tensor  # (R,) logit that the hit is not detected
    weights: Tensor  # (R, n), of equation 9
    distance: Tensor  # (R, n) m, signed


def air_features(detect_range_m: float, air: Air) -> Tensor:
    """Features of sensor and air, float32 (4,): logarithm of the detection range (m) for a dark surface, extinction
    (1/m), whether the ground is wet, whether it has snow."""
    return torch.tensor([log(detect_range_m), air.extinction, air.wet, air.snow], dtype=torch.float32)


class SparseSdfNet(nn.Module):
    """Features of cells by a sparse U-Net, then signed distances, intensity and drop-out of rays through them.

    Args:
        config: sizes.
    """

    def __init__(self, config: SdfConfig):
        super().__init__()
        self.config = config
        w = config.widths
        self.embed = nn.Embedding(_CLASSES, w[0])
        self.down = nn.ModuleList(
            nn.ModuleList(_SparseResBlock(w[i], f"level{i}") for _ in range(config.blocks[i])) for i in range(len(w))
        )
        self.up = nn.ModuleList(_SparseResBlock(w[i], f"level{i}") for i in range(len(w) - 1))
        self.shrink = nn.ModuleList(
            spconv.SparseConv3d(w[i], w[i + 1], 2, stride=2, bias=False, indice_key=f"step{i}")
            for i in range(len(w) - 1)
        )
        self.grow = nn.ModuleList(
            spconv.SparseInverseConv3d(w[i + 1], w[i], 2, bias=False, indice_key=f"step{i}") for i in range(len(w) - 1)
        )
        h = config.hidden
        self.of_sample = nn.Linear(w[0] + 13, h)
        self.middle = nn.Linear(h, h)
        self.out = nn.Linear(h, 1)
        self.log_sharpness = nn.Parameter(torch.tensor([0.5]))
        self.of_ray = nn.Linear(h + w[0] + 10, h)
        self.heads = nn.Linear(h, 2)
        self.drop, self.drop_out = nn.Linear(h + (3 if config.beam_equation else 2), h), nn.Linear(h, 1)
        with torch.no_grad():  # initially nearly all rays hit something and return
            self.heads.bias[1] = -3.0
            nn.init.constant_(self.drop_out.bias, -2.0)

    def features(self, ijk: Tensor, label: Tensor, group: Tensor) -> Tensor:
        """Features of cells: (N, first width).

        Args:
            ijk: int32 (N, 3), cells.
            label: int64 (N,) OccClass.
            group: int32 (N,): cells of different groups do not influence each other.
        """
        coarse = 2 ** (len(self.config.widths) - 1)
        if not len(ijk):
            return self.embed.weight.new_zeros((0, self.config.widths[0]))
        with torch.autocast(ijk.device.type, enabled=False):
            groups = int(group.max()) + 1
            low = ijk.new_full((groups, 3), 2**30)
            low.scatter_reduce_(0, group.long()[:, None].expand(-1, 3), ijk, "amin")
            # shifted by whole coarse cells, so that all groups begin near the origin
            at = ijk - low.div(coarse, rounding_mode="floor").mul(coarse).index_select(0, group)
            shape = [int(s) // coarse * coarse + coarse for s in at.amax(dim=0)]
            where = torch.cat([group[:, None], at], dim=1).int().contiguous()
            x = spconv.SparseConvTensor(self.embed(label), where, shape, groups)
            kept = []
            for level, blocks in enumerate(self.down):
                for block in blocks:  # type: ignore[attr-defined]
                    x = block(x)
                if level + 1 < len(self.down):
                    kept.append(x)
                    x = self.shrink[level](x)
            for level in reversed(range(len(kept))):
                x = self.grow[level](x)
                x = self.up[level](x.replace_feature(x.features + kept[level].features))
            features: Tensor = x.features
            return features

    def forward(self, features: Tensor, rays: Rays, air: Tensor) -> RenderedRays:
        """Signed distances, rendering by equations 9 and 10, and the heads.

        Args:
            features: (N, first width), from `features`.
            rays: with samples in these cells.
            air: (R, 4), as `air_features` gives it.
        """
        r, n = rays.t.shape
        cells = features.index_select(0, rays.row.reshape(-1).clamp_min(0)).view(r, n, -1)
        if not self.config.prior:
            cells = torch.where((rays.row >= 0)[..., None], cells, 0.0)  # not times 0: row 0 may hold anything
        gap = rays.gap[:, None].expand(r, n)
        past = gap * (torch.arange(n, device=gap.device) + 0.5)
        inputs = torch.cat(
            [cells, rays.offset, rays.direction[:, None].expand(r, n, 3), rays.offset.square(),
             rays.slope[..., None].log(), gap[..., None], past[..., None], (rays.t - rays.t[:, :1]).log1p()[..., None]],
            dim=2,
        )  # fmt: skip
        hidden = F.relu(self.middle(F.relu(self.of_sample(inputs))))
        distance = self.out(hidden)[..., 0].float()
        if self.config.prior:  # the network learns a correction to a surface half a cell within the first cell
            distance = distance + (_GUESS_M - past)
        # Distances are in units of the sample spacing, so that depth is interpolated between samples.
        weights = render_weights(distance / rays.gap[:, None].clamp_min(1e-3), self.log_sharpness.exp())
        mean = rendered_depth(weights, rays.t)
        chosen, surface = surface_sample(weights, rays.t, (gap / rays.slope).clamp_min(1e-3))
        depth = mean if self.config.mean_depth else surface
        seen = torch.cat([torch.bmm(weights[:, None], x.float())[:, 0] for x in (hidden, cells)], dim=1)
        slope = (weights * rays.slope).sum(dim=1)
        geometry = torch.cat(
            [rays.direction, rays.direction[:, 2:].abs(), slope[:, None], gap[:, :1], (0.02 * depth)[:, None],
             depth.clamp_min(0.1).log()[:, None], air[:, 2:]], dim=1,
        )  # fmt: skip
        ray = F.relu(self.of_ray(torch.cat([seen, geometry], dim=1)))
        bright, miss = self.heads(ray).float().unbind(dim=1)
        intensity = torch.sigmoid(bright)
        signal = _beam_signal(depth.detach(), bright.detach(), air) if self.config.beam_equation else air[:, :2]
        dropped = self.drop_out(F.relu(self.drop(torch.cat([ray, signal], dim=1)))).float()[:, 0]
        return RenderedRays(depth, mean, chosen, intensity, miss, dropped, weights, distance)


def _beam_signal(depth: Tensor, bright: Tensor, air: Tensor) -> Tensor:
    """What the drop-out head corrects, (R, 3): what the LiDAR equation leaves of a beam on the way there and back, the
    intensity as logit, and both together."""
    far = depth.clamp_min(0.1)
    left = 2.0 * (air[:, 0] - far.square().add(25.0).log().mul(0.5)) - 2.0 * air[:, 1] * far
    return torch.stack([left, bright, left + F.logsigmoid(bright)], dim=1)


class _SparseResBlock(nn.Module):
    """Residual block of two 3x3x3 convolutions; each cell is normalised alone, so that tiles agree with the whole.

    Convolutions have no bias, since on the CPU spconv adds none outside training.
    """

    def __init__(self, width: int, key: str):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.convs = nn.ModuleList(spconv.SubMConv3d(width, width, 3, bias=False, indice_key=key) for _ in range(2))

    def forward(self, x: spconv.SparseConvTensor) -> spconv.SparseConvTensor:
        before = x.features
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(x.replace_feature(F.relu(norm(x.features))))
        return x.replace_feature(before + x.features)


@contextmanager
def spconv_backward_on_cpu() -> Iterator[None]:
    """Lets spconv backpropagate on the CPU, where it asks for a CUDA stream that it then does not use."""
    if torch.cuda.is_available():
        yield
        return
    before = [(module, module.get_current_stream) for module in (ops, cppcore)]
    for module, _ in before:
        module.get_current_stream = lambda: 0
    try:
        yield
    finally:
        for module, stream in before:
            module.get_current_stream = stream
