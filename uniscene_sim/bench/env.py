"""Benchmark of environments: against highway-env with as many vehicles, and many worlds against single ones,
in turn and in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from time import perf_counter
from typing import Any

import gymnasium
import numpy as np

import uniscene_sim  # noqa: F401 - registers the environments, in each process
from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.env.observations import ROUTE
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.storage.output_file import scratch_folder
from uniscene_sim.world.bodies import MotionMode

__all__ = ["rows"]

_SLICES, _SLICE_S = 5, 0.8
_WORLDS, _PROCESSES = 16, 2
_PEER = "highway-env's motorway, kinematics"
_SCENARIO = """
map: {map}
seed: 1
duration_s: 3600
ego: {{spawn: {{x: 250, y: 17, yaw_deg: 5}}, speed_mps: 22, target_speed_mps: 24}}
traffic: {{vehicles_per_km: {density}}}
criteria: []
"""


def _interleaved_rates(jobs: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Counts per second of each job, the median of time slices; jobs take turns, so that other load affects all."""
    for job in jobs.values():
        job()
    rates: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(_SLICES):
        for name, job in jobs.items():
            count, start = 0, perf_counter()
            while perf_counter() - start < _SLICE_S:
                count += job()
            rates[name].append(count / (perf_counter() - start))
    return {name: float(np.median(slices)) for name, slices in rates.items()}


def _driving(env: Any, policy: Callable[[Any], Any]) -> Callable[[], int]:
    """A job that takes one step and returns 1."""
    observation = env.reset(seed=0)[0]

    def step() -> int:
        nonlocal observation
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        if terminated or truncated:
            observation = env.reset()[0]
        return 1

    return step


def _keep_lane(observation: dict[str, np.ndarray]) -> np.ndarray:
    """Pure pursuit of the route, 16 m ahead, at constant speed: actions (..., 2)."""
    point = observation["route"][..., 3, :2] * np.array([ROUTE["x"], ROUTE["y"]])
    steer = 2.0 * 2.8 * point[..., 1] / (point**2).sum(axis=-1) / 0.6
    return np.stack([np.clip(steer, -1.0, 1.0), np.zeros_like(steer)], axis=-1).astype(np.float32)


def _vehicle_count(env: Any) -> int:
    """Vehicles in one of our environments, ego included."""
    bodies = env.unwrapped.worlds.world(0).source.state.bodies
    return int(np.count_nonzero(bodies["mode"] != MotionMode.ABSENT))


def _driving_all_worlds(env: Any) -> Callable[[], int]:
    """A job that takes one step in each world and returns their number."""
    observation = env.reset(seed=0)[0]

    def step() -> int:
        nonlocal observation
        observation = env.step(_keep_lane(observation))[0]
        return _WORLDS

    return step


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    yield from _vehicle_steps()
    yield from _many_worlds()


def _vehicle_steps() -> Iterator[BenchRow]:
    kinds = {
        "state": ("ego", "route", "agents"),
        "16x360 LiDAR": ("range", "ego", "route"),
        "84x84 front camera": ("rgb", "ego", "route"),
    }
    for density in (12, 30):
        with scratch_folder() as folder:
            file = folder / "motorway.yaml"
            road = data_dir("scenarios") / "maps" / "motorway.xodr"
            file.write_text(_SCENARIO.format(map=road, density=density), encoding="utf-8")
            envs = {
                kind: gymnasium.make("UniScene-v0", scenario=str(file), observations=names, terminate_on=())
                for kind, names in kinds.items()
            }
        jobs = {kind: _driving(env, _keep_lane) for kind, env in envs.items()}
        count = _vehicle_count(envs["state"])
        missing, inner = "", 0
        try:
            import highway_env  # noqa: F401 - registers its environments

            peer = gymnasium.make("highway-v0", config={"vehicles_count": count - 1, "duration": 10_000})
            jobs["peer"] = _driving(peer, lambda _: 1)
            config: Any = getattr(peer.unwrapped, "config")  # noqa: B009 - not known to Gymnasium
            inner = config["simulation_frequency"] // config["policy_frequency"]
        except ImportError as error:
            missing = f" (not installed: {error}; extra `bench`)"
        rates = _interleaved_rates(jobs)
        theirs = rates["peer"] * inner * count if inner else None
        for kind in kinds:
            what = f"vehicle-steps of 10 ms, {count} vehicles, {kind}"
            yield BenchRow(what, rates[kind] * 10 * count, "1/s", f"{_PEER}{missing}", theirs)


def _many_worlds() -> Iterator[BenchRow]:
    for name, observations in (
        ("state", ("ego", "route", "agents")),
        ("16x360 LiDAR", ("range", "ego", "route")),
        ("84x84 camera", ("rgb", "ego", "route")),
    ):
        settings: dict[str, Any] = {"scenario": "cut_in", "observations": observations, "terminate_on": ()}
        many = gymnasium.make_vec("UniScene-v0", _WORLDS, **settings)
        single = [gymnasium.make("UniScene-v0", **settings) for _ in range(_WORLDS)]
        jobs = _driving_all_worlds(many), [_driving(env, _keep_lane) for env in single]
        with _processes(settings) as bare:
            rates = _interleaved_rates(
                {"together": jobs[0], "in turn": lambda steps=jobs[1]: sum(s() for s in steps), "bare": bare}  # type: ignore[misc]
            )
        what = f"env steps, {_WORLDS} worlds at once, {name}, `cut_in`"
        yield BenchRow(what, rates["together"], "1/s", f"{_WORLDS} single envs in turn", rates["in turn"])
        peer = f"{_PROCESSES} processes of one thread, an env each"
        yield BenchRow(what, rates["together"], "1/s", peer, rates["bare"])


@contextmanager
def _processes(settings: dict[str, Any]) -> Iterator[Callable[[], int]]:
    """A job that takes some steps in an environment of each of two processes of one thread, at the same time."""
    context, pipes, children = get_context("spawn"), [], []
    threads = os.environ.get("NUMBA_NUM_THREADS")
    os.environ["NUMBA_NUM_THREADS"] = "1"
    try:
        for _ in range(_PROCESSES):
            ours, theirs = context.Pipe()
            child = context.Process(target=_step_on_demand, args=(theirs, settings), daemon=True)
            child.start()
            theirs.close()
            pipes.append(ours)
            children.append(child)
    finally:
        del os.environ["NUMBA_NUM_THREADS"]
        os.environ.update({} if threads is None else {"NUMBA_NUM_THREADS": threads})

    def steps() -> int:
        for pipe in pipes:
            pipe.send(_SLICE_S)
        return sum(pipe.recv() for pipe in pipes)

    try:
        yield steps
    finally:
        for pipe, child in zip(pipes, children, strict=True):
            pipe.close()
            child.join()


def _step_on_demand(pipe: Any, settings: dict[str, Any]) -> None:
    """Drive an environment for as many seconds as are sent, again and again, and answer with the number of steps."""
    step = _driving(gymnasium.make("UniScene-v0", **settings), _keep_lane)
    step()
    with suppress(EOFError):
        while True:
            until, count = perf_counter() + pipe.recv(), 0
            while perf_counter() < until:
                count += step()
            pipe.send(count)
