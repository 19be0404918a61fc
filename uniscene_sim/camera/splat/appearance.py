"""`Appearance`: what a place looks like, kept beside its map: colours of the splats of its tiles, and of bodies.

A folder with `appearance.json`, `tile_IX_IY.npz` for each tile and `body_N.npz` for each body. Splats are those that
`tile_splats` makes of the tile; a tile that has become another one has no appearance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.camera.splat.surfaces import tile_splats
from uniscene_sim.errors import InputError
from uniscene_sim.storage.array_file import check_shapes, check_span, read_arrays
from uniscene_sim.storage.input_file import MIB, read_input
from uniscene_sim.storage.output_file import write_file
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.tile import TILE_BLOCKS, TileSource

__all__ = [
    "DESCRIPTION",
    "GAMMA",
    "Appearance",
    "Body",
    "ColouredTile",
    "TileColours",
    "colour_codes",
    "geometry_key",
    "linear_colours",
    "write_appearance",
]

#: Colours are kept as 255 c^(1 / GAMMA), c linear.
GAMMA = 2.2
#: File that describes an appearance.
DESCRIPTION = "appearance.json"
_FORMAT = 1
_MOST_FILE, _MOST_JSON = 256 * MIB, 1 * MIB
_WHAT = "an appearance"
_LEAST_SIZE_M, _MOST_SIZE_M = 0.01, 100.0
#: Arrays of a tile with N splats, and of a body with N.
_TILE: dict[str, tuple[Any, tuple[int | str, ...]]] = {
    "fine": ("bool", (TILE_BLOCKS, TILE_BLOCKS)), "colours": ("uint8", ("N", 3)), "seen": ("bool", ("N",)),
    "key": ("uint8", (32,)),
}  # fmt: skip
_BODY: dict[str, tuple[Any, tuple[int | str, ...]]] = {
    "cls": ("int64", ()), "template": ("int64", ()), "size": ("float64", (3,)), "colours": ("uint8", ("N", 3)),
}  # fmt: skip


@dataclass(frozen=True)
class Body:
    """A recorded body: an agent's template with colours of its own."""

    cls: int  # AgentClass
    template: int
    size: np.ndarray  # float64 (3,) m
    albedo: np.ndarray  # float32 (N, 3), linear, of the splats of `assets.template_splats`


@dataclass(frozen=True)
class ColouredTile:
    """The splats of a tile in their colours."""

    fine: np.ndarray  # bool (20, 20), columns whose splats are fine, see `tile_splats`
    splats: Splats
    seen: np.ndarray  # bool (N,), whether a picture showed them; the others have a mean colour


class TileColours(Protocol):
    """Where the colours of tiles come from."""

    @property
    def recorded(self) -> bool:
        """Whether colours hold the light that they were seen in."""
        ...

    def coloured(self, index: tuple[int, int], store: TileSource) -> ColouredTile | None:
        """A tile of a store in its colours; None where it has none."""
        ...


@dataclass(frozen=True)
class Appearance:
    """An appearance in a folder."""

    folder: Path
    bodies: tuple[Body, ...]

    #: Colours hold the light that they were seen in.
    recorded: ClassVar[bool] = True

    @classmethod
    def load(cls, folder: str | Path) -> Appearance:
        """Open a folder.

        Raises:
            InputError: it is none, or damaged.
        """
        file = Path(folder) / DESCRIPTION
        try:
            said = json.loads(read_input(file, _MOST_JSON, "the appearance's description"))
            count, form = int(said["bodies"]), int(said["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("expected the description of an appearance: format and bodies", file=file) from error
        if form != _FORMAT or not 0 <= count <= 65535:
            raise InputError(f"expected format {_FORMAT} and up to 65535 bodies", file=file)
        return cls(Path(folder), tuple(_read_body(Path(folder) / f"body_{k}.npz") for k in range(count)))

    def coloured(self, index: tuple[int, int], store: TileSource) -> ColouredTile | None:
        """A tile in its colours; None where it has none.

        Args:
            index: of the tile.
            store: where it comes from.

        Raises:
            InputError: its file is damaged.
        """
        file = self.folder / f"tile_{index[0]}_{index[1]}.npz"
        if not file.exists():
            return None
        data = read_arrays(file, _TILE, _WHAT, _MOST_FILE)
        check_shapes(data, _TILE, file)
        fine, colours = data["fine"], data["colours"]
        splats = tile_splats(store.get(*index), np.ascontiguousarray(fine))
        if len(colours) != len(splats) or data["key"].tobytes() != geometry_key(splats):
            return None
        return ColouredTile(fine, replace(splats, albedo=linear_colours(colours)), data["seen"])

    def body_of(self, cls: int, size: np.ndarray) -> int:
        """Number of the body of a class that is nearest in size to an agent, -1 if there is none of the class."""
        best, found = np.inf, -1
        for k, body in enumerate(self.bodies):
            if body.cls == cls:
                off = float(np.abs(np.log(body.size / np.maximum(size, 0.05))).sum())
                if off < best:
                    best, found = off, k
        return found


def geometry_key(splats: Splats) -> bytes:
    """Which splats they are, to 1 cm."""
    return hashlib.sha256(np.rint(100.0 * splats.means).astype(np.int32).tobytes() + splats.material.tobytes()).digest()


def write_appearance(folder: Path, tiles: Mapping[tuple[int, int], ColouredTile], bodies: Sequence[Body]) -> list[Path]:
    """Write an appearance.

    Args:
        folder: exists.
        tiles: by index.
        bodies: recorded bodies.

    Returns:
        the files.
    """
    files = []
    for (ix, iy), tile in tiles.items():
        files.append(folder / f"tile_{ix}_{iy}.npz")
        key = np.frombuffer(geometry_key(tile.splats), np.uint8)
        colours = colour_codes(tile.splats.albedo)
        np.savez_compressed(files[-1], fine=tile.fine, colours=colours, seen=tile.seen, key=key)
    for k, body in enumerate(bodies):
        files.append(folder / f"body_{k}.npz")
        np.savez_compressed(files[-1], cls=np.int64(body.cls), template=np.int64(body.template), size=body.size,
                            colours=colour_codes(body.albedo))  # fmt: skip
    files.append(folder / DESCRIPTION)
    write_file(files[-1], json.dumps({"format": _FORMAT, "bodies": len(bodies)}).encode())
    return files


def colour_codes(albedo: np.ndarray) -> np.ndarray:
    """Linear colours as uint8 codes."""
    coded: np.ndarray = np.rint(255.0 * np.clip(albedo, 0.0, 1.0) ** (1.0 / GAMMA)).astype(np.uint8)
    return coded


def linear_colours(codes: np.ndarray) -> np.ndarray:
    """Linear colours, float32, of uint8 codes: the inverse of `colour_codes`."""
    linear: np.ndarray = ((codes / np.float32(255.0)) ** np.float32(GAMMA)).astype(np.float32)
    return linear


def _read_body(file: Path) -> Body:
    data = read_arrays(file, _BODY, "a recorded body", _MOST_FILE)
    check_shapes(data, _BODY, file)
    check_span(data["size"], _LEAST_SIZE_M, _MOST_SIZE_M, file, "size")
    check_span(data["cls"], 0, len(AgentClass) - 1, file, "cls")
    albedo = ((data["colours"] / 255.0) ** GAMMA).astype(np.float32)
    return Body(int(data["cls"]), int(data["template"]), data["size"], albedo)
