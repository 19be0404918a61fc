"""Choice of torch device, its precision, and its memory errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from uniscene_sim.errors import InputError

__all__ = ["autocast_for", "explain_out_of_memory", "pick_device", "to_device"]

_Net = TypeVar("_Net", bound=nn.Module)


def pick_device(name: str | None = None) -> torch.device:
    """The device of a name; by default a GPU if there is one.

    Raises:
        InputError: there is no such device.
    """
    if name and name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("no CUDA device here, expected cpu", argument="device")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def to_device(net: _Net, device: torch.device) -> _Net:
    """Move a network to a device, in channels-last layout, the fastest for convolutions."""
    net.to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def autocast_for(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 where the device multiplies it faster than float32."""
    fast = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bool(fast))


@contextmanager
def explain_out_of_memory(batch: int) -> Iterator[None]:
    """Turns out-of-memory errors into an `InputError` that names the batch size."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        free = torch.cuda.mem_get_info()[0] / 2**30 if torch.cuda.is_available() else 0.0
        raise InputError(
            f"no memory left on the device ({free:.1f} GiB free); expected a batch smaller than {batch}", field="batch"
        ) from error
