"""`VectorMap` as one `.npz`: flat arrays with offsets, and one JSON string for all that is not an array. No pickle."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.world.map import Crossing, Lane, MapObject, Signal, SignalProgram, StopLine, VectorMap

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["content_hash", "read_map", "save_map", "source_hash"]

FORMAT = 1
_LANE_META = (
    "key", "kind", "left_mark", "right_mark", "left", "right", "can_change_left", "can_change_right", "opposite",
    "successors", "predecessors", "junction", "speed_limit_mps", "height",
)  # fmt: skip


def _flat(arrays: Sequence[np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    offset = np.cumsum([0] + [len(a) for a in arrays]).astype(np.int64)
    rows = np.concatenate(arrays) if arrays else np.zeros((0, width))
    return np.ascontiguousarray(rows.reshape(-1, width), dtype=np.float64), offset


def _pack(m: VectorMap) -> tuple[dict[str, np.ndarray], str]:
    table = [np.column_stack([lane.centre, lane.heading, lane.width]) for lane in m.lanes]
    arrays = dict(zip(("lane_rows", "lane_offset"), _flat(table, 5), strict=True))
    polygons = [c.polygon for c in m.crossings]
    arrays |= zip(("crossing_rows", "crossing_offset"), _flat(polygons, 3), strict=True)
    arrays["stop_ends"] = np.array([line.ends for line in m.stop_lines], dtype=np.float64).reshape(-1, 2, 3)
    arrays["signal_position"] = np.array([s.position for s in m.signals], dtype=np.float64).reshape(-1, 3)
    arrays["object_position"] = np.array([o.position for o in m.objects], dtype=np.float64).reshape(-1, 3)
    meta = {
        "name": m.name,
        "left_hand_traffic": m.left_hand_traffic,
        "lanes": [[getattr(lane, k) for k in _LANE_META] for lane in m.lanes],
        "stop_lines": [[line.lane, line.s_m, line.signal] for line in m.stop_lines],
        "signals": [[s.id, s.kind, s.yaw, s.lanes, s.value] for s in m.signals],
        "programs": [[p.phases, p.green_s, p.yellow_s, p.all_red_s] for p in m.programs],
        "objects": [[o.kind, o.yaw, o.size] for o in m.objects],
    }
    return arrays, json.dumps(meta, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    """Numpy scalars as JSON numbers."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot write {type(value).__name__}")


def content_hash(m: VectorMap) -> str:
    """SHA-256 of everything in a map."""
    arrays, meta = _pack(m)
    sha = hashlib.sha256(meta.encode())
    for name in sorted(arrays):
        sha.update(f"{name}{arrays[name].shape}".encode())
        sha.update(np.ascontiguousarray(arrays[name]).data)
    return sha.hexdigest()


def save_map(m: VectorMap, path: str | Path, source_sha256: str | None = None) -> None:
    """Write to a temporary file beside `path`, then rename."""
    arrays, meta = _pack(m)
    head = json.dumps({"format": FORMAT, "source_sha256": source_sha256, "content_sha256": m.ref})
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


def source_hash(path: str | Path) -> str | None:
    """Hash of the OpenDRIVE file that a map was made of; None where unknown, damaged or of another format."""
    try:
        with np.load(path, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
        return head["source_sha256"] if head["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def read_map(path: str | Path) -> VectorMap:
    """Read and check a map."""
    if not Path(path).is_file():
        raise InputError("no such map file", file=path)
    try:
        with np.load(path, allow_pickle=False) as data:
            head = json.loads(str(data["head"]))
            if head["format"] != FORMAT:
                raise InputError(f"expected map format {FORMAT}, got {head['format']}; extract it again", file=path)
            vector_map = _unpack({k: data[k] for k in data.files}, json.loads(str(data["meta"])))
    except InputError:
        raise
    except Exception as error:  # zlib, zip, JSON and index errors of a damaged file have no common base
        why = f"damaged map file ({type(error).__name__}), expected a .npz of uniscene_sim"
        raise InputError(why, file=path) from None
    if vector_map.ref != head["content_sha256"]:
        raise InputError("damaged map file, its content does not match its hash", file=path)
    return vector_map


def _unpack(a: dict[str, np.ndarray], meta: dict[str, Any]) -> VectorMap:
    lanes = []
    for i, values in enumerate(meta["lanes"]):
        rows = a["lane_rows"][a["lane_offset"][i] : a["lane_offset"][i + 1]]
        fields = dict(zip(_LANE_META, values, strict=True))
        for name in ("key", "successors", "predecessors"):
            fields[name] = tuple(fields[name])
        centre, heading, width = (np.ascontiguousarray(part) for part in (rows[:, :3], rows[:, 3], rows[:, 4]))
        lanes.append(Lane(index=i, centre=centre, heading=heading, width=width, **fields))
    corners, offset = a["crossing_rows"], a["crossing_offset"]
    return VectorMap(
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
            MapObject(kind, a["object_position"][i].copy(), yaw, tuple(size))
            for i, (kind, yaw, size) in enumerate(meta["objects"])
        ),
        left_hand_traffic=meta["left_hand_traffic"],
    )
