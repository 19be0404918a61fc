"""The training loop: learning-rate schedule, averaged weights, log, and checkpoints to resume from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from uniscene_sim.storage.input_file import MIB, reading, require_regular
from uniscene_sim.storage.output_file import output_file, told, write_file
from uniscene_sim.training.card import read_log
from uniscene_sim.zoo.torch_device import autocast_for

__all__ = ["Schedule", "train"]

_Net = TypeVar("_Net", bound=nn.Module)
_LOGGED = 50  # steps per row of the log
_CHECKPOINT, _MOST_CHECKPOINT = "the checkpoint of a training, which can be deleted", 16384 * MIB


@dataclass(frozen=True)
class Schedule:
    """Learning rate and weight averaging over a training."""

    steps: int
    rate: float  # learning rate after warm-up
    warmup: int = 100  # steps
    decay: float = 0.3  # last share of the steps, over which the rate falls to zero; 0: constant rate
    average: float = 0.999  # decay of the moving average of weights, per step

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        left = (self.steps - step) / (self.decay * self.steps) if self.decay else 1.0
        return self.rate * min(1.0, (step + 1) / self.warmup, left)


def train(
    net: _Net,
    loss_of: Callable[[int], dict[str, Tensor]],
    schedule: Schedule,
    folder: Path,
    name: str,
    device: torch.device,
    check: Callable[[_Net], dict[str, float]] | None = None,
    every: int = 500,
) -> _Net:
    """Train a network, or resume an interrupted training.

    Args:
        net: the network.
        loss_of: function of a step to its losses by name, of which "loss" is minimised.
        schedule: steps, learning rate and averaging.
        folder: of the checkpoint `NAME.ckpt` and the log `NAME.jsonl`.
        name: of the files.
        device: torch device.
        check: metrics of the averaged network, computed with each checkpoint.
        every: steps between checkpoints.

    Returns:
        a copy of the network with averaged weights.
    """
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / f"{name}.ckpt", folder / f"{name}.jsonl"
    optimiser = torch.optim.AdamW(net.parameters(), lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.01)
    averaged = deepcopy(net).eval().requires_grad_(False)
    first, seconds = 0, 0.0
    if checkpoint.exists():
        require_regular(checkpoint, _MOST_CHECKPOINT, _CHECKPOINT)
        with reading(checkpoint, _CHECKPOINT):
            saved = torch.load(checkpoint, map_location=device, weights_only=True)
            net.load_state_dict(saved["net"])
            averaged.load_state_dict(saved["averaged"])
            optimiser.load_state_dict(saved["optimiser"])
            first, seconds = int(saved["step"]), float(saved["seconds"])
    rows = [row for row in read_log(log) if row["step"] <= first]
    sums: dict[str, float] = {}
    start = time.perf_counter()
    with tqdm(total=schedule.steps, initial=first, desc=name, unit="step", disable=None) as bar:
        for step in range(first, schedule.steps):
            for group in optimiser.param_groups:
                group["lr"] = schedule.rate_at(step)
            optimiser.zero_grad(set_to_none=True)
            with autocast_for(device):
                losses = loss_of(step)
            losses["loss"].backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            keep = min(schedule.average, (step + 1) / (step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(list(averaged.parameters()), list(net.parameters()), 1 - keep)
            for key, value in losses.items():
                sums[key] = sums.get(key, 0.0) + value.item()
            bar.update()
            done = step + 1
            last = done == schedule.steps
            if done % _LOGGED == 0 or last:
                count = (done - first) % _LOGGED or min(_LOGGED, done - first)
                means = {key: value / count for key, value in sums.items()}
                sums.clear()
                bar.set_postfix({"loss": f"{means['loss']:.4f}"})
                spent = seconds + time.perf_counter() - start
                row = {"step": done, "seconds": round(spent, 1), **means}
                if check is not None and (done % every == 0 or last):
                    row |= check(averaged)
                rows.append(row)
                write_file(log, "".join(json.dumps(row) + "\n" for row in rows).encode())
            if done % every == 0 or last:
                state = {
                    "net": net.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": done,
                    "seconds": seconds + time.perf_counter() - start,
                }
                with output_file(checkpoint) as part:
                    torch.save(state, part)
    return averaged
