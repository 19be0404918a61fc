"""Files of CityJSON taken apart: objects with their attributes and the faces of their best geometry, in metres."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.xml_file import unpacked
from uniscene_sim.storage.input_file import MIB, files_in, json_value, read_input, reading

__all__ = ["CITY_SUFFIXES", "MOST_CITY", "City", "CityObject", "Face", "city_files", "city_ref", "is_city", "read_city"]

CITY_SUFFIXES = (".city.json", ".city.json.gz")
MOST_CITY = 256 * MIB
_WHAT = "a model of a city (CityJSON)"
_FORMAT = "1"  # of what the reader makes, part of the identity of its maps
_EPSG = re.compile(r"EPSG\D+(?:\d[\d.]*/)?(\d{4,6})$", re.IGNORECASE)
_FARTHEST_M = 1e8
_REACH_M = 20_000.0  # from the middle of a city
_BEST_LOD = 3.0  # walls of finer geometry have windows and doors, which footprints do not


@dataclass(frozen=True)
class Face:
    """A flat face."""

    rings: tuple[np.ndarray, ...]  # float64 (N, 3) m each, not closed; rings after the first are holes


@dataclass(frozen=True)
class CityObject:
    """An object of a city, as a building or a stretch of road."""

    id: str
    kind: str  # CityJSON's type: Building, Road, PlantCover, ...
    attributes: dict[str, Any]
    lod: float
    faces: tuple[Face, ...]
    solid: bool  # whether the faces enclose it


@dataclass(frozen=True)
class City:
    """All objects of a file."""

    objects: tuple[CityObject, ...]
    projection: str  # code of its coordinates, "EPSG:7415"; empty if it does not say
    losses: Losses = field(default_factory=Losses)


def is_city(path: str | Path) -> bool:
    """Whether a file is called as models of cities are."""
    return str(path).lower().endswith(CITY_SUFFIXES)


def city_files(path: str | Path) -> list[Path]:
    """Models of cities beside a map: those whose names begin as its own does."""
    path = Path(path)
    stem = path.name.split(".")[0]
    return [file for file in files_in(path.parent, "*") if is_city(file) and file.name.split(".")[0].startswith(stem)]


def city_ref(path: str | Path) -> str:
    """Identity of the map of a file: that of its content and of what the reader makes of it."""
    return hashlib.sha256(f"city {_FORMAT}".encode() + read_input(path, MOST_CITY, _WHAT)).hexdigest()


def read_city(path: str | Path) -> City:
    """Read a file.

    Raises:
        InputError: it is damaged, too large, or no CityJSON.
    """
    body = read_input(path, MOST_CITY, _WHAT)
    if str(path).lower().endswith(".gz"):
        body = unpacked(body, path, MOST_CITY, _WHAT)
    with reading(path, _WHAT):
        root = json_value(body.decode("utf-8-sig"), path, _WHAT)
        if not isinstance(root, dict) or root.get("type") != "CityJSON":
            raise InputError("expected CityJSON", field="type")
        vertices = _vertices(root)
        objects = root.get("CityObjects")
        if not isinstance(objects, dict):
            raise InputError("expected objects by id", field="CityObjects")
        losses = Losses()
        found = []
        for name, value in objects.items():
            try:
                found += list(_object(name, value, vertices))
            except (InputError, ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError):
                losses.add("left out, for they are damaged", f"object {shown(name)}")
        return City(tuple(_near_each_other(found, losses)), _projection(root), losses)


def _near_each_other(objects: list[CityObject], losses: Losses) -> Iterator[CityObject]:
    """The objects that do not lie far from most."""
    corners = [np.concatenate([face.rings[0] for face in item.faces]) for item in objects]
    if not objects:
        return
    middle = np.median(np.array([at.mean(axis=0) for at in corners]), axis=0)
    for item, at in zip(objects, corners, strict=True):
        if np.abs(at - middle).max() < _REACH_M:
            yield item
        else:
            losses.add("left out, for they lie far from the rest", f"object {shown(item.id)}")


def _vertices(root: dict[str, Any]) -> np.ndarray:
    """All vertices (N, 3), m."""
    rows = root.get("vertices")
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 3 for row in rows):
        raise InputError("expected rows of x, y, z", field="vertices")
    vertices = np.array(rows, dtype=np.float64).reshape(-1, 3)
    transform = root.get("transform")
    if transform is not None:
        scale, translate = (np.array(transform[key], dtype=np.float64) for key in ("scale", "translate"))
        if scale.shape != (3,) or translate.shape != (3,):
            raise InputError("expected scale and translate of x, y, z", field="transform")
        vertices = vertices * scale + translate
    if len(vertices) and not np.abs(vertices).max() < _FARTHEST_M:
        raise InputError(f"expected coordinates below {_FARTHEST_M:g} m", field="vertices")
    return vertices


def _projection(root: dict[str, Any]) -> str:
    told = root.get("metadata", {}).get("referenceSystem", "") if isinstance(root.get("metadata"), dict) else ""
    match = _EPSG.search(told) if isinstance(told, str) else None
    return f"EPSG:{match[1]}" if match else ""


def _object(name: str, value: dict[str, Any], vertices: np.ndarray) -> Iterator[CityObject]:
    """The object with its best geometry; none if it has none of faces."""
    attributes = value.get("attributes", {})
    best: tuple[float, dict[str, Any]] | None = None
    for geometry in value.get("geometry", ()):
        lod = float(geometry.get("lod", 0))
        if "boundaries" in geometry and lod < _BEST_LOD and (best is None or lod > best[0]):
            best = lod, geometry
    if best is None:
        return
    lod, geometry = best
    kind = str(geometry.get("type", ""))
    if not kind.endswith(("Solid", "Surface")):
        return
    faces = tuple(_faces(geometry["boundaries"], vertices))
    if faces:
        yield CityObject(name, str(value["type"]), attributes if isinstance(attributes, dict) else {}, lod, faces,
                         kind.endswith("Solid"))  # fmt: skip


def _faces(part: list[Any], vertices: np.ndarray) -> Iterator[Face]:
    """Faces of nested boundaries: a face is a list of rings, these are lists of numbers of vertices."""
    if not isinstance(part, list):
        raise InputError("expected lists of numbers of vertices", field="boundaries")
    if not part:
        return
    if isinstance(part[0], list) and part[0] and type(part[0][0]) is int:
        rings = []
        for ring in part:
            at = np.array(ring)
            if at.dtype.kind != "i" or at.ndim != 1 or at.min() < 0 or at.max() >= len(vertices):
                raise InputError("expected numbers of vertices", field="boundaries")
            if len(at) >= 3:
                rings.append(vertices[at])
        if rings:
            yield Face(tuple(rings))
        return
    for inner in part:
        yield from _faces(inner, vertices)
