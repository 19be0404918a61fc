"""Loading of weights from the zoo into networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from uniscene_sim.errors import InputError
from uniscene_sim.zoo.models import CONFIG, ZooModel, check_tensors

__all__ = ["load_network"]

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
    try:
        net = build({k: tuple(v) if isinstance(v, list) else v for k, v in model.config[part].items()})
    except (KeyError, TypeError, AttributeError) as error:
        where = model.folder / CONFIG
        raise InputError(f"expected the sizes of its network, {error}", file=where, field=part) from error
    tensors = model.weights.get(part, {})
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    check_tensors(tensors, shapes, model.folder / f"{part}.safetensors")
    net.load_state_dict({name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()})
    return net
