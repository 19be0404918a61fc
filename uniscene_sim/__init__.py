"""uniscene_sim: a closed-loop generative sensor simulator for driving stacks.

The names that most programs need are available here and imported on first use, so that `import uniscene_sim` is fast.
`gymnasium.make("UniScene-v0")` works in whichever order the two packages are imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from uniscene_sim.env.registration import register_with_gymnasium

if TYPE_CHECKING:
    from uniscene_sim.assembly import assemble
    from uniscene_sim.control import Control, Trajectory
    from uniscene_sim.errors import InputError
    from uniscene_sim.maps.load import load_map
    from uniscene_sim.rigs.rig_file import load_rig
    from uniscene_sim.simulator import Simulator
    from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = [
    "Control",
    "InputError",
    "ScenarioSource",
    "Simulator",
    "Trajectory",
    "__version__",
    "assemble",
    "load_map",
    "load_rig",
]

__version__: str

_MODULE_OF = {
    "Control": "control",
    "InputError": "errors",
    "ScenarioSource": "world.scenario_source",
    "Simulator": "simulator",
    "Trajectory": "control",
    "assemble": "assembly",
    "load_map": "maps.load",
    "load_rig": "rigs.rig_file",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("uniscene_sim")
    except PackageNotFoundError:  # a bare checkout on the path
        return "0+unknown"


register_with_gymnasium()
