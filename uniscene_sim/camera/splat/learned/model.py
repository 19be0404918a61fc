"""`PainterModel`: a trained VAE of colours and a flow over its latents, numpy in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from uniscene_sim.camera.splat.learned.conditions import COLUMNS, SplatConditions
from uniscene_sim.camera.splat.learned.nets import PaintVae, PaintVaeConfig, Points, points_of
from uniscene_sim.errors import InputError, shown
from uniscene_sim.occupancy.learned.flow import sample
from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig
from uniscene_sim.zoo.models import CONFIG, ZooModel, load_model
from uniscene_sim.zoo.networks import load_network
from uniscene_sim.zoo.torch_device import autocast_for, pick_device, to_device

__all__ = ["PaintedSplats", "PainterModel"]

_AT_ONCE = 65_536  # splats


class PaintedSplats(NamedTuple):
    """What N splats look like."""

    codes: np.ndarray  # float32 (N, 3) in [0, 1]: linear colours to the power of 1 / 2.2
    spread: np.ndarray  # float32 (N,), standard deviation of what latents do not tell
    pane: np.ndarray  # float32 (N,), probability of being a window pane


class PainterModel:
    """From columns to latents to colours; equal inputs give equal bytes on one machine.

    Args:
        name: as in the zoo.
        vae, flow: the networks.
        sha256: of the weights.
        device: where it runs; None picks one.
        steps: of the flow.
        shift: how much longer its last steps are than the first.
        recorded: whether its colours hold the light that they were seen in.
        grain: share of what it cannot tell that is painted as noise.

    Attributes:
        latent_channels: c.
        vae, flow: the networks, as given.
        device: kind of device, on which the last bits of outputs depend.
    """

    def __init__(self, name: str, vae: PaintVae, flow: UNet, sha256: str, device: str | None = None, *, steps: int = 6,
                 shift: float = 1.0, recorded: bool = False, grain: float = 0.0):  # fmt: skip
        self.name, self.sha256, self.steps, self.shift = name, sha256, steps, shift
        self.recorded, self.grain = recorded, grain
        self._device = pick_device(device)
        self.device = self._device.type
        self.vae, self.flow = to_device(vae, self._device), to_device(flow, self._device)
        for net in (vae, flow):
            net.eval().requires_grad_(False)
        self.latent_channels = vae.config.latent

    @classmethod
    def load(cls, name: str | Path, device: str | None = None) -> PainterModel:
        """A model of the zoo by name, or of a folder.

        Raises:
            InputError: no such model, or weights of another version or damaged ones.
        """
        model = load_model(name)
        model.require_networks("vae", "flow", made_by="train appearance")
        vae = load_network(model, "vae", lambda sizes: PaintVae(PaintVaeConfig(**sizes)))
        flow = load_network(model, "flow", lambda sizes: UNet(UNetConfig(**sizes)))
        fits = flow.config.latent == vae.config.latent and flow.config.patch == PaintVaeConfig.patch
        if flow.config.channels != COLUMNS or not fits or flow.config.attention:
            what = "expected a flow without attention over the latents of its VAE, with the channels of `COLUMNS`"
            raise InputError(what, file=model.folder / CONFIG, field="flow")
        return cls(model.name, vae, flow, model.sha256, device, **_engine(model))

    def encode(self, columns: np.ndarray, given: SplatConditions, codes: np.ndarray) -> np.ndarray:
        """Latents float32 (c, x, y), about unit variance, of what was seen of a canvas.

        Args:
            columns: float32 (C, 2 x, 2 y).
            given: N splats with a colour, from the canvas's corner.
            codes: uint8 (N, 3).
        """
        colours = torch.from_numpy(codes.astype(np.float32) / 255.0)[None].to(self._device)
        with torch.no_grad(), autocast_for(self._device):
            mean, _ = self.vae.encode(self._tensor(columns[None]), self._points(given), colours)
            out: np.ndarray = self.vae.normalise(mean.float())[0].cpu().numpy()
        return out

    def generate(self, columns: np.ndarray, noise: np.ndarray, known: np.ndarray | None = None,
                 mask: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
        """Latents float32 (c, x, y) of a canvas.

        Args:
            columns: float32 (C, 2 x, 2 y), what stands there.
            noise: float32 (c, x, y), standard normal.
            known: float32 (c, x, y), latents to be kept where `mask` is set.
            mask: bool (x, y).
        """
        known = np.zeros_like(noise) if known is None else known
        mask = np.zeros(noise.shape[1:], np.bool_) if mask is None else mask
        given = self._tensor(mask[None, None].astype(np.float32))
        with torch.no_grad(), autocast_for(self._device):
            made = sample(self.flow, self._tensor(noise[None]), self._tensor(columns[None]),
                          self._tensor(known[None]), given, self.steps, 1.0, self.shift)  # fmt: skip
            out: np.ndarray = made[0].float().cpu().numpy()
        return out

    def paint(self, latents: np.ndarray, columns: np.ndarray, given: SplatConditions) -> PaintedSplats:
        """What N splats look like.

        Args:
            latents: float32 (c, x, y).
            columns: float32 (C, 2 x, 2 y).
            given: N splats, from the canvas's corner.
        """
        out = PaintedSplats(*(np.empty((len(given), *more), np.float32) for more in ((3,), (), ())))
        with torch.no_grad(), autocast_for(self._device):
            latent = self.vae.denormalise(self._tensor(latents[None]))
            features = self.vae.features(latent, self._tensor(columns[None])).float()
            for first in range(0, len(given), _AT_ONCE):
                rows = slice(first, first + _AT_ONCE)
                made = self.vae.colours(features, self._points(given[rows]))
                out.codes[rows], out.spread[rows] = made.colours[0].cpu().numpy(), made.spread[0].cpu().numpy()
                out.pane[rows] = torch.sigmoid(made.pane[0]).cpu().numpy()
        return out

    def _points(self, given: SplatConditions) -> Points:
        parts = (torch.from_numpy(np.ascontiguousarray(part))[None].to(self._device)
                 for part in (given.label, given.place, given.normal, given.size))  # fmt: skip
        return points_of(*parts)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def _engine(model: ZooModel) -> dict[str, Any]:
    """How the engine uses a model."""
    given = model.config.get("engine")
    if isinstance(given, dict) and given.keys() == {"steps", "shift", "recorded", "grain"} and _is_usable(**given):
        return dict(given)
    expected = ("steps, a whole number from 1 to 1000, shift, a number from 0.1 to 10, recorded, true or false, and "
                "grain, a number from 0 to 1")  # fmt: skip
    raise InputError(f"expected {expected}, got {shown(given)}", file=model.folder / CONFIG, field="engine")


def _is_usable(steps: object, shift: object, recorded: object, grain: object) -> bool:
    numbers = [isinstance(n, (int, float)) and not isinstance(n, bool) and low <= n <= high
               for n, low, high in ((shift, 0.1, 10), (grain, 0, 1))]  # fmt: skip
    return type(steps) is int and 1 <= steps <= 1000 and all(numbers) and type(recorded) is bool
