"""`OccupancyModel`: a trained VAE and flow, numpy in and out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from uniscene_sim.errors import InputError, shown
from uniscene_sim.occupancy.learned.dit import DiT, DiTConfig
from uniscene_sim.occupancy.learned.flow import sample
from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig
from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig
from uniscene_sim.zoo.models import CONFIG, ZooModel, load_model
from uniscene_sim.zoo.networks import load_network
from uniscene_sim.zoo.torch_device import autocast_for, explain_out_of_memory, pick_device, to_device

__all__ = ["OccupancyModel"]

_FLOWS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "unet": lambda sizes: UNet(UNetConfig(**sizes)),
    "dit": lambda sizes: DiT(DiTConfig(**sizes)),
}


class OccupancyModel:
    """From layouts to latents to labels; equal inputs give equal bytes on one machine.

    Args:
        name: as in the zoo.
        vae, flow: the networks.
        sha256: of the weights.
        device: where it runs; None picks one.
        steps, guidance: steps of the flow, and weight of the condition, unless a call asks for others.
        shift: how much longer the last steps are than the first.

    Attributes:
        channels: of the layout, in order.
        patch: cells along a side of a latent cell.
        latent_channels: c.
        height: Z.
        device: kind of device, on which the last bits of outputs depend.
    """

    def __init__(
        self,
        name: str,
        vae: OccupancyVae,
        flow: nn.Module,
        sha256: str,
        device: str | None = None,
        *,
        steps: int = 8,
        guidance: float = 1.0,
        shift: float = 1.0,
    ):
        self.name, self.sha256 = name, sha256
        self.steps, self.guidance, self.shift = steps, guidance, shift
        self._device = pick_device(device)
        self.device = self._device.type
        self._vae, self._flow = to_device(vae, self._device), to_device(flow, self._device)
        for net in (vae, flow):
            net.eval().requires_grad_(False)
        self.channels, self.latent_channels, self.patch = vae.config.channels, vae.config.latent, vae.config.patch
        self.height = vae.config.height

    @classmethod
    def load(cls, name: str | Path, device: str | None = None) -> OccupancyModel:
        """A model of the zoo by name, or of a folder.

        Raises:
            InputError: no such model, or weights of another version or damaged ones.
        """
        model = load_model(name)
        model.require_networks("vae", "flow", made_by="train occupancy")
        vae = load_network(model, "vae", lambda sizes: OccupancyVae(VaeConfig(**sizes)))
        flow = load_network(model, "flow", _flow)
        return cls(model.name, vae, flow, model.sha256, device, **_engine(model))

    def encode(self, labels: np.ndarray, layout: np.ndarray | None = None) -> np.ndarray:
        """Latents float32 (B, c, X/4, Y/4), about unit variance, of labels uint8 (B, X, Y, Z)."""
        self._check(labels.shape[-1] == self.height, "labels", f"height {self.height}", labels.shape)
        with torch.no_grad(), autocast_for(self._device):
            mean, _ = self._vae.encode(self._tensor(labels))
            return self._vae.normalise(mean.float()).cpu().numpy()

    def generate(
        self,
        layout: np.ndarray,
        noise: np.ndarray,
        known: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> np.ndarray:
        """Latents float32 (B, c, x, y) for layouts.

        Args:
            layout: uint8 (B, C, 4 x, 4 y), multi-hot over `channels`.
            noise: float32 (B, c, x, y), standard normal.
            known: float32 (B, c, x, y), latents to be kept where `mask` is set.
            mask: bool (B, x, y).
            steps: number of steps; None for `self.steps`.
            guidance: weight of the condition; 1 is no guidance, None for `self.guidance`.

        Raises:
            InputError: wrong shapes, or the device has no memory left.
        """
        b, c, nx, ny = noise.shape
        self._check_layout(layout, nx, ny, b)
        self._check(c == self.latent_channels, "noise", f"{self.latent_channels} channels", noise.shape)
        known = np.zeros_like(noise) if known is None else known
        mask = np.zeros((b, nx, ny), dtype=bool) if mask is None else mask
        self._check(known.shape == noise.shape and mask.shape == (b, nx, ny), "known", str(noise.shape), known.shape)
        steps = self.steps if steps is None else steps
        guidance = self.guidance if guidance is None else guidance
        with torch.no_grad(), autocast_for(self._device), explain_out_of_memory(b):
            given = self._tensor(mask.astype(np.float32)[:, None])
            made = sample(
                self._flow, self._tensor(noise), self._layout(layout), self._tensor(known), given, steps, guidance,
                self.shift,
            )  # fmt: skip
            return made.float().cpu().numpy()

    def decode(self, latents: np.ndarray, layout: np.ndarray | None) -> np.ndarray:
        """Labels uint8 (B, 4 x, 4 y, Z) of latents (B, c, x, y) and layouts (B, C, 4 x, 4 y); None for no layout."""
        b, _, nx, ny = latents.shape
        has_layout = torch.full((b,), layout is not None, device=self._device)
        if layout is None:
            layout = np.zeros((b, len(self.channels), self.patch * nx, self.patch * ny), dtype=np.uint8)
        self._check_layout(layout, nx, ny, b)
        with torch.no_grad(), autocast_for(self._device), explain_out_of_memory(b):
            return (
                self._vae.decode(self._vae.denormalise(self._tensor(latents)), self._layout(layout), has_layout)
                .cpu()
                .numpy()
            )

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _layout(self, layout: np.ndarray) -> Tensor:
        return self._tensor(layout).float().contiguous(memory_format=torch.channels_last)

    def _check_layout(self, layout: np.ndarray, nx: int, ny: int, b: int) -> None:
        expected = (b, len(self.channels), self.patch * nx, self.patch * ny)
        self._check(layout.shape == expected, "layout", f"{expected}, the channels {', '.join(self.channels)}",
                    layout.shape)  # fmt: skip

    @staticmethod
    def _check(good: bool, what: str, expected: str, got: tuple[int, ...]) -> None:
        if not good:
            raise InputError(f"expected {expected}, got {got}", field=what)


def _engine(model: ZooModel) -> dict[str, Any]:
    """How the engine uses a model: steps of its flow and how much longer the last are, and weight of its condition."""
    given = model.config.get("engine")
    if isinstance(given, dict) and given.keys() == {"steps", "guidance", "shift"} and _is_usable(**given):
        return dict(given)
    expected = "steps, a whole number from 1 to 1000, guidance, a number from 0 to 100, and shift, one from 0.1 to 10"
    raise InputError(f"expected {expected}, got {shown(given)}", file=model.folder / CONFIG, field="engine")


def _is_usable(steps: object, guidance: object, shift: object) -> bool:
    if isinstance(guidance, bool) or isinstance(shift, bool):
        return False
    numbers = isinstance(guidance, (int, float)) and 0 <= guidance <= 100
    numbers = numbers and isinstance(shift, (int, float)) and 0.1 <= shift <= 10
    return type(steps) is int and 1 <= steps <= 1000 and numbers


def _flow(sizes: dict[str, Any]) -> nn.Module:
    return _FLOWS[sizes.pop("kind")](sizes)
