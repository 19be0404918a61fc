"""A road network as one `.npz`: flat arrays with offsets, and one JSON string for everything else. No pickle.

The head holds the map's identity, which is that of the file it was read from, and the hash of the content, which
reveals damage.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import (
    BORDER_FIELDS,
    BorderStretch,
    Crossing,
    Lane,
    MapObject,
    MarkLine,
    RoadNetwork,
    Signal,
    SignalProgram,
    SpeedLimit,
    StopLine,
)
from uniscene_sim.maps.geo_reference import GeoReference, MapOffset
from uniscene_sim.maps.vector.content import LANE_FIELDS, content_hash, pack

__all__ = ["read_map", "save_map", "saved_ref"]

FORMAT = 3


def save_map(m: RoadNetwork, path: str | Path, ref: str) -> None:
    """Write a map and its identity to a temporary file beside `path`, then rename it."""
    arrays, meta = pack(m)
    head = json.dumps({"format": FORMAT, "ref": ref, "content_sha256": content_hash(m)})
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as stream:
            np.savez_compressed(stream, head=np.array(head), meta=np.array(meta), **arrays)  # type: ignore[arg-type]
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"cannot write the map: {error.strerror}", file=path) from None
    finally:
        part.unlink(missing_ok=True)


def saved_ref(path: str | Path) -> str | None:
    """Identity of the map in a file; None if the file is damaged or of another format."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
        return head["ref"] if head["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None  # RuntimeError: encrypted, or compressed in a way that is not known here


def read_map(path: str | Path) -> RoadNetwork:
    """Read and check a map."""
    if not Path(path).is_file():
        raise InputError("no such map file", file=path)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            if head["format"] != FORMAT:
                raise InputError(f"expected map format {FORMAT}, got {head['format']}; extract it again", file=path)
            network = _unpack({k: data[k] for k in data.files}, json.loads(str(data["meta"])))
    except InputError:
        raise
    except Exception as error:  # zlib, zip, JSON and index errors of a damaged file have no common base
        why = f"damaged map file ({type(error).__name__}), expected a .npz of uniscene_sim"
        raise InputError(why, file=path) from None
    if content_hash(network) != head["content_sha256"]:
        raise InputError("damaged map file, its content does not match its hash", file=path)
    return replace(network, source_ref=str(head["ref"]))


def _borders(parts: Sequence[Sequence[Sequence[Any]]]) -> dict[str, Any]:
    """Fields of a lane's borders, from the values of their parts."""
    kinds = (BorderStretch, BorderStretch, MarkLine, MarkLine)
    return {
        name: tuple(kind(*values) for values in of_field)
        for name, kind, of_field in zip(BORDER_FIELDS, kinds, parts, strict=True)
    }


def _unpack(a: dict[str, np.ndarray], meta: dict[str, Any]) -> RoadNetwork:
    lanes = []
    for i, values in enumerate(meta["lanes"]):
        rows = a["lane_rows"][a["lane_offset"][i] : a["lane_offset"][i + 1]]
        fields = dict(zip(LANE_FIELDS, values, strict=True))
        for name in ("key", "successors", "predecessors"):
            fields[name] = tuple(fields[name])
        places, limits = meta["speed_limits"][i][::2], [inf if v is None else v for v in meta["speed_limits"][i][1::2]]
        profile = a["profile_rows"][a["profile_offset"][i] : a["profile_offset"][i + 1]]
        centre, heading, width = (np.ascontiguousarray(part) for part in (rows[:, :3], rows[:, 3], rows[:, 4]))
        lanes.append(
            Lane(
                index=i, centre=centre, heading=heading, width=width, speed_limit_mps=limits[0],
                speed_changes=tuple(map(SpeedLimit, places[1:], limits[1:])),
                profile=profile.reshape(len(rows), -1) if len(profile) else np.zeros((0, 2)), **fields,
                **_borders(meta.get("borders", {}).get(str(i), [(), (), (), ()])),
            )
        )  # fmt: skip
    corners, offset = a["crossing_rows"], a["crossing_offset"]
    x, y = meta.get("frame_origin", (0.0, 0.0))
    projection, *shift = meta.get("geo_reference", ("",))
    return RoadNetwork(
        name=meta["name"],
        lanes=tuple(lanes),
        crossings=tuple(Crossing(corners[offset[i] : offset[i + 1]].copy()) for i in range(len(offset) - 1)),
        stop_lines=tuple(
            StopLine(ends.copy(), *row) for ends, row in zip(a["stop_ends"], meta["stop_lines"], strict=True)
        ),
        signals=tuple(
            Signal(i, sid, kind, a["signal_position"][i].copy(), yaw, tuple(lanes), value)
            for i, (sid, kind, yaw, lanes, value) in enumerate(meta["signals"])
        ),
        programs=tuple(SignalProgram(tuple(map(tuple, phases)), *times) for phases, *times in meta["programs"]),
        objects=tuple(
            MapObject(kind, a["object_position"][i].copy(), yaw, tuple(size), group)
            for i, (kind, yaw, size, group) in enumerate(meta["objects"])
        ),
        left_hand_traffic=meta["left_hand_traffic"],
        frame_origin=(float(x), float(y)),
        geo_reference=GeoReference(projection, MapOffset(*map(float, shift))) if projection else None,
        losses=tuple(meta["losses"]),
    )
