"""`ClipOccupancy`: a trained VAE and a flow over clips, numpy in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from uniscene_sim.errors import InputError, shown
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.learned.flow import integrate
from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig
from uniscene_sim.occupancy.temporal.interface import Held, Past
from uniscene_sim.occupancy.temporal.occ_uniscene import OccUniScene, OccUniSceneConfig
from uniscene_sim.occupancy.temporal.occdit import OccDiT, OccDiTConfig
from uniscene_sim.occupancy.temporal.temporal_vae import TemporalVae
from uniscene_sim.zoo.models import CONFIG, ZooModel, load_model
from uniscene_sim.zoo.networks import load_network
from uniscene_sim.zoo.torch_device import autocast_for, explain_out_of_memory, pick_device, to_device

__all__ = ["KINDS", "ClipOccupancy"]

#: Networks by the name of their engine.
KINDS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "occdit": lambda sizes: OccDiT(OccDiTConfig(**sizes)),
    "occ-uniscene": lambda sizes: OccUniScene(OccUniSceneConfig(**sizes)),
}


class ClipOccupancy:
    """A `ClipModel`; equal inputs give equal bytes on one machine.

    Args:
        name: as in the zoo.
        vae, flow: the networks.
        sha256: of the weights.
        device: where it runs; None picks one.
        steps, guidance: steps of the flow, and weight of the layout, unless a call asks for others.
        past: most frames that it goes on from.
        shift: how much longer the last steps are than the first, see `integrate`.
    """

    def __init__(
        self,
        name: str,
        vae: OccupancyVae,
        flow: nn.Module,
        sha256: str,
        device: str | None = None,
        *,
        steps: int = 4,
        guidance: float = 1.0,
        past: int = 2,
        shift: float = 1.0,
    ):
        self.name, self.sha256 = name, sha256
        self.steps, self.guidance, self.past, self.shift = steps, guidance, past, shift
        self._device = pick_device(device)
        self._vae, self._flow = to_device(vae, self._device), to_device(flow, self._device)
        for net in (vae, flow):
            net.eval().requires_grad_(False)
        config: Any = flow.config
        self.channels: tuple[str, ...] = config.channels
        self.token: int = config.token
        self.decoder_told = vae.config.told
        self.latent_channels, self.patch, self.height = vae.config.latent, vae.config.patch, vae.config.height

    @classmethod
    def load(cls, name: str | Path, kind: str, device: str | None = None) -> ClipOccupancy:
        """A model of the zoo by name, or of a folder.

        Args:
            name: of the model, or its folder.
            kind: one of `KINDS`, which it has to be.
            device: where it runs; None picks one.

        Raises:
            InputError: no such model, one of another kind, channels that do not exist, or weights of another version or
                damaged ones.
        """
        return cls.of(load_model(name), kind, device)

    @classmethod
    def of(cls, model: ZooModel, kind: str, device: str | None = None) -> ClipOccupancy:
        """A model that has been read; arguments and errors as of `load`."""
        model.require_networks("vae", "clips", made_by=f"train {kind}")
        if (found := model.config.get("kind")) != kind:
            raise InputError(f"expected {kind}, got {shown(found)}", file=model.folder / CONFIG, field="kind")
        decoder = TemporalVae if model.config.get("temporal_decoder") is True else OccupancyVae
        vae = load_network(model, "vae", lambda sizes: decoder(VaeConfig(**sizes)))
        flow = load_network(model, "clips", KINDS[kind])
        config: Any = flow.config
        if unknown := [name for name in config.channels if name not in CONDITION_CHANNELS]:
            expected = f"no such channels: {', '.join(unknown)}; expected some of {', '.join(CONDITION_CHANNELS)}"
            raise InputError(expected, file=model.folder / CONFIG, field="clips.channels")
        if (config.latent, config.patch) != (vae.config.latent, vae.config.patch):
            raise InputError(f"expected those of its VAE, {vae.config.latent} and {vae.config.patch}, got "
                             f"{config.latent} and {config.patch}", file=model.folder / CONFIG,
                             field="clips.latent, clips.patch")  # fmt: skip
        if vae.config.told and vae.config.channels != config.channels:
            raise InputError("expected those of the flow, in one order, in a VAE whose decoder is told the layout",
                             file=model.folder / CONFIG, field="vae.channels")  # fmt: skip
        return cls(model.name, vae, flow, model.sha256, device, **_engine(model))

    def encode(self, labels: np.ndarray) -> np.ndarray:
        """Latents float32 (B, c, X/4, Y/4), about unit variance, of labels uint8 (B, X, Y, Z)."""
        with torch.no_grad(), autocast_for(self._device):
            mean, _ = self._vae.encode(self._tensor(labels))
            return self._vae.normalise(mean.float()).cpu().numpy()

    def generate(
        self, past: Past | None, layout: np.ndarray, noise: np.ndarray, steps: int | None = None,
        guidance: float | None = None, held: Held | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Latents of the next frame, see `ClipModel`.

        Raises:
            InputError: the layout lacks channels or is of another size than the noise, or no memory is left.
        """
        nx, ny = noise.shape[1:]
        expected = (len(self.channels), self.patch * nx, self.patch * ny)
        if layout.shape != expected:
            raise InputError(f"expected {expected}, the channels {', '.join(self.channels)}, got {layout.shape}",
                             field="layout")  # fmt: skip
        if past is not None and (past.latents.shape[1:] != noise.shape or (np.diff(past.seconds) <= 0).any()
                                 or (past.seconds >= 0).any()):  # fmt: skip
            raise InputError(f"expected earlier frames of {noise.shape}, oldest first, got {past.latents.shape} at "
                             f"{past.seconds.tolist()} s", field="past")  # fmt: skip
        steps, guidance = steps or self.steps, self.guidance if guidance is None else guidance
        with torch.no_grad(), autocast_for(self._device), explain_out_of_memory(1):
            velocity = (_causal if isinstance(self._flow, OccDiT) else _joint)(
                self._flow, self._past(past), self._tensor(layout).float()[None, None]
            )

            start = self._tensor(noise)[None, None]
            kept = None if held is None else self._tensor(held.latents)[None, None]
            where = None if held is None else self._tensor(held.where)

            def guided(x: Tensor, now: float) -> Tensor:
                if kept is not None and where is not None:  # what is held moves on its own straight path
                    x = torch.where(where, torch.lerp(start, kept, now), x)
                with_layout = velocity(x, now, True)
                if guidance == 1.0:
                    return with_layout
                without = velocity(x, now, False)
                return without + guidance * (with_layout - without)

            made = integrate(guided, start, steps, self.shift)
            if kept is not None and where is not None:
                made = torch.where(where, kept, made)
            return made[0, 0].float().cpu().numpy()

    def decode(
        self, latents: np.ndarray, past: Past | None = None, layout: np.ndarray | None = None
    ) -> np.ndarray:
        """Labels uint8 (B, 4 x, 4 y, Z) of latents (B, c, x, y), see `ClipModel`."""
        b, _, nx, ny = latents.shape
        if isinstance(self._vae, TemporalVae) and past is not None and b == 1:
            return self._decode_after(past, latents)
        shape = (b, len(self.channels), self.patch * nx, self.patch * ny)
        drawn = torch.zeros(shape, device=self._device) if layout is None else self._tensor(layout).float()
        given = torch.full((b,), layout is not None, device=self._device)
        with torch.no_grad(), autocast_for(self._device), explain_out_of_memory(b):
            return self._vae.decode(self._vae.denormalise(self._tensor(latents)), drawn, given).cpu().numpy()

    def _decode_after(self, past: Past, latents: np.ndarray) -> np.ndarray:
        """Labels uint8 (1, 4 x, 4 y, Z) of the last frame of a clip."""
        clip = np.concatenate([past.latents * past.known[:, None], latents])
        with torch.no_grad(), autocast_for(self._device), explain_out_of_memory(len(clip)):
            decoded: Tensor = self._vae.decode_clip(self._vae.denormalise(self._tensor(clip))[None])  # type: ignore[operator]
            return decoded[:, -1].cpu().numpy()

    def _past(self, past: Past | None) -> _PastTensors | None:
        if past is None or not len(past.latents):
            return None
        known = self._tensor(past.known.astype(np.float32))[None, :, None]
        return _PastTensors(
            self._tensor(past.latents)[None] * known, known, self._tensor(past.layout).float()[None],
            self._tensor(past.seconds)[None],
        )  # fmt: skip

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.require(array, requirements=("C", "W"))).to(self._device)


@dataclass(frozen=True)
class _PastTensors:
    """`Past` as tensors of one clip."""

    latents: Tensor  # (1, P, c, x, y), 0 where they are not known
    known: Tensor  # (1, P, 1, x, y)
    layout: Tensor  # (1, P, C, X, Y)
    seconds: Tensor  # (1, P)


_Velocity = Callable[[Tensor, float, bool], Tensor]


def _causal(net: Any, past: _PastTensors | None, layout: Tensor) -> _Velocity:
    """Velocity of the next frame, with the past remembered once for all steps."""
    now_s = layout.new_zeros(1, 1)
    memory = sees = None
    if past is not None:
        memory = net.remember(past.latents, past.known, torch.ones_like(past.seconds), past.seconds)
        sees = torch.ones(1, 1, past.seconds.shape[1], dtype=torch.bool, device=layout.device)

    def velocity(x: Tensor, now: float, told: bool) -> Tensor:
        has_layout = torch.tensor([told], device=x.device)
        t = torch.full((1, 1), now, device=x.device)
        out: Tensor = net(x, t, layout, has_layout, now_s, memory, sees).float()
        return out

    return velocity


def _joint(net: Any, past: _PastTensors | None, layout: Tensor) -> _Velocity:
    """Velocity of the next frame at the end of a clip whose first frames are given (the variant for forecasting)."""

    def velocity(x: Tensor, now: float, told: bool) -> Tensor:
        has_layout = torch.tensor([told], device=x.device)
        t, seconds, layouts = torch.full((1, 1), now, device=x.device), x.new_zeros(1, 1), layout
        clip, known = x, torch.zeros_like(x[:, :, :1])
        if past is not None:
            clip, known = torch.cat([past.latents, x], dim=1), torch.cat([past.known, known], dim=1)
            t = torch.cat([torch.ones_like(past.seconds), t], dim=1)
            seconds, layouts = torch.cat([past.seconds, seconds], dim=1), torch.cat([past.layout, layout], dim=1)
        frames = clip.shape[1]
        sees = torch.ones(1, frames, frames, dtype=torch.bool, device=x.device)
        out: Tensor = net(clip, t, layouts, has_layout, seconds, known, sees)[:, -1:].float()
        return out

    return velocity


def _engine(model: ZooModel) -> dict[str, Any]:
    """How the engine uses a model: steps of its flow and how their lengths grow, weight of the layout, and frames of
    the past."""
    given = model.config.get("engine")
    if isinstance(given, dict) and given.keys() | {"shift"} == {"steps", "guidance", "past", "shift"}:
        steps, guidance, past, shift = given["steps"], given["guidance"], given["past"], given.get("shift", 1.0)
        good = type(steps) is int and 1 <= steps <= 1000 and type(past) is int and 0 <= past <= 16
        numbers = type(guidance) in (int, float) and type(shift) in (int, float)
        if good and numbers and 0 <= guidance <= 100 and 0.01 <= shift <= 100:
            return dict(given)
    expected = ("steps, a whole number from 1 to 1000, guidance, a number from 0 to 100, past, a whole one from 0 to "
                "16, and shift, a number from 0.01 to 100, or none")  # fmt: skip
    raise InputError(f"expected {expected}, got {shown(given)}", file=model.folder / CONFIG, field="engine")
