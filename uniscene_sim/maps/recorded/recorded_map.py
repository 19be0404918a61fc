"""`RecordedMap`: a static map of a street as it was recorded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from uniscene_sim.errors import InputError
from uniscene_sim.layout import BevLayout, LayoutSchema
from uniscene_sim.maps.elements import Frontage
from uniscene_sim.maps.painted.layout_raster import rasterise_cells
from uniscene_sim.maps.recorded.solid_cells import SolidCells
from uniscene_sim.maps.recorded.street import ARRAYS, RecordedStreet
from uniscene_sim.maps.recorded.surface import RecordedSurface
from uniscene_sim.maps.vector.content import content_hash
from uniscene_sim.maps.vector.npz_file import MOST_MAP, read_map, save_map
from uniscene_sim.maps.vector.vector_map import VectorMap
from uniscene_sim.storage.array_file import array_names, read_arrays
from uniscene_sim.storage.input_file import reading

__all__ = ["RecordedMap", "is_recorded"]

_WHAT = "a map of a recorded street"


@dataclass(frozen=True)
class RecordedMap(VectorMap):
    """Lanes where was driven, on ground that is as it was seen, and `solids` that stand on it.

    Nothing is planned around its roads: what was not seen is empty, and the ground there level.

    Attributes:
        street: ground and solids.
    """

    street: RecordedStreet = field(kw_only=True)

    @cached_property
    def ref(self) -> str:
        """Identity: that of the file or, for a map made in memory, of its content."""
        return self.source_ref or hashlib.sha256((content_hash(self) + self.street.ref).encode()).hexdigest()

    @property
    def solids(self) -> SolidCells:
        return self.street.solids

    @cached_property
    def surface(self) -> RecordedSurface:  # type: ignore[override]
        """Heights, materials and kinds of ground."""
        return RecordedSurface(self.street)

    @property
    def complete(self) -> frozenset[str]:
        """All kinds: what stands there is among the solids."""
        return frozenset(("building", "tree"))

    def frontages(self) -> list[Frontage]:
        """None: nothing is planned along the roads."""
        return []

    def rasterise(
        self,
        bev_pose_xyyaw: tuple[float, float, float],
        shape: tuple[int, int],
        resolution_m: float,
        z_hint: float | None = None,
        schema: LayoutSchema | None = None,
    ) -> BevLayout:
        """The recorded ground around a pose, see `PaintedMap.rasterise`.

        Args:
            bev_pose_xyyaw: x, y (m) and yaw (rad) of the raster's centre in the map frame.
            shape: cells (X, Y).
            resolution_m: size of a cell.
            z_hint: height of the raster's pose, m; None is 0.
            schema: channels; None is the default.
        """
        painted = self.street.painted
        return rasterise_cells(painted, bev_pose_xyyaw, shape, resolution_m, z_hint, schema or LayoutSchema())

    def save(self, path: str | Path) -> None:
        """Write `.npz` with the identity of the map, completely or not at all."""
        save_map(self, path, self.ref, self.street.arrays)

    @classmethod
    def load(cls, path: str | Path) -> RecordedMap:
        """Read `.npz`.

        Raises:
            InputError: it is damaged, or far from the origin.
        """
        network = read_map(path)
        arrays = read_arrays(path, ARRAYS, _WHAT, MOST_MAP)
        with reading(path, _WHAT):
            made = cls(**vars(replace(network, source_ref="")), street=RecordedStreet.of_arrays(arrays, path))
            if made.ref != network.source_ref:
                raise InputError("damaged map file, its content does not match its hash")
        return made


def is_recorded(path: str | Path) -> bool:
    """Whether a `.npz` is a map of a recorded street, by the arrays that it holds."""
    try:
        return set(ARRAYS) <= set(array_names(path, _WHAT, MOST_MAP))
    except InputError:
        return False
