"""The header of an OpenDRIVE file: its `<offset>` and `<geoReference>`, and the frame that its roads are put in.

By the standard (1.7 and 1.8, georeferencing) the offset leads from the file's coordinates to the world's, which the
projection maps: world = R(hdg) file + (x, y, z). Where the world's coordinates are near the origin, the offset is there
to bring a far data set back, and they are the map's own. Elsewhere they are a place in a country's grid, and the map's
own coordinates are the file's, as in other simulators.

Some write an offset that leads from a country's grid to the origin, and leave the projection of the grid. Of the
coordinates before and after an offset that brings a map back, those nearer to the middle of the projection are its.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from uniscene_sim.compute.rounding import fixed
from uniscene_sim.errors import InputError
from uniscene_sim.maps.frame_origin import FARTHEST_M, REACH_M, best_frame_origin, is_near
from uniscene_sim.maps.geo_reference import GeoReference, MapOffset
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.xml_values import finite_number

__all__ = ["Header", "place_roads"]

_HIGHEST_M = 1e4


@dataclass(frozen=True)
class Header:
    """Where the map lies."""

    frame_origin: tuple[float, float]  # m, see `StaticMap.frame_origin`
    geo_reference: GeoReference | None


def place_roads(root: Any, losses: Losses) -> Header:
    """Put the roads of a parsed file into the map frame, in double precision."""
    offset = _offset(root.find("header/offset"), losses)
    nodes = [node for node in root.findall("road/planView/geometry") if _place(node) is not None]
    in_file = np.array([_place(node) for node in nodes]).reshape(-1, 2)
    in_world = np.stack(offset.apply(*in_file.T), axis=1)
    own, left = in_file, [offset]
    if is_near(in_world) and offset != MapOffset():
        _turn_and_raise(root, offset)
        own, left = in_world, [MapOffset(), offset.inverse()]
    origin = best_frame_origin(own)
    # Rounded, so that a map is the same wherever it was moved by whole tiles: this is what doubles hold there.
    for node, (x, y) in zip(nodes, fixed(own - origin).tolist(), strict=True):
        node.set("x", repr(x))
        node.set("y", repr(y))
    reached = np.abs(own - origin).max(axis=1) <= REACH_M
    for i in np.flatnonzero(~reached):
        road = nodes[i].getparent().getparent()
        if road.getparent() is not None:
            losses.add("left out", f"road {road.get('id')!r} (it lies far from the rest of the map)")
            root.remove(road)
    x, y = own[reached][0].tolist() if reached.any() else (0.0, 0.0)
    return Header(origin, _geo_reference(root, left, x, y, losses))


def _place(node: Any) -> tuple[float, float] | None:
    """x, y, m; None if they are no place on earth or of no length, which the reader of roads says."""
    with suppress(InputError):
        x, y = finite_number(node, "x"), finite_number(node, "y")
        if max(abs(x), abs(y)) <= FARTHEST_M and finite_number(node, "length") > 0:
            return x, y
    return None


def _offset(node: Any, losses: Losses) -> MapOffset:
    if node is None:
        return MapOffset()
    try:
        x, y, z, hdg = (finite_number(node, name, 0.0) for name in ("x", "y", "z", "hdg"))
        if max(abs(x), abs(y)) > FARTHEST_M or abs(z) > _HIGHEST_M:
            raise InputError(f"expected a place on earth, got {x:g}, {y:g}, {z:g}")
        return MapOffset(x, y, z, hdg)
    except InputError as error:
        losses.add("not used", f"<offset> of the header ({error})")
        return MapOffset()


def _turn_and_raise(root: Any, offset: MapOffset) -> None:
    """The part of an offset that is not x and y."""
    if offset.hdg:
        for node in root.findall("road/planView/geometry"):
            _add(node, "hdg", offset.hdg)
    if offset.z:
        for road in root.findall("road"):
            profile = road.find("elevationProfile")
            if profile is None:
                profile = road.makeelement("elevationProfile", {})
                road.append(profile)
            if profile.find("elevation") is None:
                flat = dict.fromkeys("sabcd", "0")
                profile.append(profile.makeelement("elevation", flat))
            for node in profile.findall("elevation"):
                _add(node, "a", offset.z)


def _add(node: Any, name: str, value: float) -> None:
    with suppress(InputError):  # the reader of roads says so
        node.set(name, repr(finite_number(node, name, 0.0) + value))


def _geo_reference(root: Any, offsets: Sequence[MapOffset], x: float, y: float, losses: Losses) -> GeoReference | None:
    """The projection, if there is one and it is known.

    Args:
        root: of the file.
        offsets: from the map's own coordinates to those that may be the projection's, the likeliest first.
        x, y: a place of the map in its own coordinates, m.
        losses: written.
    """
    node = root.find("header/geoReference")
    if node is None:
        return None
    text = "".join(node.itertext()).strip()
    if not text:
        return None
    references = [GeoReference(text, offset) for offset in offsets]
    try:
        reference = min(references, key=lambda r: r.off_meridian_m(x, y))
        reference.locate(x, y)
    except ModuleNotFoundError:
        return references[0]  # told where latitudes are asked for
    except InputError as error:
        losses.add("not used", str(error))
        return None
    return reference
