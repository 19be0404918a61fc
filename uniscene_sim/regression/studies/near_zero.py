"""Where a margin may be near zero, as Optuna's Tree-structured Parzen Estimator (TPE) learns it from drives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError

__all__ = ["NearZero"]


class NearZero:
    """Asks for places in a unit cube where |margin| is expected to be small.

    Args:
        axes: of the cube.
        seed: the same seed, and the same answers, ask for the same.

    Raises:
        InputError: Optuna is not installed.
    """

    def __init__(self, axes: int, seed: int):
        try:
            import optuna
        except ImportError:
            why = "a boundary of several parameters needs optuna: pip install 'uniscene_sim[studies]'"
            raise InputError(why, field="method") from None
        self._optuna: Any = optuna
        self._ranges: dict[str, Any] = {f"u{k}": optuna.distributions.FloatDistribution(0.0, 1.0) for k in range(axes)}
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            # Optuna 4 calls both options experimental.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True, constant_liar=True, seed=seed)
        self._study = optuna.create_study(sampler=sampler)
        optuna.logging.set_verbosity(level)

    def ask(self, count: int) -> np.ndarray:
        """Places (count, axes) to drive at; `tell` has what becomes of them."""
        trials = [self._study.ask(self._ranges) for _ in range(count)]
        for trial in trials:  # what was driven there is told with its place, which may be another by rounding
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return np.array([[trial.params[name] for name in self._ranges] for trial in trials])

    def tell(self, place: np.ndarray, margin: float | None) -> None:
        """The margin at a place (axes,); None teaches nothing."""
        if margin is None:
            return
        params = dict(zip(self._ranges, place.tolist(), strict=True))
        trial = self._optuna.trial.create_trial(params=params, distributions=self._ranges, value=abs(margin))
        self._study.add_trial(trial)
