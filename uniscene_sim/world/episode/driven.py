"""Bodies beside the ego that controls drive: how one is taken over, and what is counted of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from uniscene_sim.control import Control
from uniscene_sim.errors import InputError, shown
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.episode.criteria import tally_row, update_tally
from uniscene_sim.world.episode.edited_world import EditedWorld
from uniscene_sim.world.physics import PhysicsInputs, StepArrays, judge_driven
from uniscene_sim.world.state import NOWHERE_M, DrivenBody, WorldState, id_of
from uniscene_sim.world.vehicles.bicycle import VehicleParameters
from uniscene_sim.world.vehicles.driven import vehicle_of

__all__ = ["driven_row", "judged", "nearest_vehicles", "with_controls"]

_DRIVES = (MotionMode.TRAFFIC, MotionMode.CONSTANT)


def driven_row(state: WorldState, name: str, rows: Mapping[str, int]) -> int:
    """Row of a vehicle that a control may drive.

    Args:
        state: now.
        name: of an agent, or "#ID".
        rows: row of bodies by name of an agent.

    Raises:
        InputError: there is nobody of that name, or it is no vehicle on a road.
    """
    if (identity := id_of(name)) is not None:
        found = np.flatnonzero((state.bodies["id"] == identity) & (state.bodies["mode"] != MotionMode.ABSENT))
        found = found[found > 0]
    else:
        found = np.array([rows[name]] if rows.get(name, 0) > 0 else [], dtype=np.int64)
    if not len(found):
        known = ", ".join(list(rows)[1:]) or "none"
        raise InputError(f"no agent {shown(name)}; expected some of {known}, or #ID of a body", field="agents")
    i = int(found[0])
    row = state.bodies[i]
    if row["mode"] not in _DRIVES or row["cls"] > AgentClass.MOTORCYCLE or state.counts[i] < 3:
        raise InputError(f"{name} is no vehicle that drives on a road, so that no control can drive it", field="agents")
    return i


def nearest_vehicles(state: WorldState) -> list[str]:
    """Names "#ID" of vehicles of ambient traffic that drive, the one nearest to the ego first."""
    bodies = state.bodies
    some = bodies["ambient"] & (bodies["mode"] == MotionMode.TRAFFIC) & (bodies["cls"] <= AgentClass.MOTORCYCLE)
    away = np.hypot(bodies["x"] - bodies["x"][0], bodies["y"] - bodies["y"][0])
    found = np.flatnonzero(some)
    return [f"#{bodies['id'][i]}" for i in found[np.argsort(away[found], kind="stable")].tolist()]


def with_controls(state: WorldState, controls: Mapping[str, Control | None], rows: Mapping[str, int]) -> WorldState:
    """The state in which some bodies are driven by controls.

    Args:
        state: now.
        controls: by name; None for a body that leaves the road.
        rows: row of bodies by name of an agent.

    Raises:
        InputError: see `driven_row`.
    """
    wanted = {driven_row(state, name, rows): control for name, control in controls.items()}
    bodies, driven = state.bodies.copy(), {body.row: body for body in state.driven}
    for i, control in wanted.items():
        row = bodies[i]
        if control is None:
            row["mode"], row["speed"], row["x"], row["y"] = MotionMode.ABSENT, 0.0, NOWHERE_M, NOWHERE_M
            driven.pop(i, None)
            continue
        row["driven"], row["mode"], row["ambient"] = True, MotionMode.TRAFFIC, False
        row["offset"] = row["offset_length"] = row["aside"] = row["brake"] = 0.0
        row["want_steer"], row["want_accel"], row["reverse"] = control.steer_rad, control.accel_mps2, control.reverse
        driven.setdefault(i, DrivenBody(i))
    return replace(state, bodies=bodies, driven=tuple(driven[i] for i in sorted(driven)))


def judged(
    body: DrivenBody, inputs: PhysicsInputs, steps: StepArrays, made: int, world: EditedWorld
) -> DrivenBody:
    """A driven body with its tally after some steps.

    Args:
        body: before.
        inputs: of the steps.
        steps: what physics has written.
        made: how many steps were made.
        world: the scenario's fixed parts.
    """
    own = steps._replace(
        marks=np.empty_like(steps.marks), contacts=np.zeros_like(steps.contacts), tally=tally_row(body.tally)
    )
    judge_driven(body.row, world.constants, inputs, own, made)
    vehicle = VehicleParameters(*vehicle_of(steps.bodies[0, body.row]))
    tally, _ = update_tally(world.map, vehicle, body.tally, own, made, world.props, None, row=body.row)
    return replace(body, tally=tally)
