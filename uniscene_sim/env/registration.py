"""Ids for `gymnasium.make` and `gymnasium.make_vec`, registered as soon as Gymnasium is imported.

Gymnasium is not imported for that: if it is loaded already the ids are registered at once, otherwise when it is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["PRESETS", "SUITE", "register_envs", "register_with_gymnasium"]

#: Settings that differ from the defaults, by id. Every id takes all settings.
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
#: The benchmark suite: takes a task and a split, and all other settings.
SUITE = "UniScene-Bench-v0"
#: Parking, goal-conditioned.
PARKING = "UniSceneParking-v0"
_GYMNASIUM = "gymnasium"


def register_with_gymnasium() -> None:
    """Register all presets: now if Gymnasium is loaded, otherwise right after it is."""
    if hasattr(sys.modules.get(_GYMNASIUM), "register"):
        register_envs()
    elif not any(isinstance(finder, _AfterGymnasium) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterGymnasium())


def register_envs() -> None:
    """Register all presets that are not registered yet."""
    import gymnasium

    for name, settings in PRESETS.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                name,
                entry_point="uniscene_sim.env.env:UniSceneEnv",
                vector_entry_point="uniscene_sim.env.vector:UniSceneVectorEnv",
                kwargs=settings,
            )
    if PARKING not in gymnasium.registry:
        gymnasium.register(PARKING, entry_point="uniscene_sim.env.parking:ParkingEnv")
    if SUITE not in gymnasium.registry:
        gymnasium.register(
            SUITE,
            entry_point="uniscene_sim.suite.tasks:make_task",
            vector_entry_point="uniscene_sim.suite.tasks:make_task_vec",
        )


class _AfterGymnasium(MetaPathFinder):
    """Finds Gymnasium as the other finders do, and registers the presets once it is loaded.

    It stays until then, for who asks whether Gymnasium is installed (`importlib.util.find_spec`) does not load it.
    """

    _asks_others = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _GYMNASIUM or self._asks_others:
            return None
        self._asks_others = True
        try:
            spec = find_spec(fullname)
        finally:
            self._asks_others = False
        if spec is None or spec.loader is None:  # not installed: the import statement raises
            return None
        spec.loader = _RegisteringLoader(spec.loader, self)
        return spec


class _RegisteringLoader(Loader):
    """Loads a module as another loader does, then registers the presets."""

    def __init__(self, loader: Loader, finder: MetaPathFinder):
        self._loader, self._finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Later users of the module's loader (resources, reloading) get the real one.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        register_envs()
