"""What stays as it is between two edits: map, style, props, rules, and what physics needs of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from uniscene_sim.compute.keyed_random import unit_hash
from uniscene_sim.edit import ChangeStyle, MoveAgent, RemoveAgent
from uniscene_sim.layout import AGENT_DTYPE, Edit, Style
from uniscene_sim.maps.edited_map import edited_map
from uniscene_sim.maps.once_per_map import once_per_map
from uniscene_sim.maps.signals import SignalPrograms, signal_heads
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.scenario import Scenario
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.world.bodies import CLASS_SIZES
from uniscene_sim.world.episode.placing import Placer
from uniscene_sim.world.episode.start import InitialState
from uniscene_sim.world.episode.triggers import Triggers
from uniscene_sim.world.path_columns import CROSSING, LANE, LANE_S
from uniscene_sim.world.physics import EpisodeConstants, VehicleParameters
from uniscene_sim.world.road_arrays import RoadArrays, annotate_columns
from uniscene_sim.world.state import id_of
from uniscene_sim.world.traffic.conflict_table import ConflictTable
from uniscene_sim.world.traffic.crossings import crossing_stop_lines
from uniscene_sim.world.traffic.decisions import TrafficRules
from uniscene_sim.world.traffic.population import Population

__all__ = ["EditedWorld", "map_props", "with_crossings"]

_PROPS = {"parked_car": AgentClass.CAR, "cone": AgentClass.TRAFFIC_CONE, "barrier": AgentClass.BARRIER}


@dataclass(frozen=True)
class EditedWorld:
    """A scenario's fixed parts, with edits.

    Attributes:
        edits: in force.
        map: with the edits.
        props: (P,) AGENT_DTYPE, placed objects of the map that are drawn as instances.
        route: (R, 10), the ego's.
    """

    edits: tuple[Edit, ...]
    map: StaticMap
    style: Style
    props: np.ndarray
    route: np.ndarray
    rules: TrafficRules
    constants: EpisodeConstants
    population: Population
    place: Placer

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        static_map: StaticMap,
        begin: InitialState,
        rows: dict[str, int],
        edits: tuple[Edit, ...],
    ) -> EditedWorld:
        """The parts of a scenario.

        Args:
            scenario: the scenario.
            static_map: its map, without edits.
            begin: its first moment.
            rows: row of its bodies by name.
            edits: in force.

        Raises:
            InputError: the map cannot be changed so.
        """
        now = edited_map(static_map, edits).map
        programs, props = SignalPrograms.of(now), map_props(static_map)
        for edit in edits:
            if isinstance(edit, RemoveAgent | MoveAgent):
                props = _edited_props(props, edit, Placer(scenario, now))
        return cls(
            edits,
            now,
            _style(scenario.style, edits),
            props,
            begin.route if now is static_map else with_crossings(begin.route, now),
            TrafficRules(programs, once_per_map(crossing_stop_lines)(now), ConflictTable.of(now)),
            EpisodeConstants(
                VehicleParameters.of(scenario.ego.vehicle),
                now.surface.arrays,
                programs,
                Triggers.of([event.trigger for event in scenario.events], rows),
                _boxes(props),
                begin.tracks,
            ),
            begin.population.on(now),
            Placer(scenario, now),
        )


def with_crossings(path: np.ndarray, static_map: StaticMap) -> np.ndarray:
    """An annotated path (R, 10) with the crossings of a map."""
    lanes, path = path[:, LANE].astype(np.int64), path.copy()
    fresh = annotate_columns(RoadArrays.of(static_map), path[:, :3].copy(), lanes, path[:, LANE_S].copy())
    path[:, CROSSING] = fresh[:, CROSSING]
    return path


def _style(style: Style, edits: tuple[Edit, ...]) -> Style:
    for edit in edits:
        if isinstance(edit, ChangeStyle):
            style = replace(style, **{name: value for name, value in vars(edit).items() if value is not None})
    return style


def _edited_props(props: np.ndarray, edit: RemoveAgent | MoveAgent, place: Placer) -> np.ndarray:
    """Props without one, or with one elsewhere, if it is one that the edit means."""
    which = props["id"] == (id_of(edit.name) or 0)
    if not which.any():
        return props
    if isinstance(edit, RemoveAgent):
        others: np.ndarray = props[~which]
        return others
    x, y, z, yaw = place.standing(edit.to, "to", {})
    props = props.copy()
    props["pos"][which], props["rpy"][which] = (x, y, z), (0.0, 0.0, yaw)
    return props


def _boxes(props: np.ndarray) -> np.ndarray:
    """Props (P,) AGENT_DTYPE as boxes (P, 7): x, y, yaw, length, width, foot, top."""
    foot = props["pos"][:, 2]
    top = foot + props["size"][:, 2]
    return np.column_stack([props["pos"][:, :2], props["rpy"][:, 2], props["size"][:, :2], foot, top])


@once_per_map
def map_props(static_map: StaticMap) -> np.ndarray:
    """Placed objects that are drawn as instances, (P,) AGENT_DTYPE, at ids after those of the heads."""
    first_id = len(once_per_map(signal_heads)(static_map)) + 1
    objects = [o for o in static_map.objects if o.kind in _PROPS]
    out = np.zeros(len(objects), dtype=AGENT_DTYPE)
    for i, item in enumerate(objects):
        out[i]["id"], out[i]["cls"], out[i]["pos"] = first_id + i, _PROPS[item.kind], item.position
        out[i]["rpy"], out[i]["colour"] = (0.0, 0.0, item.yaw), int(unit_hash(first_id + i, 78) * 2**32)
        usual = CLASS_SIZES[_PROPS[item.kind]]
        out[i]["size"] = tuple(given if given > 0.05 else use for given, use in zip(item.size, usual, strict=True))
    return out
