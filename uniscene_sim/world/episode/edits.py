"""The one place where edits happen: a state and an edit give another state, or an `InputError` says why not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.control import NORMAL
from uniscene_sim.edit import AddAgent, ChangeStyle, CloseLane, MoveAgent, MoveCrossing, RemoveAgent, Undo
from uniscene_sim.errors import InputError, InputWarning, shown
from uniscene_sim.geometry import boxes_overlap
from uniscene_sim.layout import Edit
from uniscene_sim.limits import bounds
from uniscene_sim.maps.edited_map import closed_route
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import AgentSpec, Scenario, Spawn
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import MotionMode
from uniscene_sim.world.episode.edited_world import EditedWorld
from uniscene_sim.world.episode.placing import MODES, PlacedAgent
from uniscene_sim.world.motion import place_on_paths
from uniscene_sim.world.paths import LanePlace
from uniscene_sim.world.state import Displaced, WorldState, added_row, id_of, with_path

__all__ = ["Editor"]

_FIRST_ID = 65_001  # of what edits add; those of ambient traffic end before
_NOWHERE_M = 1e7
_LEVEL_M = 3.0
_CONE_EVERY_M, _BARRIER_M = 6.0, 1.6
_BEHAVIOUR = {mode: behaviour for behaviour, mode in MODES.items()}
#: What a body keeps when it is moved.
_KEPT = ("id", "length", "width", "height", "colour", "ambient", "plans", "desired", "gait", "started", "brake",
         "speed", *asdict(NORMAL))  # fmt: skip


class Editor:
    """Applies edits to states of a scenario.

    Args:
        scenario: the scenario.
        static_map: its map, without edits.
        rows: row of bodies by name.
    """

    def __init__(self, scenario: Scenario, static_map: StaticMap, rows: Mapping[str, int]):
        self._scenario, self._map, self._rows = scenario, static_map, rows

    def __call__(self, edit: Edit, state: WorldState, world: EditedWorld) -> WorldState:
        """The state after an edit.

        Args:
            edit: what is to change.
            state: now.
            world: the scenario's fixed parts with the edits of that state.

        Raises:
            InputError: it cannot happen.
        """
        if len(state.edits) >= bounds.EDITS and not isinstance(edit, Undo | RemoveAgent):
            raise InputError(f"{bounds.EDITS} edits are in force, and no more can be; take some back", field="edit")
        match edit:
            case AddAgent():
                return self._add(edit, state, world)
            case RemoveAgent():
                return self._remove(edit, state, world)
            case MoveAgent():
                return self._move(edit, state, world)
            case CloseLane():
                return self._close(edit, state, world)
            case ChangeStyle() | MoveCrossing():
                return _done(state, edit)
            case Undo():
                return self._undo(state)
        raise InputError(f"expected one of the edits of uniscene_sim.edit, got {shown(edit)}", field="edit")

    # --- kinds ----------------------------------------------------------------------------------------------------

    def _add(self, edit: AddAgent, state: WorldState, world: EditedWorld) -> WorldState:
        spec = edit.agent
        self._require_free(spec.name, state)
        if spec.behaviour == "traffic" and not world.map.lanes:
            raise InputError("traffic keeps to lanes, and the map has none; expected constant, walk or parked",
                             field="agent.behaviour")  # fmt: skip
        placed = self._placed(spec, "agent.spawn", state, world)
        if other := self._touched(placed.row, state, world):
            raise InputError(f"{spec.name!r} would stand on {other}; expected a free place", field="agent.spawn")
        return _done(_with_bodies(state, spec.name, [placed]), edit)

    def _remove(self, edit: RemoveAgent, state: WorldState, world: EditedWorld) -> WorldState:
        if edit.name in state.added or any(isinstance(e, CloseLane) and e.name == edit.name for e in state.edits):
            gone = state.bodies["id"][len(state.bodies) - len(state.added) :]
            ids = {int(one) for one, name in zip(gone, state.added, strict=True) if name == edit.name}
            keep = [not _speaks_of(e, edit.name, ids) for e in state.edits]
            return replace(
                _without_bodies(state, edit.name),
                edits=tuple(e for e, kept in zip(state.edits, keep, strict=True) if kept),
                displaced=tuple(d for d, kept in zip(state.displaced, keep, strict=True) if kept),
            )
        i = self._row(edit.name, state, world)
        if i is None:
            return _done(state, edit)
        bodies = state.bodies.copy()
        bodies[i]["mode"], bodies[i]["x"], bodies[i]["y"] = MotionMode.ABSENT, _NOWHERE_M, _NOWHERE_M
        bodies[i]["speed"] = 0.0
        return _done(replace(state, bodies=bodies), edit, _as_it_is(state, i))

    def _move(self, edit: MoveAgent, state: WorldState, world: EditedWorld) -> WorldState:
        i = self._row(edit.name, state, world)
        if i is None:
            x, y, _, yaw = world.place.standing(edit.to, "to", self._places(edit.to, state, world))
            to = Spawn(x, y, yaw_deg=float(np.degrees(yaw)), free=True)
            return _done(state, replace(edit, to=to))
        old = state.bodies[i]
        if old["mode"] == MotionMode.TRAJECTORY:
            raise InputError(f"the trajectory of {edit.name!r} says when it is where", field="name")
        cls, behaviour = AgentClass(int(old["cls"])).name.lower(), _BEHAVIOUR[int(old["mode"])]
        size = (float(old["length"]), float(old["width"]), float(old["height"]))
        spec = AgentSpec(edit.name, cls, edit.to, behaviour=behaviour, size=size)  # type: ignore[arg-type]
        placed = self._placed(spec, "to", state, world)
        for name in _KEPT:
            placed.row[name] = old[name]
        if other := self._touched(placed.row, state, world, i):
            raise InputError(f"{edit.name!r} would stand on {other}; expected a free place", field="to")
        after = with_path(state, i, placed.row, placed.path)
        place_on_paths(after.bodies[i : i + 1], after.paths[i : i + 1], after.counts[i : i + 1], 0)
        return _done(after, edit, _as_it_is(state, i))

    def _close(self, edit: CloseLane, state: WorldState, world: EditedWorld) -> WorldState:
        self._require_free(edit.name, state)
        x, y, _, yaw = world.place.standing(edit.at, "at", self._places(edit.at, state, world))
        edit = replace(edit, at=Spawn(x, y, yaw_deg=float(np.degrees(yaw))))
        pieces = [world.place.agent(spec, "at", 0, {}) for spec in self._barriers(edit)]
        if any(self._touched(piece.row, state, world, only_ego=True) for piece in pieces):
            raise InputError("the ego stands there; expected a place ahead of it", field="at")
        free = [piece for piece in pieces if not self._touched(piece.row, state, world)]
        return _done(_with_bodies(state, edit.name, free), edit)

    def _undo(self, state: WorldState) -> WorldState:
        if not state.edits:
            raise InputError("there is no edit to take back", field="edit")
        last, before = state.edits[-1], state.displaced[-1]
        if isinstance(last, AddAgent | CloseLane):
            state = _without_bodies(state, last.agent.name if isinstance(last, AddAgent) else last.name)
        elif before is not None:
            found = np.flatnonzero(state.bodies["id"] == before.row["id"])
            if len(found):
                state = with_path(state, int(found[0]), before.row, before.path)
            else:  # the edits before it can still be taken back
                why = f"another one has entered the traffic in place of #{before.row['id']}, who does not come back"
                warnings.warn(InputWarning(f"edit: {why}"), stacklevel=2)
        return replace(state, edits=state.edits[:-1], displaced=state.displaced[:-1])

    # --- who and where --------------------------------------------------------------------------------------------

    def _row(self, name: str, state: WorldState, world: EditedWorld) -> int | None:
        """Row of a body; None for a prop of the map."""
        if name == "ego":
            raise InputError("the ego is driven, not edited", field="name")
        identity = id_of(name) or -1
        if (world.props["id"] == identity).any():
            return None
        found = np.flatnonzero(state.bodies["id"] == identity)
        if name in state.added:
            i = added_row(state, name)
        else:
            i = int(found[0]) if identity > 0 and len(found) else self._rows.get(name, -1)
        if i < 1 or state.bodies[i]["mode"] == MotionMode.ABSENT:
            known = ", ".join([*list(self._rows)[1:], *dict.fromkeys(state.added)][:8])
            gone = "has been removed" if i > 0 and identity < 0 else "is nobody"
            raise InputError(f"{shown(name)} {gone}; expected #ID or one of {known or 'those that edits add'}",
                             field="name")  # fmt: skip
        return i

    def _require_free(self, name: str, state: WorldState) -> None:
        if name in self._rows or name in state.added:
            raise InputError(f"{shown(name)} is taken; expected another name", field="name")

    def _places(self, spawn: Spawn, state: WorldState, world: EditedWorld) -> dict[str, LanePlace]:
        """Where the agent is to which a spawn is relative."""
        if spawn.relative_to is None:
            return {}
        i = 0 if spawn.relative_to == "ego" else self._row(spawn.relative_to, state, world)
        if i is None:
            return {}
        body = state.bodies[i]
        lane, s, _ = world.map.nearest_lane(float(body["x"]), float(body["y"]), float(body["z"]), float(body["yaw"]))
        return {spawn.relative_to: LanePlace(lane, s)} if lane >= 0 else {}

    def _placed(self, spec: AgentSpec, field: str, state: WorldState, world: EditedWorld) -> PlacedAgent:
        places = self._places(spec.spawn, state, world)
        world.place.standing(spec.spawn, field, places)  # off the map is told
        placed = world.place.agent(spec, field, 0, places)
        one, counts = np.array([placed.row]), np.array([len(placed.path)])
        place_on_paths(one, placed.path[None].copy(), counts, 0)
        placed.row[()] = one[0]
        return placed

    def _touched(
        self, row: np.ndarray, state: WorldState, world: EditedWorld, own: int = -1, *, only_ego: bool = False
    ) -> str:
        """Whom a body would stand on; empty if nobody.

        Args:
            row: () BODY_DTYPE.
            state: now.
            world: the fixed parts.
            own: row of the body itself, -1 if it is new.
            only_ego: whether nobody else counts.
        """
        box = _box(row)
        for i, other in enumerate(state.bodies[:1] if only_ego else state.bodies):
            if i == own or other["mode"] == MotionMode.ABSENT or abs(other["z"] - row["z"]) > _LEVEL_M:
                continue
            if boxes_overlap(box, _box(other)):
                return "the ego" if i == 0 else f"#{other['id']}"
        return ""

    def _barriers(self, edit: CloseLane) -> list[AgentSpec]:
        """Barriers across a lane where it is closed, and cones along it, on the side of other lanes."""
        route = closed_route(self._map, edit)
        ahead = np.gradient(route.path[:, :2], axis=0)
        yaws = np.arctan2(ahead[:, 1], ahead[:, 0])
        x, y = route.path[0, :2].tolist()
        lane, s, _ = self._map.nearest_lane(x, y, yaw=float(yaws[0]))
        of = self._map.lanes[lane]
        width = float(np.interp(s, of.s, of.width))
        left_open, right_open = (b >= 0 and self._map.lanes[b].kind == "driving" for b in (of.left, of.right))
        side = -1.0 if right_open and not left_open else 1.0
        many = max(int(width / _BARRIER_M), 1)
        pieces = [("barrier", 0, (k - 0.5 * (many - 1)) * width / many, 90.0) for k in range(many)]
        cones = range(int(_CONE_EVERY_M), len(route.path), int(_CONE_EVERY_M))
        pieces += [("traffic_cone", k, side * (0.5 * width - 0.4), 0.0) for k in cones]
        out = []
        for cls, k, left, turn in pieces:
            x, y = route.path[k, :2] + left * np.array([-np.sin(yaws[k]), np.cos(yaws[k])])
            spawn = Spawn(float(x), float(y), yaw_deg=float(np.degrees(yaws[k])) + turn, free=True)
            out.append(AgentSpec(edit.name, cls, spawn, behaviour="parked"))
        return out


def _done(state: WorldState, edit: Edit, displaced: Displaced | None = None) -> WorldState:
    return replace(state, edits=(*state.edits, edit), displaced=(*state.displaced, displaced))


def _as_it_is(state: WorldState, i: int) -> Displaced:
    return Displaced(state.bodies[i].copy(), state.paths[i, : state.counts[i]].copy())


def _speaks_of(edit: Edit, name: str, ids: set[int]) -> bool:
    """Whether an edit is of somebody with this name, or one of these ids."""
    whom = edit.agent.name if isinstance(edit, AddAgent) else getattr(edit, "name", "")
    return whom == name or id_of(whom) in ids


def _box(row: np.ndarray) -> np.ndarray:
    return np.array([row[name] for name in ("x", "y", "yaw", "length", "width")], dtype=float)


def _with_bodies(state: WorldState, name: str, placed: Sequence[PlacedAgent]) -> WorldState:
    """The state with more bodies in its last rows, all of one name."""
    if len(state.added) + len(placed) > bounds.EDITS:
        raise InputError(f"edits have added {len(state.added)} agents; expected at most {bounds.EDITS}", field="edit")
    taken, identity = set(state.bodies["id"].tolist()), _FIRST_ID
    count, at = len(placed), len(state.bodies)
    bodies = np.concatenate([state.bodies, np.zeros(count, state.bodies.dtype)])
    paths = np.concatenate([state.paths, np.zeros((count, *state.paths.shape[1:]))])
    counts = np.concatenate([state.counts, np.zeros(count, state.counts.dtype)])
    for i, one in enumerate(placed, start=at):
        while identity in taken:
            identity += 1
        taken.add(identity)
        bodies[i] = one.row
        bodies[i]["id"], bodies[i]["colour"] = identity, int(unit_hash(identity, 77) * 2**32)
        counts[i] = len(one.path)
        paths[i, : counts[i]] = one.path
    return replace(state, bodies=bodies, paths=paths, counts=counts, added=(*state.added, *[name] * count))


def _without_bodies(state: WorldState, name: str) -> WorldState:
    """The state without the bodies that edits have added under a name."""
    first = len(state.bodies) - len(state.added)
    keep = np.array([True] * first + [other != name for other in state.added])
    return replace(
        state,
        bodies=state.bodies[keep],
        paths=state.paths[keep],
        counts=state.counts[keep],
        added=tuple(other for other in state.added if other != name),
    )
