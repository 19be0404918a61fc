"""Compile every kernel ahead of the first run, by running a short one."""

from __future__ import annotations

from uniscene_sim.assemble import assemble
from uniscene_sim.rig_file import load_rig
from uniscene_sim.world.source import ScenarioSource

__all__ = ["warm"]


def warm() -> None:
    """Two ticks of `cut_in` with the smallest rig; numba keeps what it compiles beside the package."""
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
    simulator.reset()
    simulator.step()
