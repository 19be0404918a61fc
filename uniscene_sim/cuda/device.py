"""Detection of CUDA devices."""

from __future__ import annotations

from importlib.util import find_spec

from numba import config, cuda

from uniscene_sim.errors import InputError

__all__ = ["cuda_devices", "require_device"]


def cuda_devices() -> list[str]:
    """The devices by index and name; none where the driver or the extra `cuda` is absent."""
    if config.ENABLE_CUDASIM:  # type: ignore[attr-defined]
        return ["cuda:0 (numba's simulator)"]
    if find_spec("numba_cuda") is None or not cuda.is_available():  # numba's built-in target lacks required features
        return []
    names = (device.name for device in cuda.gpus)
    return [f"cuda:{i} ({name.decode() if isinstance(name, bytes) else name})" for i, name in enumerate(names)]


def require_device(field: str) -> None:
    """Make sure that there is a CUDA device.

    Args:
        field: the option that needs it, for the message.

    Raises:
        InputError: there is none.
    """
    if not cuda_devices():
        raise InputError(
            "there is no CUDA device; expected an NVIDIA GPU, its driver and uniscene_sim[cuda], or engines on the CPU",
            field=field,
        )
