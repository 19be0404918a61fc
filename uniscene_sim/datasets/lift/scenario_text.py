"""Scenarios of a recorded drive as YAML: agents where they were, the ego driven anew or as it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import yaml

from uniscene_sim.datasets.logs.drive import LoggedDrive
from uniscene_sim.limits import bounds
from uniscene_sim.taxonomy import AgentClass

__all__ = ["scenario_text"]

_STANDS_M = 0.6  # an object whose boxes stay this near to each other stands: labels jitter
_ON_S, _MOVES_MPS = 20.0, 1.0  # who moves goes on after its last box as it did, for so long
_BEFORE_S = 0.15  # who is first seen later than this has come from where it was headed
_HEAD = """# Written by `uniscene-sim lift` from {name}. {what}
# Move the ego or agents by editing their places: x, y in m, yaw_deg anticlockwise from the x axis of the map.
"""


def scenario_text(drive: LoggedDrive, map_file: str, end_s: float, *, replayed: bool) -> str:
    """A scenario on a lifted map.

    Args:
        drive: poses and tracks.
        map_file: name of the map's file, beside the scenario.
        end_s: of what is used of the drive.
        replayed: whether the ego drives as it did; else it begins there, and is driven.
    """
    x, y, _, _, _, yaw = drive.poses[0]
    seconds = max(float(np.clip(end_s, 1.0, drive.times_s[-1])), 1.0)
    used = drive.times_s <= end_s + 0.05
    moved = np.hypot(*np.diff(drive.poses[:, :2], axis=0).T) / np.diff(drive.times_s)
    ego: dict[str, Any] = {
        "spawn": {"x": _m(x), "y": _m(y), "yaw_deg": _deg(yaw)},
        "speed_mps": round(float(np.median(moved[:3])), 2),
        "target_speed_mps": round(max(float(moved.max()), 5.0), 1),
        "vehicle": _vehicle(drive),
    }
    if replayed:
        ego["spawn"]["free"] = True
        ego["trajectory"] = _rows(drive.times_s[used], drive.poses[used, :2])
    body = {
        "map": map_file,
        "seed": 0,
        "duration_s": round(float(seconds) if replayed else float(seconds) + 10.0, 2),
        "ego": ego,
        "agents": _agents(drive, end_s),
        "criteria": [{"kind": "collision"}],
    }
    what = "The ego drives as it did." if replayed else "The ego begins where it did and is driven."
    return _HEAD.format(name=drive.name, what=what) + yaml.dump(
        body, sort_keys=False, default_flow_style=None, width=110
    )


def _vehicle(drive: LoggedDrive) -> dict[str, Any]:
    v = drive.vehicle
    return {"name": v.name} | {name: getattr(v, name) for name in bounds.EGO_VEHICLE if name in _BODY}


_BODY = ("length_m", "width_m", "height_m", "wheelbase_m", "rear_axle_to_centre_m")


def _agents(drive: LoggedDrive, end_s: float) -> list[dict[str, Any]]:
    out, number = list[dict[str, Any]](), Counter[str]()
    for track in drive.tracks:
        inside = track.times_s <= end_s + 0.05
        if not inside.any() or len(out) >= bounds.AGENTS:
            continue
        kind = AgentClass(track.cls).name.lower()
        number[kind] += 1
        times, places, yaws = track.times_s[inside], track.places[inside, :2], track.yaws[inside]
        agent: dict[str, Any] = {"name": f"{kind}_{number[kind]}", "class": kind}
        spread = float(np.hypot(*(places - np.median(places, axis=0)).T).max())
        size = [round(float(np.clip(v, bounds.SIZE_M.least, bounds.SIZE_M.most)), 2) for v in track.size]
        if track.still or spread < _STANDS_M:
            (x, y), yaw = np.median(places, axis=0), np.arctan2(np.median(np.sin(yaws)), np.median(np.cos(yaws)))
            agent |= {"spawn": _spawn(x, y, float(yaw)), "size": size, "behaviour": "parked"}
        else:
            times, places = _through(times, places)
            agent |= {"spawn": _spawn(places[0, 0], places[0, 1], float(yaws[0])), "size": size}
            agent |= {"behaviour": "trajectory", "trajectory": _rows(times, places)}
        out.append(agent)
    return out


def _through(times: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A track from the begin on, and beyond its end: who is first seen later came as it went on, and who moves at the
    last box goes on."""
    if times[0] > _BEFORE_S and len(times) > 1:
        k = min(5, len(times) - 1)
        velocity = (places[k] - places[0]) / (times[k] - times[0])
        times = np.concatenate([[0.0], times])
        places = np.concatenate([[places[0] - velocity * times[1]], places])
    k = min(5, len(times) - 1)
    velocity = (places[-1] - places[-1 - k]) / (times[-1] - times[-1 - k])
    if np.hypot(*velocity) > _MOVES_MPS:
        times = np.append(times, times[-1] + _ON_S)
        places = np.concatenate([places, [places[-1] + _ON_S * velocity]])
    return times, places


def _rows(times: np.ndarray, places: np.ndarray) -> list[list[float]]:
    """Rows of t, x, y; those of one that stands are left out, but the last."""
    rows = [[round(float(times[0]), 3), _m(places[0, 0]), _m(places[0, 1])]]
    for k in range(1, len(times)):
        stands = np.hypot(places[k, 0] - rows[-1][1], places[k, 1] - rows[-1][2]) < 0.02
        if times[k] - rows[-1][0] < 1e-3 or (stands and k + 1 < len(times) and k % 10):
            continue
        x, y = rows[-1][1:] if stands else (_m(places[k, 0]), _m(places[k, 1]))
        rows.append([round(float(times[k]), 3), x, y])
    return rows


def _spawn(x: float, y: float, yaw: float) -> dict[str, Any]:
    return {"x": _m(x), "y": _m(y), "yaw_deg": _deg(yaw), "free": True}


def _m(value: float) -> float:
    return round(float(value), 3)


def _deg(yaw: float) -> float:
    return round(float(np.degrees((yaw + np.pi) % (2 * np.pi) - np.pi)), 2)
