"""An engine's state as arrays, so that a recording keeps it and a replay goes on from it.

None is the state of an engine that keeps none, as all analytic ones are. A mapping of names to arrays is kept as it is.
An engine with a state of another kind says how it is written and read:

    def state_arrays(self, state) -> Mapping[str, np.ndarray]
    def state_of(self, arrays) -> state

Going on from what is read must give the same bytes as going on from what was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from uniscene_sim.engine_support.others_code import others_code
from uniscene_sim.errors import InputError, shown

__all__ = ["arrays_of_state", "state_of_arrays"]


def arrays_of_state(engine: Any, state: Any) -> Mapping[str, np.ndarray] | None:
    """The arrays of a state; None for an engine without one.

    Raises:
        InputError: the engine has a state of another kind and does not say how it is written.
    """
    if state is None:
        return None
    arrays = state
    if hasattr(engine, "state_arrays"):
        with others_code(f"engine {engine.name!r}: its state cannot be written"):
            arrays = engine.state_arrays(state)
    if isinstance(arrays, Mapping) and all(
        isinstance(name, str) and isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
        for name, array in arrays.items()
    ):
        return arrays
    kind = shown(type(arrays).__name__)
    raise InputError(f"engine {engine.name!r}: expected a state of named arrays, or state_arrays, got {kind}")


def state_of_arrays(engine: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The state that was written as `arrays`."""
    if not hasattr(engine, "state_of"):
        return dict(arrays)
    with others_code(f"engine {engine.name!r}: its state cannot be read"):
        return engine.state_of(arrays)
