"""Features of occupancy that sets are compared in: those of two autoencoders, one of volumes and one of the view from
above, as FID takes those of a network for photographs. They judge generators, and no engine uses them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uniscene_sim.errors import InputError
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.zoo.models import load_model
from uniscene_sim.zoo.networks import load_network

__all__ = [
    "FEATURES_MODEL",
    "VIEWS",
    "FeatureNet",
    "FeatureSizes",
    "Features",
    "OccupancyFeatures",
    "view_from_above",
    "volume",
]  # fmt: skip

#: Name of the shipped networks in the zoo.
FEATURES_MODEL = "occupancy_features"
_EMBED = 4
_HEIGHT = GENERATED_GRID.shape[2]
_CELLS = 100  # along a side of a sample: a quarter of a window
_FREE = int(OccClass.FREE)
_BATCH = 16
_PATTERNS = 4  # layers of the encoder whose activations are features


@dataclass(frozen=True)
class FeatureSizes:
    """Sizes of a `FeatureNet`."""

    inputs: int  # channels of its view
    widths: tuple[int, int] = (48, 96)
    latent: int = 32
    kinds: int = 10


@dataclass(frozen=True)
class Features:
    """What M samples look like to a network."""

    features: np.ndarray  # float64 (M, D), whitened over training windows
    kinds: np.ndarray  # float64 (M, K), shares of the kinds of training samples


class FeatureNet(nn.Module):
    """An autoencoder of a view (B, C, x, y). Its features are how often the patterns of 2.4 m occur that it first looks
    for: means over space of activations. They are whitened, since most of their variance is how much of a sample is
    built up, and all else would not count beside it."""

    mean: Tensor
    whitening: Tensor
    centres: Tensor
    spread: Tensor
    embedding: Tensor

    def __init__(self, sizes: FeatureSizes):
        super().__init__()
        self.sizes = s = sizes
        half, quarter = s.widths
        self.encoder = nn.Sequential(
            nn.Conv2d(s.inputs, half, 1), nn.SiLU(),
            nn.Conv2d(half, half, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(half, quarter, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(quarter, s.latent, 1),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(s.latent, quarter, 3, 1, 1), nn.SiLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(quarter, half, 3, 1, 1), nn.SiLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(half, half, 3, 1, 1), nn.SiLU(), nn.Conv2d(half, s.inputs, 1),
        )  # fmt: skip
        self.register_buffer("embedding", torch.randn(len(OccClass), _EMBED))  # of classes, as drawn
        self.register_buffer("mean", torch.zeros(half))
        self.register_buffer("whitening", torch.eye(half))
        #: Kinds of training samples: middles of clusters of their features, and the variance about these.
        self.register_buffer("centres", torch.zeros(s.kinds, half))
        self.register_buffer("spread", torch.ones(1))

    def latents(self, view: Tensor) -> Tensor:
        """Latents (B, c, x / 4, y / 4) of a view (B, C, x, y)."""
        out: Tensor = self.encoder(view)
        return out

    def rebuilt(self, latents: Tensor, size: tuple[int, int]) -> Tensor:
        """The view (B, C, *size) that latents show."""
        out: Tensor = self.decoder(latents)[:, :, : size[0], : size[1]]
        return out

    def raw_features(self, view: Tensor) -> Tensor:
        """Features (B, D), not whitened."""
        out: Tensor = self.encoder[:_PATTERNS](view).mean(dim=(2, 3))
        return out

    def features(self, view: Tensor) -> Tensor:
        """Features (B, D)."""
        return (self.raw_features(view) - self.mean) @ self.whitening

    def kinds(self, features: Tensor) -> Tensor:
        """Shares (B, K) of the kinds that features (B, D) may be of, if all are equally wide clouds."""
        return (-0.5 * torch.cdist(features, self.centres) ** 2 / self.spread).softmax(dim=1)


def volume(labels: Tensor, embedding: Tensor) -> Tensor:
    """Labels uint8 (B, X, Y, Z) as (B, 4 Z E, X / 2, Y / 2): embeddings of the voxels of four columns as channels."""
    b, nx, ny, nz = labels.shape
    shown = embedding[labels.int().reshape(-1)].view(b, nx, ny, nz * embedding.shape[1])
    return F.pixel_unshuffle(shown.permute(0, 3, 1, 2), 2)


def view_from_above(labels: Tensor, embedding: Tensor) -> Tensor:
    """Labels uint8 (B, X, Y, Z) as (B, 4 (E + 1), X / 2, Y / 2): the highest label of each column, and its height."""
    full = labels != _FREE
    nz = labels.shape[3]
    layer = nz - 1 - full.flip(3).int().argmax(dim=3)
    layer = torch.where(full.any(dim=3), layer, 0)
    top = labels.gather(3, layer[..., None])[..., 0]
    shown = torch.cat([embedding[top.int().reshape(-1)].view(*top.shape, -1), layer[..., None] * (4.0 / nz)], dim=3)
    return F.pixel_unshuffle(shown.permute(0, 3, 1, 2), 2)


#: Networks by view: how labels become their input, and the number of its channels.
VIEWS = {"3d": (volume, 4 * _HEIGHT * _EMBED), "2d": (view_from_above, 4 * (_EMBED + 1))}


class OccupancyFeatures:
    """Features of windows, four samples of 40 m for each.

    Args:
        nets: by view.
    """

    def __init__(self, nets: dict[str, FeatureNet]):
        self._nets = nets
        for net in nets.values():
            net.eval().requires_grad_(False)

    @classmethod
    def load(cls, name: str | Path = FEATURES_MODEL) -> OccupancyFeatures:
        """Networks of the zoo by name, or of a folder.

        Raises:
            InputError: no such model, or weights of another version or damaged ones.
        """
        model = load_model(name)
        parts = {view: f"features_{view}" for view in VIEWS}
        model.require_networks(*parts.values(), made_by="train features")
        nets = {view: load_network(model, part, lambda sizes: FeatureNet(FeatureSizes(**sizes)))
                for view, part in parts.items()}  # fmt: skip
        for view, net in nets.items():
            if net.sizes.inputs != VIEWS[view][1]:
                expected = f"expected {VIEWS[view][1]} inputs, got {net.sizes.inputs}"
                raise InputError(expected, file=model.folder, field=parts[view])
        return cls(nets)

    def __call__(self, labels: np.ndarray) -> dict[str, Features]:
        """Features by view of labels uint8 (N, X, Y, Z), X and Y at least 100; four or more samples for each."""
        samples = _samples(labels)
        found: dict[str, tuple[list[Tensor], list[Tensor]]] = {view: ([], []) for view in self._nets}
        with torch.no_grad():
            for some in torch.from_numpy(samples).split(_BATCH):
                for view, net in self._nets.items():
                    features = net.features(VIEWS[view][0](some, net.embedding))
                    found[view][0].append(features)
                    found[view][1].append(net.kinds(features))
        return {view: Features(*(torch.cat(part).double().numpy() for part in parts)) for view, parts in found.items()}

    def plain(self) -> dict[str, dict[str, object]]:
        """Sizes of the networks by view, for a config."""
        return {
            view: {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(net.sizes).items()}
            for view, net in self._nets.items()
        }


def _samples(labels: np.ndarray) -> np.ndarray:
    """Squares of 100 cells, uint8 (M, 100, 100, 32), side by side in windows (N, X, Y, Z); what is higher is free."""
    n, nx, ny, nz = labels.shape
    tall = np.full((n, nx, ny, _HEIGHT), _FREE, np.uint8)
    tall[..., : min(nz, _HEIGHT)] = labels[..., :_HEIGHT]
    a, b = nx // _CELLS, ny // _CELLS
    squares = tall[:, : a * _CELLS, : b * _CELLS].reshape(n, a, _CELLS, b, _CELLS, _HEIGHT)
    return np.ascontiguousarray(squares.swapaxes(2, 3).reshape(-1, _CELLS, _CELLS, _HEIGHT))
