"""Examples of plans of streets and cities, and of KITTI's boxes, and how they are read."""

from __future__ import annotations

from pathlib import Path

from tests.datasets.formats.test_kitti_tracklets import tracklet, tracklets_text
from tests.fuzz.case import Bases
from tests.maps.city_text import small_city
from tests.maps.osm_text import crossroads
from tests.maps.sumo_text import NET, POLYGONS
from uniscene_sim.datasets.formats.kitti_tracklets import read_tracklets

__all__ = ["boxes", "cities", "extracts", "networks", "read_boxes"]


def extracts() -> Bases:
    """A crossroads with lights, houses, trees, waters and turns that are forbidden; another one with a bridge."""
    extract = crossroads(lanes="3", maxspeed="50", turn__lanes="left|through;right")
    lights = extract.node(0.0, 0.0, highway="traffic_signals")
    extract.node(-30.0, 0.0, highway="crossing", crossing="marked")
    extract.node(20.0, 12.0, natural="tree", height="9", ele="34")
    extract.area([(12, 12), (30, 12), (30, 32), (12, 32)], building="yes", height="12", roof__shape="flat")
    extract.area([(-40, 12), (-20, 12), (-20, 32), (-40, 32)], building="house", building__levels="3")
    extract.area([(12, -40), (40, -40), (40, -15)], natural="water")
    extract.area([(-60, -60), (-20, -60), (-20, -20)], landuse="forest")
    extract.area([(-15, -40), (-12, -40), (-12, -20)], amenity="parking")
    extract.way([(12.0, 40.0), (60.0, 40.0)], highway="footway", layer="-1")
    extract.relation([("way", 5, "from"), ("node", lights, "via"), ("way", 9, "to")], type="restriction",
                     restriction="no_left_turn")  # fmt: skip
    bridge = crossroads(highway="primary", oneway="yes")
    bridge.way([(-90.0, -30.0), (90.0, 50.0)], highway="motorway", bridge="yes", layer="1", lanes="2")
    return {"town": {"m.osm": extract.text().encode()}, "bridge": {"m.osm": bridge.text().encode()}}


def networks() -> Bases:
    """A network of SUMO with polygons beside it."""
    return {"net": {"m.net.xml": NET.encode(), "m.add.xml": POLYGONS.encode()}}


def cities() -> Bases:
    """A model of a city alone, and one that is packed as CityJSON has it."""
    packed = small_city()
    packed.head["transform"] = {"scale": [0.5, 0.5, 0.5], "translate": [100, 200, 3]}
    return {"plain": {"m.city.json": small_city(400_000, 5_800_000).text().encode()},
            "packed": {"m.city.json": packed.text().encode()}}  # fmt: skip


def boxes() -> Bases:
    """Boxes of two objects."""
    size = (4.0, 1.8, 1.5)
    van = tracklet("Van", size, 3, (5, 10, -1.7, 0.1), (6, 10, -1.7, 0.2))
    return {"two": {"t.xml": tracklets_text(van, tracklet("Cyclist", size, 0, (1, 1, 1, 0))).encode()}}


def read_boxes(folder: Path) -> None:
    """Each box is of finite size and place."""
    for box in read_tracklets(folder / "t.xml"):
        assert abs(box.foot).max() <= 1e4 and box.size.min() >= 0 and box.frame >= 0
