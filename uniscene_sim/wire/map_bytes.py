"""Static maps as the bytes of their files, for messages that carry a world."""

from __future__ import annotations

import re

from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.painted.files import save_painted
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.output_file import scratch_folder
from uniscene_sim.wire.uniscene.v1.layout_pb2 import Map as MapMessage

__all__ = ["map_message", "map_of"]


def map_message(static_map: StaticMap) -> MapMessage:
    """A map with its content.

    Raises:
        InputError: it is neither a vector map nor a painted one.
    """
    with scratch_folder() as folder:
        path = folder / "map.npz"
        if isinstance(static_map, VectorMap):
            kind = MapMessage.VECTOR
            static_map.save(path)
        elif isinstance(static_map, PaintedMap):
            kind = MapMessage.PAINTED
            save_painted(static_map, path)
        else:
            raise InputError(f"maps of {type(static_map).__name__} cannot be sent", field="map")
        return MapMessage(ref=static_map.ref, name=static_map.name, kind=kind, npz=path.read_bytes())


def map_of(message: MapMessage) -> StaticMap:
    """The map of a message.

    Raises:
        InputError: its content is damaged, or not that of its hash.
    """
    with scratch_folder() as folder:
        path = folder / f"{_plain(message.name) or 'map'}.npz"
        path.write_bytes(message.npz)
        try:
            static_map = load_map(path)
        except InputError as error:  # the file's name would say nothing
            raise InputError(error.message, field="Map.npz") from None
    if static_map.ref != message.ref:
        raise InputError(f"expected the map {message.ref[:12]}, its content is {static_map.ref[:12]}", field="Map.ref")
    return static_map


def _plain(name: str) -> str:
    """A name as a file may have it: that of the map, which was read from a file once."""
    return re.sub(r"[/\0]", "_", name).encode("utf-8", "replace")[:200].decode("utf-8", "ignore")
