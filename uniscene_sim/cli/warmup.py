"""Compiles all kernels ahead of the first run, by short runs."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from uniscene_sim.assembly import assemble
from uniscene_sim.geometry import Pose
from uniscene_sim.rigs.lidar_makes import lidar_model
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.zoo.models import model_names

__all__ = ["compile_kernels"]


def compile_kernels() -> None:
    """Run two ticks of `cut_in` with the smallest rig and a LiDAR with noise, for each LiDAR engine that is available,
    and a step of an environment if Gymnasium is installed. The compiled code is kept, see `compute.kernel_cache`."""
    rig = load_rig("rl")
    noisy = lidar_model("vlp-16", "real", Pose(0.9, 0.0, 1.8), azimuth_steps=90)
    learned = find_spec("torch") and find_spec("spconv") and "lidar" in model_names()
    for lidar in ("raycast", "sparse-sdf") if learned else ("raycast",):
        simulator = assemble(ScenarioSource.open("cut_in"), replace(rig, lidars=(*rig.lidars, noisy)), lidar=lidar)
        simulator.reset()
        simulator.step()
    if find_spec("gymnasium") is not None:
        from uniscene_sim.env.env import UniSceneEnv

        env = UniSceneEnv(scenario="cut_in", observations=("ego", "route", "agents", "layout"))
        env.reset(seed=0)
        env.step(env.action_space.sample())
