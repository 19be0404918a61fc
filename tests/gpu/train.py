"""Go on with the flow of the zoo's `occupancy` for some seconds, on the windows of a pack.

How many steps fit is timed first, so that the learning rate has fallen to zero when the time is over.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from uniscene_sim.datasets.windows import read_split
from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig
from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig
from uniscene_sim.training.card import device_name
from uniscene_sim.training.loop import Schedule
from uniscene_sim.training.occupancy import OccupancyRecipe, save_occupancy, train_flow
from uniscene_sim.zoo.models import load_model
from uniscene_sim.zoo.networks import load_network
from uniscene_sim.zoo.torch_device import pick_device

__all__ = ["main"]

_PROBED_STEPS, _RATE = 20, 1e-4  # a sixth of the recipe's, for weights that are trained already
_BATCH = {"cpu": 2, "cuda": 24}
_SHARE = 0.8  # of the time left that steps may take by what was timed


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with `train` and `validation`")
    parser.add_argument("--out", type=Path, required=True, help="folder of the weights, their config and the log")
    parser.add_argument("--work", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--seconds", type=float, required=True, help="all that this may take")
    parser.add_argument("--steps", type=int, help="instead of as many as fit")
    asked = parser.parse_args(arguments)
    begun = time.monotonic()
    device = pick_device()
    model = load_model("occupancy")
    vae = load_network(model, "vae", lambda sizes: OccupancyVae(VaeConfig(**sizes))).to(device).eval()
    shipped = load_network(model, "flow", _unet)
    recipe = OccupancyRecipe(vae=vae.config, net=shipped.config, flow_batch=_BATCH[device.type])
    training, validation = read_split(asked.data / "train"), read_split(asked.data / "validation")

    def trained(steps: int, name: str) -> torch.nn.Module:
        schedule = Schedule(steps, _RATE, warmup=min(100, steps), decay=0.5)
        _write_checkpoint(shipped, asked.work / f"{name}.ckpt")
        return train_flow(replace(recipe, flow_schedule=schedule), vae, training, validation, asked.work, device, name)

    steps = asked.steps
    if steps is None:
        trained(2, "warm")
        start = time.monotonic()
        trained(_PROBED_STEPS, "probe")
        each = (time.monotonic() - start) / _PROBED_STEPS
        steps = max(int(_SHARE * (asked.seconds - (time.monotonic() - begun)) / each), 1)
        print(f"{1e3 * each:.0f} ms a step of {recipe.flow_batch} crops: {steps} steps", flush=True)
    flow = trained(steps, "flow")
    facts = {"started_from": model.sha256, "steps": steps, "batch": recipe.flow_batch, "towns": len(training),
             "windows": sum(map(len, training)), "device": device_name(device.type)}  # fmt: skip
    save_occupancy(asked.work / "occupancy", recipe, vae, flow, facts, f"{json.dumps(facts)}\n")
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in ("occupancy/flow.safetensors", "occupancy/config.yaml", "flow.jsonl"):
        shutil.copy(asked.work / name, asked.out)


def _unet(sizes: dict[str, Any]) -> UNet:
    return UNet(UNetConfig(**{key: value for key, value in sizes.items() if key != "kind"}))


def _write_checkpoint(net: UNet, path: Path) -> None:
    """That of a training from which no step was taken yet, see `training.loop`."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE)
    weights = net.state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {"net": weights, "averaged": weights, "optimiser": optimiser.state_dict(), "step": 0, "seconds": 0.0}, path
    )


if __name__ == "__main__":
    main()
