"""Values as JSON holds them, and the merged report as a file of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from uniscene_sim.regression.results import Batch

__all__ = ["json_of", "plain"]


def plain(value: Any) -> Any:
    """A value in types of JSON: numbers that are not finite become None, arrays lists, what else there is its text."""
    if value is None or isinstance(value, bool | int) or type(value) is str:
        return value
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value)


def json_of(batch: Batch) -> bytes:
    """The merged report of a batch in scenario_runner's shape, as JSON without NaN and infinities."""
    return (json.dumps(plain(batch.as_dict()), indent=2, allow_nan=False) + "\n").encode()
