"""A scenario in the map frame: its file gives places in the map's own coordinates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.edit import AddAgent, CloseLane, MoveAgent, MoveCrossing
from uniscene_sim.layout import Edit
from uniscene_sim.scenario import Action, AgentSpec, Event, Scenario, Spawn

__all__ = ["edit_in_map_frame", "in_map_frame"]

Place = tuple[float, float]
Rows = tuple[tuple[float, float, float], ...]


def in_map_frame(scenario: Scenario, frame_origin: Place) -> Scenario:
    """The scenario with all places relative to an origin, m, that is given in the map's own coordinates; the same again
    if they already are. Places are rounded as the state is, so that they do not depend on where the map lies."""
    back = _Move(scenario.frame_origin[0] - frame_origin[0], scenario.frame_origin[1] - frame_origin[1])
    ego = scenario.ego
    return replace(
        scenario,
        frame_origin=frame_origin,
        ego=replace(
            ego,
            spawn=back.spawn(ego.spawn),
            goal=back.place(ego.goal),
            via=tuple(back.xy(*via) for via in ego.via),
            trajectory=back.rows(ego.trajectory),
        ),
        agents=tuple(map(back.agent, scenario.agents)),
        events=tuple(map(back.event, scenario.events)),
    )


def edit_in_map_frame(edit: Edit, frame_origin: Place) -> Edit:
    """An edit whose places are given in the map's own coordinates, with those of the map frame."""
    return _Move(-frame_origin[0], -frame_origin[1]).edit(edit)


class _Move:
    """Adds dx, dy, m, to places."""

    def __init__(self, dx: float, dy: float):
        self.dx, self.dy = dx, dy

    def xy(self, x: float, y: float) -> Place:
        x, y = fixed(np.array([x + self.dx, y + self.dy])).tolist()
        return x, y

    def place(self, place: Place | None) -> Place | None:
        return None if place is None else self.xy(*place)

    def rows(self, rows: Rows) -> Rows:
        if not rows:
            return ()
        t, x, y = np.array(rows).T
        return tuple(zip(t.tolist(), fixed(x + self.dx).tolist(), fixed(y + self.dy).tolist(), strict=True))

    def spawn(self, spawn: Spawn) -> Spawn:
        x, y = self.xy(spawn.x, spawn.y)
        return replace(spawn, x=x, y=y)

    def agent(self, agent: AgentSpec) -> AgentSpec:
        spawn, goal, trajectory = self.spawn(agent.spawn), self.place(agent.goal), self.rows(agent.trajectory)
        return replace(agent, spawn=spawn, goal=goal, trajectory=trajectory)

    def event(self, event: Event) -> Event:
        x, y = self.xy(event.trigger.x, event.trigger.y)
        trigger = replace(event.trigger, x=x, y=y)
        actions, edits = tuple(map(self.action, event.actions)), tuple(map(self.edit, event.edits))
        return replace(event, trigger=trigger, actions=actions, edits=edits)

    def edit(self, edit: Edit) -> Edit:
        match edit:
            case AddAgent():
                return replace(edit, agent=self.agent(edit.agent))
            case MoveAgent():
                return replace(edit, to=self.spawn(edit.to))
            case CloseLane():
                return replace(edit, at=self.spawn(edit.at))
            case MoveCrossing():
                x, y = self.xy(edit.x, edit.y)
                return replace(edit, x=x, y=y)
        return edit

    def action(self, action: Action) -> Action:
        return replace(action, to=self.place(action.to), trajectory=self.rows(action.trajectory))
