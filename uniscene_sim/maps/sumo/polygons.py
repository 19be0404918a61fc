"""Polygons and places of interest beside a network (`*.add.xml`, `*.poly.xml`), as `Surroundings`.

What netconvert's polyconvert writes of OpenStreetMap keeps the key alone of most tags: points called natural are trees,
and areas called natural or landuse are not told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.compute.keyed_random import key_of
from uniscene_sim.errors import InputError
from uniscene_sim.maps.losses import Losses
from uniscene_sim.maps.street_plans.land_use import cover_of_type
from uniscene_sim.maps.street_plans.surroundings import Building, Cover, Surroundings, Tree
from uniscene_sim.maps.sumo.net import MOST_NET, is_sumo, read_shape
from uniscene_sim.maps.xml_file import xml_root
from uniscene_sim.maps.xml_values import finite_number
from uniscene_sim.storage.input_file import files_in

__all__ = ["polygon_files", "read_polygons"]

_WHAT = "polygons of SUMO (.add.xml)"
_SUFFIXES = (".add.xml", ".add.xml.gz", ".poly.xml", ".poly.xml.gz")


def polygon_files(net: str | Path) -> list[Path]:
    """Files of polygons beside a network: those whose names begin as its own does; all, if it is alone in its
    folder."""
    net = Path(net)
    beside = files_in(net.parent, "*")
    alone = sum(map(is_sumo, beside)) == 1
    stem = net.name.split(".")[0]
    return [file for file in beside if file.name.lower().endswith(_SUFFIXES)
            and (alone or file.name.split(".")[0].startswith(stem))]  # fmt: skip


def read_polygons(files: Sequence[Path], losses: Losses) -> Surroundings:
    """Buildings, trees and covers of some files.

    Raises:
        InputError: a file that is damaged or something else.
    """
    buildings, covers, trees = dict[int, Building](), list[Cover](), list[Tree]()
    for file in files:
        root = xml_root(file, MOST_NET, _WHAT, None)  # SUMO takes any
        for poly in losses.readable("left out", root.findall("poly"), _polygon, "polygon"):
            name, kind, ring, height, is_area = poly
            number = int(key_of("polygon", name)) >> 11
            if len(ring) < 3:
                continue
            if kind.split(".")[0] == "building":
                if number in buildings:
                    losses.add("left out, for their ids occur before", f"polygon {name!r}")
                else:
                    buildings[number] = Building(number, (ring,), height)
            elif not is_area:
                losses.add("lines that are not drawn, as waters that have a middle alone", f"polygon {name!r}")
            elif cover := cover_of_type(kind):
                covers.append(Cover(number, cover, (ring,)))
            else:
                losses.add("polygons of kinds that are not drawn", kind or "(none)")
        points = losses.readable("left out", root.findall("poi"), _tree, "place")
        trees += [tree for tree in points if tree is not None]
    return Surroundings(tuple(buildings.values()), tuple(trees), tuple(covers))


def _polygon(node: Any) -> tuple[str, str, np.ndarray, float | None, bool]:
    if node.get("geo", "0") not in ("0", "false"):
        raise InputError("given in degrees, expected metres of the network", line=node.sourceline, field="geo")
    ring = read_shape(node)[:, :2]
    is_area = node.get("fill") not in ("0", "false") or bool(len(ring) > 3 and (ring[0] == ring[-1]).all())
    if len(ring) > 1:
        ring = ring[np.hypot(*(ring - np.roll(ring, 1, axis=0)).T) > 0.01]
    told = {param.get("key"): param.get("value", "") for param in node.findall("param")}
    height = None
    for key, unit in (("height", 1.0), ("building:levels", 3.1)):
        try:
            height = height or float(told[key].split()[0]) * unit
        except (KeyError, ValueError, IndexError):
            continue
    valid = height is not None and 0.0 < height < 500.0
    return node.get("id", ""), node.get("type", ""), ring, height if valid else None, is_area


def _tree(node: Any) -> Tree | None:
    if node.get("type") not in ("natural", "natural.tree", "tree") or node.get("x") is None:
        return None
    number = int(key_of("tree", node.get("id", ""))) >> 11
    return Tree(number, np.array([finite_number(node, "x"), finite_number(node, "y")]))
