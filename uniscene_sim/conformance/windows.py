"""Rules of window engines, tested at two times in a street."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from uniscene_sim.conformance.chunks import chunk_rules, expect_chunk_and_latency
from uniscene_sim.conformance.rules import (
    Rules,
    fingerprint_in_new_process,
    hash_layouts,
    refused_with_input_error,
    require,
    require_array,
)
from uniscene_sim.conformance.sensors import NEW_ID, car_ahead, views_of_a_street
from uniscene_sim.frames import OccupancyGrid, digest
from uniscene_sim.geometry import wrap_angle
from uniscene_sim.grid import DEFAULT_GRID, GridSpec
from uniscene_sim.interfaces import WorldView
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["digests_of_windows", "window_rules"]

_OTHER_GRID = GridSpec(0.8, (30, 20, 8), (-4.0, -8.0, -0.8))


def window_rules(engine: Any, name: str) -> Rules:
    """Rules of an engine of the slot `window`."""
    a, b = views_of_a_street()

    def step(one: Any, states: Sequence[Any], views: Sequence[WorldView]) -> tuple[Sequence[Any], list[OccupancyGrid]]:
        result = one.step(states, views, DEFAULT_GRID)
        require(isinstance(result, tuple) and len(result) == 2, "step() must return (state, grids)")
        states, grids = result
        return states, grids

    def grids_of(*views: WorldView) -> list[OccupancyGrid]:
        states, grids = step(_new(engine), [None] * len(views), views)
        require(len(states) == len(views), "step() must return a state for each world")
        return grids

    def digests(*views: WorldView) -> list[str]:
        return [digest(grid) for grid in grids_of(*views)]

    def attributes() -> None:
        require(isinstance(getattr(engine, "name", None), str), "name must be a string")
        expect_chunk_and_latency(engine)

    def outputs() -> None:
        grids = grids_of(a, b)
        require(len(grids) == 2, f"2 worlds must give 2 grids, gave {len(grids)}")
        for view, grid in zip((a, b), grids, strict=True):
            _check_grid(grid, view, DEFAULT_GRID)

    def repeats() -> None:
        require(digests(a, b) == digests(a, b), "the same call on a new engine gave other output")
        one = _new(engine)
        first = digest(step(one, [None], [a])[1][0])
        step(one, [None], [b])
        require(digest(step(one, [None], [a])[1][0]) == first,
                "the same call gave other output after another one: state must be passed, not kept")  # fmt: skip

    def batch() -> None:
        both = digests(a, b)
        require(both == [*digests(a), *digests(b)], "a batch of two worlds gave other output than each alone")
        require(digests(b, a) == both[::-1], "the order of worlds in a batch changes their output")

    def untouched() -> None:
        before = hash_layouts((a.frame, *a.history))
        grids_of(a)
        require(hash_layouts((a.frame, *a.history)) == before, "step() must not change the layout that it is given")

    def conditions() -> None:
        crowded = grids_of(replace(a, frame=car_ahead(a.frame)))[0]
        require(digest(grids_of(a)[0]) != digest(crowded), "a car put 9 m ahead of the ego changes nothing")
        count = int(((crowded.instances == NEW_ID) & (crowded.labels == OccClass.CAR)).sum())
        require(
            count > 3, f"of a car put 9 m ahead of the ego {count} voxels carry its label and instance, expected some"
        )

    def errors() -> None:
        before, one = digests(a), _new(engine)
        require(list(step(one, [], [])[1]) == [], "no worlds must give no grids")
        other = _OTHER_GRID
        refused_with_input_error(
            "a grid of other voxels", lambda: _check_grid(one.step([None], [a], other)[1][0], a, other)
        )
        require([digest(step(one, [None], [a])[1][0])] == before, "after an error the engine goes on in another way")

    def new_process() -> None:
        require(
            fingerprint_in_new_process("window", name) == digests_of_windows(engine), "a new process gave other output"
        )

    return [
        ("declares its attributes", attributes), ("shapes, types and ranges", outputs), ("repeats", repeats),
        ("repeats in a new process", new_process), ("batch equals single worlds", batch),
        *chunk_rules(lambda: _new(engine), step, digest, lambda grid: {grid.stamp_us}, (a, b)),
        ("leaves its input alone", untouched), ("conditions show in the output", conditions), ("errors", errors),
    ]  # fmt: skip


def _new(engine: Any) -> Any:
    source = ScenarioSource.open("cut_in")
    return engine(source.map, source.seed)


def _check_grid(grid: OccupancyGrid, view: WorldView, spec: GridSpec) -> None:
    require(isinstance(grid, OccupancyGrid), f"a grid must be an OccupancyGrid, is a {type(grid).__name__}")
    require(grid.grid == spec, f"grid must be the one that is asked for, {spec}, is {grid.grid}")
    require_array("labels", grid.labels, np.uint8, spec.shape)
    require_array("instances", grid.instances, np.uint16, spec.shape)
    require(int(grid.labels.max()) <= max(OccClass), f"labels must be of the taxonomy, has {int(grid.labels.max())}")
    require(bool((grid.labels != OccClass.FREE).any()), "labels are all free on a street with houses")
    unknown = set(np.unique(grid.instances).tolist()) - {0} - set(view.frame.agents["id"].tolist())
    require(not unknown, f"instances {sorted(unknown)[:5]} are none of the layout's agents")
    of_free = int(grid.instances[grid.labels == OccClass.FREE].max(initial=0))
    require(not of_free, f"free voxels must be of instance 0, some are of {of_free}")
    stamp_us, ego, pose = view.frame.stamp_us, view.frame.ego_pose, grid.pose
    require(grid.stamp_us == stamp_us, f"stamp_us must be {stamp_us}, is {grid.stamp_us}")
    yaw_error = abs(float(wrap_angle(pose.yaw - ego.yaw)))
    offset = float(np.abs(pose.position - ego.position).max())
    require(
        offset < 1e-6 and yaw_error < 1e-6 and pose.roll == 0.0 == pose.pitch,
        f"pose must be level and at base_link with its yaw, lies {offset:.2f} m and {yaw_error:.2f} rad off",
    )


def digests_of_windows(engine: Any) -> str:
    """Digests of both windows, to be compared with those of a new process."""
    return repr([digest(_new(engine).step([None], [v], DEFAULT_GRID)[1][0]) for v in views_of_a_street()])
