"""The JSON Schema of scenario files, and of edits."""

from __future__ import annotations

from functools import cache
from typing import Any

from uniscene_sim.control import MANNERS
from uniscene_sim.edit import BEHAVIOURS
from uniscene_sim.layout import WEATHERS
from uniscene_sim.limits import bounds
from uniscene_sim.scenario import AGENT_CLASSES, CRITERION_KINDS, PARTNERS, ActionKind, TriggerKind
from uniscene_sim.scenario_files.parameters import PARAMETER_NAME, parameters_schema
from uniscene_sim.scenario_files.test_plan import plan_schema

__all__ = ["criteria_schema", "edit_json_schema", "scenario_file_schema", "scenario_json_schema", "whole_fields"]


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_TEXT = {"type": "string", "minLength": 1}
_NAME = _TEXT | {"maxLength": bounds.NAME}
_PLACE = bounds.PLACE_M.schema
_PRESET = {"enum": list(MANNERS)}
_POINT = {"type": "array", "items": _PLACE, "minItems": 2, "maxItems": 2}


def _trajectory() -> dict[str, Any]:
    timed = {"type": "array", "prefixItems": [bounds.ROW_S.schema, _PLACE, _PLACE], "minItems": 3, "maxItems": 3}
    most = f"at most {bounds.STEP_MPS.most:g} m/s apart and {bounds.WAY_M.most:g} m long"
    return {
        "type": "array", "items": timed, "minItems": 2, "maxItems": bounds.ROWS,
        "description": f"rows of t (s, rising), x, y (m), {most}",
    }  # fmt: skip


def _spawn() -> dict[str, Any]:
    return _object(
        {
            "x": _PLACE,
            "y": _PLACE,
            "yaw_deg": bounds.ANGLE_DEG.schema,
            "relative_to": _TEXT,
            "ahead_m": bounds.AHEAD_M.schema,
            "lanes_left": bounds.LANES.schema,
            "lateral_m": bounds.ASIDE_M.schema,
            "opposite": {"type": "boolean"},
            "free": {"type": "boolean"},
        }
    )


def _manners() -> dict[str, Any]:
    flags = {name: {"type": "boolean"} for name in ("gives_way", "obeys_lights")}
    own = _object({name: bound.schema for name, bound in bounds.MANNERS.items()} | flags | {"like": _PRESET})
    return {"if": {"type": "string"}, "then": _PRESET, "else": own}


def _agent() -> dict[str, Any]:
    return _object(
        {
            "name": _TEXT,
            "class": {"enum": list(AGENT_CLASSES)},
            "spawn": _spawn(),
            "speed_mps": bounds.SPEED_MPS.schema,
            "behaviour": {"enum": [*BEHAVIOURS, "trajectory"]},
            "goal": _POINT,
            "trajectory": _trajectory(),
            "size": {"type": "array", "items": bounds.SIZE_M.schema, "minItems": 3, "maxItems": 3},
            "manners": _manners(),
        },
        ("name", "class", "spawn"),
    )


def edit_json_schema() -> dict[str, Any]:
    """JSON Schema of one edit: its kind, and the fields of that kind."""
    move = bounds.MOVE_M.schema
    by = {"type": "array", "items": move, "minItems": 2, "maxItems": 2}
    hour, weather = bounds.HOUR_H.schema, {"enum": list(WEATHERS)}
    kinds: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
        "add": ({"agent": _agent()}, ("agent",)),
        "remove": ({"name": _NAME}, ("name",)),
        "move": ({"name": _NAME, "to": _spawn()}, ("name", "to")),
        "close_lane": ({"name": _NAME, "at": _spawn(), "length_m": bounds.CLOSING_M.schema}, ("at",)),
        "move_crossing": ({"x": _PLACE, "y": _PLACE, "by": by}, ("x", "y", "by")),
        "style": ({"weather": weather, "time_of_day_h": hour}, ()),
        "undo": ({}, ()),
    }
    return {
        "type": "object",
        "properties": {"kind": {"enum": list(kinds)}},
        "required": ["kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": _object({"kind": {"const": kind}, **fields}, ("kind", *required)),
            }
            for kind, (fields, required) in kinds.items()
        ],
    }


def scenario_file_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of scenario files as they are written: numbers and texts may be `$name`."""
    named = {"type": "string", "pattern": f"^{PARAMETER_NAME}$", "description": "a name of `parameters`"}

    def written(schema: Any) -> Any:
        if isinstance(schema, list):
            return [written(one) for one in schema]
        if not isinstance(schema, dict):
            return schema
        if schema.get("type") in ("number", "integer") or "enum" in schema:
            return {"anyOf": [schema, named]}
        return {key: inner if key in ("if", "const") else written(inner) for key, inner in schema.items()}

    schema: dict[str, Any] = written(scenario_json_schema())
    schema["properties"]["seed"] = bounds.SEED.schema
    schema["properties"] |= {"parameters": parameters_schema(), **plan_schema()}
    return schema


def whole_fields(schema: Any) -> frozenset[str]:
    """Names of fields that are whole numbers."""
    if not isinstance(schema, dict | list):
        return frozenset()
    inner = schema.values() if isinstance(schema, dict) else schema
    found = frozenset().union(*map(whole_fields, inner))
    fields = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return found | {name for name, one in fields.items() if one.get("type") == "integer"}


def criteria_schema() -> dict[str, Any]:
    """JSON Schema of the criteria of a scenario."""
    criterion = _object(
        {
            "kind": {"enum": list(CRITERION_KINDS)},
            "value": bounds.THRESHOLD.schema,
            "optional": {"type": "boolean"},
            "with": {"enum": list(PARTNERS), "description": "type of partner of collisions"},
        },
        ("kind",),
    )
    return {"type": "array", "items": criterion, "maxItems": bounds.AGENTS}


@cache
def scenario_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of scenario files whose parameters have values."""
    text, place, point, trajectory, spawn, agent = _TEXT, _PLACE, _POINT, _trajectory(), _spawn(), _agent()
    anywhere = _object({"random": {"const": True, "description": "chosen by the seed"}}, ("random",))
    vehicle = _object({name: bound.schema for name, bound in bounds.EGO_VEHICLE.items()} | {"name": text})
    trigger = _object(
        {
            "kind": {"enum": list(TriggerKind.__args__)},  # type: ignore[attr-defined]
            "value": bounds.THRESHOLD.schema,
            "agent": text,
            "other": text,
            "x": place,
            "y": place,
        },
        ("kind", "value"),
    )
    action = _object(
        {
            "kind": {"enum": list(ActionKind.__args__)},  # type: ignore[attr-defined]
            "agent": text,
            "speed_mps": bounds.SPEED_MPS.schema,
            "decel_mps2": bounds.DECEL_MPS2.schema,
            "direction": {"enum": ["left", "right"]},
            "duration_s": bounds.LANE_CHANGE_S.schema,
            "to": point,
            "trajectory": trajectory,
        },
        ("kind", "agent"),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "uniscene_sim scenario",
        **_object(
            {
                "map": {**text, "description": "OpenDRIVE, .npz or painted map, beside this file or in scenarios/maps"},
                "seed": bounds.SEED.schema,
                "duration_s": bounds.SCENARIO_S.schema,
                "style": _object(
                    {
                        "weather": {"enum": list(WEATHERS)},
                        "time_of_day_h": bounds.HOUR_H.schema,
                        "text": {"type": "string"},
                    }
                ),
                "ego": _object(
                    {
                        "spawn": {"if": {"required": ["random"]}, "then": anywhere, "else": spawn},
                        "speed_mps": bounds.EGO_SPEED_MPS.schema,
                        "target_speed_mps": bounds.CRUISE_MPS.schema,
                        "goal": point,
                        "via": {"type": "array", "items": point, "maxItems": bounds.VIAS},
                        "route_m": bounds.ROUTE_M.schema,
                        "trajectory": trajectory,
                        "vehicle": vehicle,
                        "manners": _manners(),
                    },
                    ("spawn",),
                ),
                "agents": {"type": "array", "items": agent, "maxItems": bounds.AGENTS},
                "events": {
                    "type": "array",
                    "maxItems": bounds.AGENTS,
                    "items": _object(
                        {
                            "trigger": trigger,
                            "actions": {"type": "array", "items": action, "minItems": 1},
                            "edits": {
                                "type": "array",
                                "items": edit_json_schema(),
                                "minItems": 1,
                                "maxItems": bounds.EDITS,
                            },
                        },
                        ("trigger",),
                    )
                    | {"minProperties": 2},
                },
                "traffic": _object(
                    {
                        "vehicles_per_km": bounds.VEHICLES_PER_KM.schema,
                        "pedestrians": bounds.PEDESTRIANS.schema,
                        "manners": _manners(),
                        "spread": bounds.SPREAD.schema,
                    }
                ),
                "criteria": criteria_schema(),
                **plan_schema(),
            },
            ("map", "duration_s", "ego"),
        ),
    }
