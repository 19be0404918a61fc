"""The map of a server: lanes and signals from its own OpenDRIVE, and around them what stands in its level."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.maps.elements import MapObject
from uniscene_sim.maps.losses import Losses, warn_of_losses
from uniscene_sim.maps.opendrive.extract import opendrive_ref
from uniscene_sim.maps.opendrive.reader import read_opendrive
from uniscene_sim.maps.street_plans.standing import standing_objects
from uniscene_sim.maps.street_plans.surroundings import Building, Surroundings, Tree
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.disk_cache import cache_folder
from uniscene_sim.storage.output_file import scratch_folder

__all__ = ["read_server_map", "with_surroundings"]

_Rows = Sequence[Sequence[float]]
_WIDEST_TREE_M, _LOWEST_TREE_M = 25.0, 1.5  # wider ones are many in one box, lower ones no trees
_LOWEST_HOUSE_M = 2.0


def read_server_map(name: str, opendrive: str, server: str) -> VectorMap:
    """The lanes and signals of a server's OpenDRIVE; a text that was read before is not read again.

    Raises:
        InputError: it cannot be read.
    """
    content = opendrive.encode()
    return _read(name, content, server)


@lru_cache(1)  # the next source is mostly on the same server
def _read(name: str, content: bytes, server: str) -> VectorMap:
    kept = cache_folder("carla_maps") / f"{opendrive_ref(content)[:32]}.npz"
    if kept.is_file():
        try:
            return replace(VectorMap.load(kept), name=name)  # servers may call the same text otherwise
        except InputError:
            kept.unlink(missing_ok=True)
    with scratch_folder() as folder:
        path = folder / f"{name}.xodr"
        path.write_bytes(content)
        try:
            found = read_opendrive(path)
        except InputError as error:
            raise InputError(f"the map {name} of {server}: {error.message}", field=error.field or "carla://") from None
    kept.parent.mkdir(parents=True, exist_ok=True)
    found.save(kept)
    return found


def with_surroundings(lanes: VectorMap, standing: Mapping[str, _Rows], server: str) -> VectorMap:
    """A map with what stands in the level, so that what is generated stands where CARLA's does.

    Houses are opened where a road leads through their boxes. Of kinds that the server has, none is added by generators.

    Args:
        lanes: the map.
        standing: by kind, rows of x, y, z (m, map's own coordinates), yaw (rad), length, width, height (m).
        server: HOST:PORT, for what is said.
    """
    count = sum(len(rows) for rows in standing.values())
    if not count:
        return lanes
    losses, (east, north) = Losses(), lanes.frame_origin
    moved = {kind: [(x - east, y - north, *rest) for x, y, *rest in rows] for kind, rows in standing.items()}
    beside = Surroundings(_buildings(moved.get("building", [])), _trees(moved.get("tree", []), losses))
    objects = list(standing_objects(beside, lanes.lanes, losses))
    for kind in ("wall", "pole", "guard_rail"):
        for x, y, z, yaw, length, width, height in moved.get(kind, []):
            objects.append(MapObject(kind, np.array([x, y, z]), yaw, (length, width, height)))
    complete = tuple(kind for kind in ("building", "tree") if moved.get(kind))
    told = json.dumps(standing, sort_keys=True)
    ref = hashlib.sha256(f"{lanes.ref} carla {told}".encode()).hexdigest()
    warn_of_losses(losses.sentences(), f"{lanes.name} of {server}")
    return replace(lanes, objects=lanes.objects + tuple(objects), complete_kinds=complete, source_ref=ref)


def _buildings(rows: _Rows) -> tuple[Building, ...]:
    return tuple(
        Building(k, (_ring(x, y, yaw, length, width),), height)
        for k, (x, y, _, yaw, length, width, height) in enumerate(rows)
        if height >= _LOWEST_HOUSE_M
    )


def _trees(rows: _Rows, losses: Losses) -> tuple[Tree, ...]:
    trees = []
    for k, (x, y, _, _, length, width, height) in enumerate(rows):
        if height < _LOWEST_TREE_M:
            losses.add("left out, for they are low", f"plant {k}")
        elif max(length, width) > _WIDEST_TREE_M:
            losses.add("left out, for they are many plants in one box", f"plant {k}")
        else:
            trees.append(Tree(k, np.array([x, y]), height, max(length, width)))
    return tuple(trees)


def _ring(x: float, y: float, yaw: float, length: float, width: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    corners = 0.5 * np.array([[length, width], [-length, width], [-length, -width], [length, -width]])
    turned: np.ndarray = corners @ np.array([[c, s], [-s, c]]) + (x, y)
    return turned
