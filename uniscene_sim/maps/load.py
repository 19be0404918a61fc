"""Maps from files, whatever the format."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakValueDictionary

from uniscene_sim.maps.cityjson.city_file import CITY_SUFFIXES, city_files, city_ref, is_city
from uniscene_sim.maps.cityjson.reader import read_cityjson
from uniscene_sim.maps.losses import warn_of_losses
from uniscene_sim.maps.opendrive.extract import opendrive_ref
from uniscene_sim.maps.opendrive.reader import read_opendrive
from uniscene_sim.maps.opendrive.road_xml import MOST_XODR
from uniscene_sim.maps.osm.extract import OSM_SUFFIXES, is_osm, osm_ref
from uniscene_sim.maps.osm.reader import read_osm
from uniscene_sim.maps.painted.files import is_painted
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.maps.recorded.recorded_map import RecordedMap, is_recorded
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.sumo.net import SUMO_SUFFIXES, is_sumo, net_ref
from uniscene_sim.maps.sumo.polygons import polygon_files
from uniscene_sim.maps.sumo.reader import read_sumo
from uniscene_sim.maps.vector.npz_file import saved_ref
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.input_file import is_folder, is_regular, read_input, require_regular
from uniscene_sim.storage.output_file import Outputs

__all__ = ["MAP_SUFFIXES", "extract_to", "is_map_file", "load_map", "plan_ref"]

#: How the names of map files end.
MAP_SUFFIXES = (".xodr", ".npz", *OSM_SUFFIXES, *SUMO_SUFFIXES, *CITY_SUFFIXES)

_WHAT = "a map: .xodr, .npz, .osm[.gz], .osm.pbf, .net.xml[.gz], .city.json[.gz], or the folder of a painted map"

_loaded: WeakValueDictionary[tuple[object, ...], StaticMap] = WeakValueDictionary()


def is_map_file(path: str | Path) -> bool:
    """Whether a file is called as map files are."""
    return str(path).lower().endswith(MAP_SUFFIXES)


def extract_to(path: str | Path, out: str | Path) -> VectorMap:
    """Read an OpenDRIVE file and save the map as `.npz`, with the identity of the OpenDRIVE file.

    Raises:
        InputError: the file cannot be read, or `out` cannot be written.
    """
    with Outputs() as outputs:  # told before the map is read
        outputs.file(out)
    vector_map = read_opendrive(path)
    vector_map.save(out)
    return vector_map


def load_map(path: str | Path) -> StaticMap:
    """A map from `.npz`, `.xodr`, an extract of OpenStreetMap, a network of SUMO or a model of a city, or a painted one
    from `.npz` or a folder.

    While the file is unchanged and the map still in use, the same object is returned. A `foo.npz` beside `foo.xodr` is
    read instead of it if this version of the reader made it from the same content.

    Raises:
        InputError: it is none of these, or damaged.
    """
    if not path or not (is_regular(path) or is_folder(path)):
        require_regular(path, MOST_XODR, _WHAT)  # says what it is instead
    path = Path(path)
    content = _file_state(path)
    found = _loaded.get(content)
    if found is None:
        found = _loaded[content] = _load(path)
    return found


def plan_ref(path: str | Path) -> str | None:
    """`StaticMap.ref` of an OpenDRIVE file, an extract of OpenStreetMap, a network of SUMO or a model of a city, which
    is not read for it; None of any other file.

    Raises:
        InputError: the file cannot be read.
    """
    if is_osm(path):
        return osm_ref(path)
    if is_sumo(path):
        return net_ref([path, *polygon_files(path), *city_files(path)])
    if is_city(path):
        return city_ref(path)
    return opendrive_ref(read_input(path, MOST_XODR, _WHAT)) if str(path).lower().endswith(".xodr") else None


def _file_state(path: Path) -> tuple[object, ...]:
    """Path, time and size of all files that a map is read from."""
    files = sorted(path.glob("*")) if is_folder(path) else [path, path.with_suffix(".npz")]
    if is_sumo(path):
        files += polygon_files(path)
    if is_sumo(path) or is_osm(path):
        files += city_files(path)
    stats = [(str(file), file.stat()) for file in files if is_regular(file)]
    return (str(path.resolve()), *((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


def _load(path: Path) -> StaticMap:
    if is_folder(path) or (path.suffix == ".npz" and is_painted(path)):
        return PaintedMap.load(path)
    if is_osm(path):
        return read_osm(path)
    if is_sumo(path):
        return read_sumo(path)
    if is_city(path):
        return read_cityjson(path)
    if path.suffix == ".npz":
        return _told(RecordedMap.load(path) if is_recorded(path) else VectorMap.load(path), path)
    beside = path.with_suffix(".npz")
    if is_regular(beside) and saved_ref(beside) == opendrive_ref(read_input(path, MOST_XODR, _WHAT)):
        return _told(VectorMap.load(beside), path)
    return read_opendrive(path)


def _told(vector_map: VectorMap, path: Path) -> VectorMap:
    """The map, after a warning for each loss when it was extracted."""
    warn_of_losses(vector_map.losses, path)
    return vector_map
