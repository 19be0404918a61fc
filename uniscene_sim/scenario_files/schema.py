"""The JSON Schema of scenario files."""

from __future__ import annotations

from typing import Any

from uniscene_sim.layout import EgoVehicle
from uniscene_sim.scenario import AGENT_CLASSES, ActionKind, CriterionKind, TriggerKind
from uniscene_sim.scenario_files.style_text import WEATHERS

__all__ = ["scenario_json_schema"]


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def scenario_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of scenario files."""
    number, text = {"type": "number"}, {"type": "string", "minLength": 1}
    positive, least_zero = {"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}
    point = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    timed = {"type": "array", "items": number, "minItems": 3, "maxItems": 3}
    trajectory = {"type": "array", "items": timed, "minItems": 2, "description": "rows of t (s), x, y (m)"}
    spawn = _object(
        {
            "x": number,
            "y": number,
            "yaw_deg": number,
            "relative_to": text,
            "ahead_m": number,
            "lanes_left": {"type": "integer"},
            "lateral_m": number,
            "opposite": {"type": "boolean"},
            "free": {"type": "boolean"},
        }
    )
    anywhere = _object({"random": {"const": True, "description": "chosen by the seed"}}, ("random",))
    vehicle = _object({name: positive for name in EgoVehicle.__dataclass_fields__ if name != "name"} | {"name": text})
    trigger = _object(
        {
            "kind": {"enum": list(TriggerKind.__args__)},  # type: ignore[attr-defined]
            "value": least_zero,
            "agent": text,
            "other": text,
            "x": number,
            "y": number,
        },
        ("kind", "value"),
    )
    action = _object(
        {
            "kind": {"enum": list(ActionKind.__args__)},  # type: ignore[attr-defined]
            "agent": text,
            "speed_mps": {"type": "number", "minimum": 0, "maximum": 80},
            "decel_mps2": {"type": "number", "exclusiveMinimum": 0, "maximum": 12},
            "direction": {"enum": ["left", "right"]},
            "duration_s": positive,
            "to": point,
            "trajectory": trajectory,
        },
        ("kind", "agent"),
    )
    agent = _object(
        {
            "name": text,
            "class": {"enum": list(AGENT_CLASSES)},
            "spawn": spawn,
            "speed_mps": {"type": "number", "minimum": 0, "maximum": 80},
            "behaviour": {"enum": ["traffic", "constant", "walk", "parked", "trajectory"]},
            "goal": point,
            "trajectory": trajectory,
            "size": {"type": "array", "items": positive, "minItems": 3, "maxItems": 3},
        },
        ("name", "class", "spawn"),
    )
    criterion = _object(
        {
            "kind": {"enum": list(CriterionKind.__args__)},  # type: ignore[attr-defined]
            "value": least_zero,
            "optional": {"type": "boolean"},
        },
        ("kind",),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "uniscene_sim scenario",
        **_object(
            {
                "map": {**text, "description": "OpenDRIVE, .npz or painted map, beside this file or in scenarios/maps"},
                "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
                "duration_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
                "style": _object(
                    {
                        "weather": {"enum": list(WEATHERS)},
                        "time_of_day_h": {"type": "number", "minimum": 0, "exclusiveMaximum": 24},
                        "text": {"type": "string"},
                    }
                ),
                "ego": _object(
                    {
                        "spawn": {"if": {"required": ["random"]}, "then": anywhere, "else": spawn},
                        "speed_mps": {"type": "number", "minimum": 0, "maximum": 60},
                        "target_speed_mps": {"type": "number", "exclusiveMinimum": 0, "maximum": 60},
                        "goal": point,
                        "via": {"type": "array", "items": point},
                        "route_m": {"type": "number", "minimum": 20, "maximum": 20000},
                        "trajectory": trajectory,
                        "vehicle": vehicle,
                    },
                    ("spawn",),
                ),
                "agents": {"type": "array", "items": agent},
                "events": {
                    "type": "array",
                    "items": _object(
                        {"trigger": trigger, "actions": {"type": "array", "items": action, "minItems": 1}},
                        ("trigger", "actions"),
                    ),
                },
                "traffic": _object(
                    {
                        "vehicles_per_km": {"type": "number", "minimum": 0, "maximum": 60},
                        "pedestrians": {"type": "integer", "minimum": 0, "maximum": 200},
                    }
                ),
                "criteria": {"type": "array", "items": criterion},
            },
            ("map", "duration_s", "ego"),
        ),
    }
