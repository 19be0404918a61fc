"""A road network as one `.npz`: flat arrays with offsets, and one JSON string for everything else. No pickle.

The head holds the map's identity, which is that of the file it was read from, and the hash of the content, which
reveals damage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.maps.elements import (
    BORDER_FIELDS,
    BorderStretch,
    Crossing,
    GroundCover,
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
from uniscene_sim.maps.vector.network_checks import check_network
from uniscene_sim.storage.array_file import read_arrays
from uniscene_sim.storage.input_file import MIB, reading
from uniscene_sim.storage.output_file import output_file

__all__ = ["MOST_MAP", "read_map", "save_map", "saved_ref"]

FORMAT = 3
_WHAT = "a map of uniscene_sim"
#: Bytes of all arrays of a map.
MOST_MAP = 512 * MIB


def save_map(m: RoadNetwork, path: str | Path, ref: str, others: Mapping[str, np.ndarray] | None = None) -> None:
    """Write a map and its identity, whole or not at all, with other arrays by name."""
    arrays, meta = pack(m)
    arrays |= others or {}
    head = json.dumps({"format": FORMAT, "ref": ref, "content_sha256": content_hash(m)})
    with output_file(path) as part, open(part, "wb") as stream:
        np.savez_compressed(stream, head=np.array(head), meta=np.array(meta), **arrays)  # type: ignore[arg-type]


def saved_ref(path: str | Path) -> str | None:
    """Identity of the map in a file; None if the file is damaged or of another format."""
    try:
        return _head(read_arrays(path, ["head"], _WHAT, MOST_MAP), path)["ref"]
    except InputError:
        return None


def read_map(path: str | Path) -> RoadNetwork:
    """Read and check a map."""
    arrays = read_arrays(path, None, _WHAT, MOST_MAP)
    head = _head(arrays, path)
    with reading(path, _WHAT):
        network = _unpack(arrays, json.loads(str(arrays["meta"])))
        if content_hash(network) != head["content_sha256"]:
            raise InputError("damaged map file, its content does not match its hash")
        check_network(network)
    return replace(network, source_ref=head["ref"])


def _head(arrays: dict[str, np.ndarray], path: str | Path) -> dict[str, str]:
    with reading(path, _WHAT):
        head = json.loads(str(arrays["head"]))
        if head["format"] != FORMAT:
            raise InputError(f"expected map format {FORMAT}, got {shown(head['format'])}; extract it again")
        if not isinstance(head["ref"], str):
            raise InputError(f"expected the identity of a map, got {shown(head['ref'])}", field="ref")
        return {"ref": head["ref"], "content_sha256": head["content_sha256"]}


def _borders(parts: Sequence[Sequence[Sequence[Any]]]) -> dict[str, Any]:
    """Fields of a lane's borders, from the values of their parts."""
    kinds = (BorderStretch, BorderStretch, MarkLine, MarkLine)
    return {
        name: tuple(kind(*values) for values in of_field)
        for name, kind, of_field in zip(BORDER_FIELDS, kinds, parts, strict=True)
    }


def _covers(a: dict[str, np.ndarray], meta: Sequence[tuple[str, int]]) -> Iterator[GroundCover]:
    if not meta:
        return
    offset = a["cover_offset"]
    rings = iter([a["cover_rows"][offset[k] : offset[k + 1]].copy() for k in range(len(offset) - 1)])
    for kind, count in meta:
        yield GroundCover(kind, tuple(next(rings) for _ in range(count)))


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
        complete_kinds=tuple(meta.get("complete_kinds", ())),
        covers=tuple(_covers(a, meta.get("covers", ()))),
    )
