"""The ids that `gymnasium.make` and `gymnasium.make_vec` know."""

from __future__ import annotations

from typing import Any

import gymnasium

__all__ = ["PRESETS", "register_envs"]

#: Observations and what else differs from the default, by id. All of them take every setting.
PRESETS: dict[str, dict[str, Any]] = {
    "UniScene-v0": {},
    "UniSceneLayout-v0": {"observations": ("layout", "ego")},
    "UniSceneCamera-v0": {"observations": ("rgb", "ego", "route")},
    "UniSceneLidar-v0": {"observations": ("range", "ego", "route")},
    "UniSceneAll-v0": {
        "rig": "nuscenes-small",
        "observations": ("rgb", "depth", "semantic", "points", "layout", "occupancy", "ego", "route", "agents"),
    },
}


def register_envs() -> None:
    """Register all presets; those that are registered already stay."""
    for name, settings in PRESETS.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point="uniscene_sim.env.env:UniSceneEnv",
                vector_entry_point="uniscene_sim.env.vector:UniSceneVectorEnv",
                kwargs=settings,
            )
