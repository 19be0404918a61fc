"""Tiles with the colours of their splats: of seeded towns those of materials, of lifted streets those of pictures.

What the painter of appearances learns from, as files that hold what it is given of each splat and its colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from uniscene_sim.assembly import tile_store
from uniscene_sim.camera.splat.appearance import Appearance, colour_codes
from uniscene_sim.camera.splat.learned.conditions import KEPT, SplatConditions, splat_conditions
from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.camera.splat.surfaces import tile_splats
from uniscene_sim.datasets.drives import SPLITS, plan_seed
from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.array_file import check_shapes, check_span, read_arrays, write_arrays
from uniscene_sim.storage.input_file import MIB, files_in
from uniscene_sim.taxonomy import Material, OccClass
from uniscene_sim.tile import TILE_M, Tile

__all__ = ["PAINTED_TOWNS", "LessonTile", "make_lifted_tiles", "make_town_tiles", "read_coloured_tiles"]

#: Towns of each split, and tiles of each.
PAINTED_TOWNS = {"train": (32, 6), "validation": (4, 4), "test": (4, 4)}
_WHAT, _MOST = "a coloured tile", 256 * MIB
_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "label": ("uint8", ("N",)), "place": ("float32", ("N", 3)), "normal": ("int8", ("N", 3)),
    "size": ("float32", ("N",)), "colours": ("uint8", ("N", 3)), "known": ("bool", ("N",)),
    "pane": ("bool", ("N",)), "maker": ("str", ()),
}  # fmt: skip
_PANES = (Material.WINDOW, Material.SHOP_FRONT)
_TILE = re.compile(r"tile_(-?\d+)_(-?\d+)\.npz")
_LEAST_KNOWN = 2000  # splats of a tile that there is something to learn from


@dataclass(frozen=True)
class LessonTile:
    """A tile to learn from: N splats."""

    given: SplatConditions
    colours: np.ndarray  # uint8 (N, 3), 255 c^(1 / 2.2)
    known: np.ndarray  # bool (N,): a colour to learn from
    pane: np.ndarray | None  # bool (N,), window panes; None where nobody tells
    maker: str  # who made the tile and its colours


def make_town_tiles(folder: Path, split: str, towns: int, tiles: int) -> None:
    """Write tiles of seeded towns, along their roads; existing files are kept.

    Args:
        folder: of the data; tiles are in `split` there.
        split: "train", "validation" or "test".
        towns: how many.
        tiles: of each town.
    """
    first = SPLITS[split].start
    for seed in tqdm(range(first, first + towns), desc=f"{split} tiles", unit="town", disable=None):
        if len(files_in(folder / split, f"paint_{seed}_*.npz")) >= tiles:
            continue
        town = make_town(seed)
        store = tile_store("procedural", town, plan_seed(seed, 0))
        there = np.unique(np.floor(town.road_points() / TILE_M).astype(np.int64), axis=0)
        chosen = np.random.default_rng([seed, 61]).permutation(len(there))[:tiles]
        for ix, iy in there[np.sort(chosen)].tolist():
            file = folder / split / f"paint_{seed}_{ix}_{iy}.npz"
            if not file.exists():
                tile = store.get(ix, iy)
                splats = tile_splats(tile)
                _write(file, splats, tile, np.ones(len(splats), np.bool_), "seeded towns, materials")


def make_lifted_tiles(folder: Path, lifted: Path) -> list[Path]:
    """Write the tiles of a folder that `lift` wrote, with fine splats where pictures showed them; returns the files.

    Args:
        folder: of the tiles.
        lifted: with `map.npz`, `rig.yaml` and `appearance`.

    Raises:
        InputError: it is none, or no picture showed any of its tiles.
    """
    appearance, maker = Appearance.load(lifted / "appearance"), load_rig(str(lifted / "rig.yaml")).name
    store, written = tile_store("procedural", load_map(lifted / "map.npz"), 0), []
    name = lifted.resolve().name
    found = [(file, _TILE.fullmatch(file.name)) for file in files_in(lifted / "appearance", "tile_*.npz")]
    for _, match in tqdm(found, desc=f"tiles of {name}", unit="tile", disable=None):
        if match is None:
            continue
        index = int(match[1]), int(match[2])
        coloured = appearance.coloured(index, store)
        if coloured is None or coloured.seen.sum() < _LEAST_KNOWN:
            continue
        written.append(folder / f"paint_{name}_{index[0]}_{index[1]}.npz")
        _write(written[-1], coloured.splats, store.get(*index), coloured.seen, f"pictures of {maker} ({name})")
    if not written:
        raise InputError("expected a lifted street some of whose tiles pictures showed", file=lifted)
    return written


def read_coloured_tiles(files: Path | Sequence[Path]) -> list[LessonTile]:
    """Tiles of some files, or of a folder in the order of their names.

    Raises:
        InputError: a file is damaged.
    """
    return list(_tiles(files_in(files, "paint_*.npz") if isinstance(files, Path) else files))


def _tiles(files: Sequence[Path]) -> Iterator[LessonTile]:
    for file in files:
        data = read_arrays(file, _ARRAYS, _WHAT, _MOST)
        check_shapes(data, _ARRAYS, file)
        check_span(data["label"], 0, OccClass.FREE, file, "label")
        check_span(data["place"], -100.0, 200.0, file, "place")
        check_span(data["size"], 0.0, 100.0, file, "size")
        given = SplatConditions(data["label"], data["place"], data["normal"] / np.float32(127.0), data["size"])
        pane = data["pane"] if data["pane"].any() else None
        yield LessonTile(given, data["colours"], data["known"], pane, str(data["maker"]))


def _write(file: Path, splats: Splats, tile: Tile, known: np.ndarray, maker: str) -> None:
    given = splat_conditions(splats, tile)
    arrays = {
        "label": given.label, "place": given.place, "normal": np.rint(127.0 * given.normal).astype(np.int8),
        "size": given.size, "colours": colour_codes(splats.albedo), "known": known & ~KEPT[splats.material],
        "pane": np.isin(splats.material, _PANES), "maker": np.array(maker),
    }  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(file, arrays)
