"""Networks and the models of the zoo that they are kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from uniscene_sim.errors import InputError, shown
from uniscene_sim.storage.input_file import reading
from uniscene_sim.zoo.models import CONFIG, ZooModel, check_tensors, save_model

__all__ = ["load_network", "plain_sizes", "save_networks"]

_LARGEST = 4096
_Net = TypeVar("_Net", bound=nn.Module)


def load_network(model: ZooModel, part: str, build: Callable[[dict[str, Any]], _Net]) -> _Net:
    """One network of a model, float32 on the CPU.

    Args:
        model: config and weights.
        part: which network: the key of its sizes in the config and the stem of its weights file.
        build: function of the sizes (lists as tuples) to the network.

    Raises:
        InputError: sizes are missing or unknown, or tensors are missing, unknown or of other shapes.
    """
    given, tensors = model.config.get(part), model.weights.get(part, {})
    if not isinstance(given, dict) or not all(map(_is_size, given.values())):
        what = f"expected the sizes of its network, whole numbers up to {_LARGEST}, got {shown(given)}"
        raise InputError(what, file=model.folder / CONFIG, field=part)
    sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    with reading(model.folder / CONFIG, f"the sizes of its network {part}"):
        with torch.device("meta"):  # shapes alone: what the config asks for may be larger than the memory
            shapes = {name: tuple(tensor.shape) for name, tensor in build(dict(sizes)).state_dict().items()}
    check_tensors(tensors, shapes, model.folder / f"{part}.safetensors")
    with reading(model.folder / CONFIG, f"the sizes of its network {part}"):
        net = build(dict(sizes))
    net.load_state_dict({name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()})
    return net


def save_networks(folder: Path, config: dict[str, Any], nets: Mapping[str, nn.Module], card: str) -> None:
    """Write networks as a model of the zoo, in half precision.

    Args:
        folder: of the model.
        config: with the sizes of each network under its name, see `plain_sizes`.
        nets: by name.
        card: text of the model card.

    Raises:
        InputError: as of `save_model`.
    """
    weights = {part: {name: tensor.cpu().numpy() for name, tensor in net.state_dict().items()}
               for part, net in nets.items()}  # fmt: skip
    save_model(folder, config, weights, card)


def plain_sizes(config: Any) -> dict[str, Any]:
    """Sizes of a network, a dataclass, as its model's config has them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()}


def _is_size(value: Any) -> bool:
    """Whether a network can have a value among its sizes: a text, a switch, a small number, or a list of these."""
    if isinstance(value, list):
        return len(value) <= _LARGEST and all(_is_size(v) and not isinstance(v, list) for v in value)
    return isinstance(value, str | bool) or (isinstance(value, int | float) and 0 <= value <= _LARGEST)
