"""Child process of the OpenDRIVE reader: `python -m uniscene_sim.maps.opendrive.extract IN.xodr OUT.npz`.

`carla.Map` may kill the process on a bad file, so it runs in a process of its own. Its left-handed frame is converted
to OpenDRIVE's right-handed one in `_waypoint` and `_location`, and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

from uniscene_sim.compute.processes import end_with_parent
from uniscene_sim.errors import InputError
from uniscene_sim.limits.bounds import LANE_WIDTH_M
from uniscene_sim.maps.elements import Crossing, Lane, RoadNetwork
from uniscene_sim.maps.frame_origin import REACH_M
from uniscene_sim.maps.opendrive.carla_file import carla_text, road_numbers
from uniscene_sim.maps.opendrive.lane_marks import lane_marks
from uniscene_sim.maps.opendrive.lane_surface import lane_limits, tilt
from uniscene_sim.maps.opendrive.links import link_lanes
from uniscene_sim.maps.opendrive.objects import read_crossings, read_objects
from uniscene_sim.maps.opendrive.reach import roads_together
from uniscene_sim.maps.opendrive.road_marks import main_mark, mark_name, mark_stretches, may_cross
from uniscene_sim.maps.opendrive.road_xml import (
    DEFAULT_SPEED_MPS,
    MAX_LANE_M,
    LaneRecord,
    RoadRecord,
    SectionRecord,
    XmlMap,
    read_xml,
)
from uniscene_sim.maps.opendrive.signals import read_signals
from uniscene_sim.maps.precision import rounded_lane, rounded_network
from uniscene_sim.maps.vector.vector_map import VectorMap

__all__ = ["SAYS", "extract", "main", "opendrive_ref"]

Key = tuple[str, int, int]
_Row = tuple[RoadRecord, SectionRecord, LaneRecord, np.ndarray, np.ndarray]
#: To be increased whenever this reader makes another map of the same file, so that maps of two versions never mix.
READER_VERSION = 4
STEP_M = 1.0
SAYS = "InputError: "  # in front of the line that this process prints
MAX_MEMORY = 12 << 30  # bytes of address space
_CARLAS = (RuntimeError, IndexError, ValueError, MemoryError)  # what carla raises over a file
_CROSSING_M = 100.0  # most distance of a crossing from the box around all lanes
_EDGE_M = 4e-3  # carla finds a section in single precision: stay this far inside


def _location(location: Any) -> tuple[float, float, float]:
    return location.x, -location.y, location.z


def _waypoint(waypoint: Any) -> tuple[float, float, float, float, float]:
    """x, y, z (m), yaw (rad) of the lane (carla gives it along the traffic), width (m)."""
    transform = waypoint.transform
    x, y, z = _location(transform.location)
    return x, y, z, -np.radians(transform.rotation.yaw), waypoint.lane_width


def _geometry(
    carla_map: Any, number: int, road: RoadRecord, section: SectionRecord, lane_id: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows x, y, z, yaw, width, s of a lane in its direction of travel, (N, 6), m and rad, and its profile as in
    `Lane.profile`; None if carla has no such lane. Numbers beyond all measure are no longer finite.

    Args:
        carla_map: of the file.
        number: of the road there.
        road, section: with the lane.
        lane_id: id of the lane.
    """
    length, forward = section.s1 - section.s0, road.forward(section.lanes[lane_id])
    edge = min(_EDGE_M, 0.1 * length)
    places = np.linspace(section.s0 + edge, section.s1 - edge, max(2, int(np.ceil(length / STEP_M)) + 1))
    rows = []
    for s in places if forward else places[::-1]:
        try:
            waypoint = carla_map.get_waypoint_xodr(number, lane_id, float(s))
        except RuntimeError:
            waypoint = None
        if waypoint is not None:
            rows.append((*_waypoint(waypoint), s))
    if len(rows) < 2:
        return None
    table, profile = np.array(rows), np.zeros((0, 2))
    if not np.isfinite(table).all():
        return table, profile
    if not road.lateral.is_level:  # carla knows nothing of it
        profile = tilt(table, road, section, lane_id)
    steps = np.diff(table[:, :2], axis=0)
    if np.hypot(steps[:, 0], steps[:, 1]).sum() < 1e-3:
        return None
    table[:, 3] = np.unwrap(table[:, 3])
    return table, profile


def _together(keys: list[Key], rows: list[_Row], xml: XmlMap) -> tuple[list[Key], list[_Row]]:
    """The lanes of roads that lie together; the others are told."""
    places: dict[str, list[np.ndarray]] = {}
    for key, row in zip(keys, rows, strict=True):
        places.setdefault(key[0], []).append(row[3][:, :2])
    kept = roads_together({name: np.concatenate(some) for name, some in places.items()}) if rows else frozenset()
    for name in [name for name in places if name not in kept]:
        xml.losses.add("left out", f"road {name!r} (it lies far from the rest of the map)")
        del xml.roads[name]
    some = [i for i, key in enumerate(keys) if key[0] in kept]
    return [keys[i] for i in some], [rows[i] for i in some]


def _lanes(carla_map: Any, xml: XmlMap) -> tuple[list[Lane], dict[Key, int]]:
    lanes: list[Lane] = []
    keys: list[Key] = []
    rows: list[_Row] = []
    numbers = road_numbers(xml)
    for road in xml.roads.values():
        for number, section in enumerate(road.sections):
            if section.s1 - section.s0 < 1e-4:
                continue
            for lane_id in sorted(k for k in section.lanes if k):
                record = section.lanes[lane_id]
                shape = _geometry(carla_map, numbers[road.id], road, section, lane_id)
                if shape is not None and not (
                    shape[0][:, 4].max() <= LANE_WIDTH_M.most and np.abs(shape[0][:, :3]).max() <= 2 * REACH_M
                    and np.isfinite(shape[0]).all()
                ):  # fmt: skip
                    where = f"lane {lane_id} of road {road.id!r} from s = {section.s0:g}"
                    xml.losses.add("lanes of endless width or place left out", where)
                    continue
                if shape is None or (shape[0][:, 4].max() < 0.05 and record.kind != "driving"):
                    continue
                if shape[0][:, 4].max() <= 0:
                    where = f"lane {lane_id} of road {road.id!r} from s = {section.s0:g}"
                    xml.losses.add("lanes of no width left out", where)
                    continue
                keys.append((road.id, number, lane_id))
                rows.append((road, section, record, *shape))
    keys, rows = _together(keys, rows, xml)
    index = {key: i for i, key in enumerate(keys)}
    for i, (road, section, record, table, profile) in enumerate(rows):
        beside = _neighbours(keys[i], road, section, record, index)
        limits = lane_limits(table, road, section, record)
        lane = Lane(
            index=i, key=keys[i], kind=record.kind, centre=np.ascontiguousarray(table[:, :3]),
            heading=np.ascontiguousarray(table[:, 3]), width=np.maximum(table[:, 4], 0.0),
            junction=road.junction, speed_limit_mps=limits[0].mps, speed_changes=limits[1:], height=record.height,
            profile=profile, **beside,
        )  # fmt: skip
        lanes.append(replace(lane, **lane_marks(lane, road, section, record)))
    return lanes, index


def _neighbours(
    key: Key, road: RoadRecord, section: SectionRecord, lane: LaneRecord, index: dict[Key, int]
) -> dict[str, Any]:
    """Marks, neighbours and permitted lane changes of a lane."""
    side = 1 if lane.id > 0 else -1
    length = section.s1 - section.s0
    forward = road.forward(lane)
    out: dict[str, Any] = {}
    for outwards in (False, True):
        other_id = lane.id + side * (1 if outwards else -1)
        border = section.lanes.get(lane.id if outwards else other_id)
        marks = border.marks if border is not None else []
        if other_id == 0:
            other_id = -side  # across the centre line
        while other_id in section.lanes and (key[0], key[1], other_id) not in index:
            other_id += 1 if other_id > lane.id else -1  # skip lanes of no width
        beside = section.lanes.get(other_id)
        where = index.get((key[0], key[1], other_id), -1)
        # Greater t is left of the reference line; traffic against it swaps the sides.
        name = "left" if (other_id > lane.id) == forward else "right"
        out[f"{name}_mark"] = mark_name(main_mark(marks, length))
        if beside is None or where < 0:
            continue
        if road.forward(beside) == forward:
            out[name] = where
            both = lane.kind == beside.kind == "driving" and not road.junction
            out[f"can_change_{name}"] = both and any(
                may_cross(beside_each_other, outwards, other_id > lane.id)
                for _, _, beside_each_other in mark_stretches(marks, length)
            )
        elif lane.kind == beside.kind == "driving":
            out["opposite"] = where
    return {"left_mark": "none", "right_mark": "none"} | out


def _near(crossings: tuple[Crossing, ...], lanes: list[Lane]) -> tuple[Crossing, ...]:
    """The crossings within the box around all lanes: of roads that are left out, carla still has them."""
    places = np.concatenate([lane.centre[:, :2] for lane in lanes])
    low, high = places.min(axis=0) - _CROSSING_M, places.max(axis=0) + _CROSSING_M
    middles = [crossing.polygon[:, :2].mean(axis=0) for crossing in crossings]
    return tuple(c for c, at in zip(crossings, middles, strict=True) if (low <= at).all() and (at <= high).all())


def _open(xml: XmlMap, name: str) -> Any:
    """The map as carla has it; roads that it cannot read are left out of `xml`."""
    import carla

    try:
        return carla.Map(name, carla_text(xml))
    except _CARLAS:
        for road in list(xml.roads):
            try:
                carla.Map(name, carla_text(xml, road))
            except _CARLAS as error:
                xml.losses.add("left out", f"road {road!r} (carla cannot read it: {str(error).splitlines()[0]})")
                del xml.roads[road]
        if not xml.roads:
            raise
        return carla.Map(name, carla_text(xml))


def opendrive_ref(source: bytes) -> str:
    """Identity of the map that this reader makes of a file: hash of its bytes, the reader's version and its options."""
    reader = f"opendrive {READER_VERSION} {STEP_M!r} {DEFAULT_SPEED_MPS!r}\n"
    return hashlib.sha256(reader.encode() + source).hexdigest()


def extract(path: str | Path) -> VectorMap:
    """Read a file in this process, which a bad file may kill."""
    xml = read_xml(path)
    total = sum(road.length * max(len(section.lanes) for section in road.sections) for road in xml.roads.values())
    if not total <= MAX_LANE_M:
        raise InputError(f"{total:.3g} m of lanes, expected at most {MAX_LANE_M:.0e}", file=path, field="length")
    try:
        carla_map = _open(xml, Path(path).stem)
        lanes, index = _lanes(carla_map, xml)
        corners = [_location(corner) for corner in carla_map.get_crosswalks()]
    except _CARLAS as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"carla cannot read this OpenDRIVE file: {why}", file=path) from None
    if not any(lane.kind in ("driving", "bidirectional") for lane in lanes):
        why = "; ".join(["nothing to drive on: no lane for driving could be read", *xml.losses.sentences()])
        raise InputError(why, file=path, field="laneSection")
    # Rounded before anything is derived from lanes, so that that agrees on all machines too.
    lanes = link_lanes([rounded_lane(lane) for lane in lanes], index, xml)
    crossings = _near(read_crossings(corners, xml), lanes)
    stop_lines, signals, programs = read_signals(lanes, index, xml, crossings)
    network = RoadNetwork(
        name=Path(path).stem, lanes=tuple(lanes), crossings=crossings, stop_lines=stop_lines, signals=signals,
        programs=programs, objects=read_objects(xml), left_hand_traffic=any(r.left_hand for r in xml.roads.values()),
        source_ref=opendrive_ref(Path(path).read_bytes()), losses=xml.losses.sentences(),
        frame_origin=xml.header.frame_origin, geo_reference=xml.header.geo_reference,
    )  # fmt: skip
    return VectorMap(**vars(rounded_network(network)))


def main(arguments: list[str]) -> int:
    """Extract `arguments[0]` to `arguments[1]`; an error is printed to stderr, as JSON in one line."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = MAX_MEMORY if hard == resource.RLIM_INFINITY else min(MAX_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        extract(arguments[0]).save(arguments[1])
    except MemoryError:
        return _tell(InputError(f"reading it takes more than {MAX_MEMORY >> 30} GiB of memory"))
    except InputError as error:
        return _tell(error)
    return 0


def _tell(error: InputError) -> int:
    print(SAYS + json.dumps({"message": error.message, "line": error.line, "field": error.field}), file=sys.stderr)
    return 2


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1:]))
