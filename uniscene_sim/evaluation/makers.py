"""Who made the windows that a model learned from, as its config says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uniscene_sim.zoo.models import load_model

__all__ = ["makers_of"]


def makers_of(model: str | Path) -> dict[str, int] | None:
    """Number of windows by maker; None if the config does not say.

    Args:
        model: name in the zoo, or a folder.

    Raises:
        InputError: there is no such model, or it is damaged.
    """
    training = load_model(model).config.get("training")
    makers = training.get("makers") if isinstance(training, dict) else None
    if not isinstance(makers, dict) or not all(_is_count(*item) for item in makers.items()):
        return None
    return makers


def _is_count(maker: Any, windows: Any) -> bool:
    return isinstance(maker, str) and maker.isprintable() and type(windows) is int and windows >= 0
