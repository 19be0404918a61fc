"""Which CUDA devices there are."""

from __future__ import annotations

from importlib.util import find_spec

from numba import config, cuda

from uniscene_sim.errors import InputError

__all__ = ["cuda_devices", "require_device"]


def cuda_devices() -> list[str]:
    """The devices by number and name; none where the driver or the extra `cuda` is absent."""
    if config.ENABLE_CUDASIM:  # type: ignore[attr-defined]
        return ["cuda:0 (numba's simulator)"]
    if find_spec("numba_cuda") is None or not cuda.is_available():  # numba's own target lacks some of what rays need
        return []
    names = (device.name for device in cuda.gpus)
    return [f"cuda:{i} ({name.decode() if isinstance(name, bytes) else name})" for i, name in enumerate(names)]


def require_device(field: str) -> None:
    """Look for a CUDA device.

    Args:
        field: what asked for it.

    Raises:
        InputError: there is none.
    """
    if not cuda_devices():
        raise InputError(
            "there is no CUDA device; expected an NVIDIA GPU, its driver and uniscene_sim[cuda], or engines on the CPU",
            field=field,
        )
