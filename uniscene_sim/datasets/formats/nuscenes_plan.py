"""nuScenes' map expansion as channels of a layout.

A layer's records name polygons or lines, and these name nodes by token; drivable areas name several polygons. Lines are
drawn as wide as a cell. Their `road_block` is a part of a street, ours a barrier across it: it is left out.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.geometry import Pose, box_corners
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.limits.bounds import PLACE_M
from uniscene_sim.maps.layout_raster import draw_polygon
from uniscene_sim.storage.input_file import MIB, read_json, reading

__all__ = ["NuScenesPlan"]

_AREAS = ("drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area")
_LINES = ("road_divider", "lane_divider")
_MOST = 512 * MIB
_VERSION = "1.3"


class NuScenesPlan:
    """The map of one place.

    Args:
        file: `maps/expansion/PLACE.json`, version 1.3.

    Raises:
        InputError: missing, damaged, of another version, or a token that names nothing.
    """

    def __init__(self, file: Path):
        self._areas: dict[str, list[tuple[np.ndarray, list[np.ndarray]]]] = {}
        self._lines: dict[str, list[np.ndarray]] = {}
        data: dict[str, Any] = read_json(file, _MOST, "a map expansion of nuScenes")
        with reading(file, "a map expansion of nuScenes"):
            if str(data.get("version", "1.0")) < _VERSION:
                raise InputError(f"expected {_VERSION}, got {shown(data.get('version'))}", field="version")
            nodes = {row["token"]: (float(row["x"]), float(row["y"])) for row in data["node"]}
            polygons = {row["token"]: row for row in data["polygon"]}
            lines = {row["token"]: row for row in data["line"]}

            def points(tokens: list[str], layer: str) -> np.ndarray:
                lacking = [token for token in tokens if token not in nodes]
                if lacking:
                    raise InputError(f"has no node {shown(lacking[0])}", field=layer)
                out = np.array([nodes[token] for token in tokens], float).reshape(-1, 2)
                if not (np.abs(out) < PLACE_M.most).all():
                    raise InputError("expected places on earth", field=layer)
                return out

            for layer in _AREAS:
                self._areas[layer] = []
                for row in data[layer]:
                    for token in row["polygon_tokens"] if layer == "drivable_area" else [row["polygon_token"]]:
                        if token not in polygons:
                            raise InputError(f"has no polygon {shown(token)}", field=layer)
                        shape = polygons[token]
                        holes = [points(hole["node_tokens"], layer) for hole in shape["holes"]]
                        self._areas[layer].append((points(shape["exterior_node_tokens"], layer), holes))
            for layer in _LINES:
                self._lines[layer] = []
                for row in data[layer]:
                    if row["line_token"] not in lines:
                        raise InputError(f"has no line {shown(row['line_token'])}", field=layer)
                    self._lines[layer].append(points(lines[row["line_token"]]["node_tokens"], layer))

    def around(self, pose: Pose) -> dict[str, np.ndarray]:
        """Channels bool (X, Y) of a window of `GENERATED_GRID` around a pose."""
        shape, voxel = GENERATED_GRID.shape[:2], GENERATED_GRID.voxel_m
        frame = np.array([pose.x, pose.y, pose.yaw, voxel])
        low = np.array([pose.x, pose.y]) - 0.75 * voxel * max(shape)
        high = np.array([pose.x, pose.y]) + 0.75 * voxel * max(shape)
        out = {}
        for layer, areas in self._areas.items():
            cells = np.zeros(shape, np.uint8)
            for outline, holes in areas:
                if len(outline) > 2 and _near(outline, low, high):
                    one = np.zeros(shape, np.uint8)
                    draw_polygon(one, outline, frame)
                    for hole in holes:
                        if len(hole) > 2:
                            empty = np.zeros(shape, np.uint8)
                            draw_polygon(empty, hole, frame)
                            one[empty > 0] = 0
                    cells |= one
            out[layer] = cells > 0
        for layer, lines in self._lines.items():
            cells = np.zeros(shape, np.uint8)
            for line in lines:
                if len(line) > 1 and _near(line, low, high):
                    _stroke(cells, line, voxel, frame)
            out[layer] = cells > 0
        return out


def _near(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    return bool((points.min(axis=0) < high).all() and (points.max(axis=0) > low).all())


def _stroke(cells: np.ndarray, line: np.ndarray, width: float, frame: np.ndarray) -> None:
    for a, b in pairwise(line):
        x, y = 0.5 * (a + b)
        dx, dy = b - a
        draw_polygon(cells, box_corners(x, y, float(np.arctan2(dy, dx)), float(np.hypot(dx, dy)), width), frame)
