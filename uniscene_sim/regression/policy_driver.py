"""Policies that Stable-Baselines3 has saved, as drivers; their spaces say what they observe and how they act."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError, said, shown
from uniscene_sim.storage.input_file import MIB, require_regular

__all__ = ["SavedPolicy", "saved_policy"]


class SavedPolicy:
    """A policy of Stable-Baselines3.

    Args:
        model: of any of its algorithms.
        normalise: maps observations to those that it was trained on.

    Raises:
        InputError: its action space is none of the environment's.

    Attributes:
        settings: arguments of `UniSceneEnv` with which its spaces are the policy's.
    """

    def __init__(self, model: Any, normalise: Callable[[Any], Any]):
        from uniscene_sim.env.actions import ACTIONS

        self._model, self._normalise = model, normalise
        fits = [name for name, kind in ACTIONS.items() if kind().space == model.action_space]
        if not fits:
            why = f"acts in {model.action_space}; expected the space of one of {', '.join(ACTIONS)}"
            raise InputError(why, field="driver")
        names = list(getattr(model.observation_space, "spaces", {}))
        if not names:
            raise InputError("observes one array; expected a dict of observations", field="driver")
        self.settings: dict[str, Any] = {"action": fits[0], "observations": names}
        self._state: Any = None

    def reset(self) -> None:
        """Forget the episode before."""
        self._state = None

    def __call__(self, observation: Any) -> Any:
        action, self._state = self._model.predict(self._normalise(observation), self._state, deterministic=True)
        return action


def saved_policy(file: Path, algorithm: str) -> Callable[[], SavedPolicy]:
    """The policy of a file, with the statistics of `VecNormalize` of a file FILE.pkl beside FILE.zip, if there is one.

    Raises:
        InputError: Stable-Baselines3 is missing, or the file is no model of the algorithm.
    """
    require_regular(file, 1024 * MIB, "a model of Stable-Baselines3")
    try:
        import stable_baselines3
        from stable_baselines3.common.save_util import load_from_pkl
    except ImportError as error:
        raise InputError("a policy (.zip) needs stable-baselines3, which is not installed", field="driver") from error
    kind = getattr(stable_baselines3, algorithm, None)
    if kind is None:
        raise InputError(f"no algorithm of Stable-Baselines3: {shown(algorithm)}", field="driver")
    statistics = file.with_suffix(".pkl")
    try:
        model = kind.load(file, device="cpu")
        normalise = load_from_pkl(statistics).normalize_obs if statistics.exists() else lambda observation: observation
    except Exception as error:  # whatever a foreign file makes it raise
        raise InputError(f"is no model of {algorithm}: {said(error)}", file=file, argument="driver") from error
    return lambda: SavedPolicy(model, normalise)
