"""Rules of occupancy engines, tested with three tiles of a town."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import Any

import numpy as np

from uniscene_sim import tile as tile_format
from uniscene_sim.conformance.rules import (
    Rules,
    fingerprint_in_new_process,
    refused_with_input_error,
    require,
    require_array,
)
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.tile import CELL_M, Tile

__all__ = ["tile_digests", "tile_rules"]

_TILES = ((1, 1), (1, 2), (2, 1))
_FAR = (5000, -5000)


def tile_rules(engine: Any, name: str) -> Rules:
    """Rules of an engine of the slot `occupancy`."""
    static_map = load_map(load_scenario(find_scenario("cut_in")).map)

    def tile(index: tuple[int, int], seed: int = 7) -> Tile:
        made: Tile = engine(static_map, seed).tile(*index)
        return made

    def attributes() -> None:
        require(isinstance(getattr(engine, "name", None), str), "name must be a string")
        key = getattr(engine(static_map, 7), "cache_key", "absent")
        require(key is None or (isinstance(key, str) and key != "absent"), "cache_key must be a string or None")

    def outputs() -> None:
        for index in _TILES:
            _check_tile(tile(index), index)

    def repeats() -> None:
        one = engine(static_map, 7)
        forth = [_tile_hash(one.tile(*i)) for i in _TILES]
        back = [_tile_hash(one.tile(*i)) for i in _TILES[::-1]][::-1]
        require(forth == back, "a tile changes with the tiles made before it")
        require(forth == [_tile_hash(tile(i)) for i in _TILES], "a new engine made another tile")

    def new_process() -> None:
        there = fingerprint_in_new_process("occupancy", name)
        require(there == tile_digests(engine), "a new process made another tile")

    def seeded() -> None:
        require(any(_tile_hash(tile(i)) != _tile_hash(tile(i, 8)) for i in _TILES), "another seed makes the same world")

    def seams() -> None:
        here, north, east = (tile(i).ground[0] for i in _TILES)
        for one, other, side in ((here[:, -1], north[:, 0], "north"), (here[-1], east[0], "east")):
            gap = float(np.abs(one - other).max())
            require(gap < 1e-3, f"ground on the {side} edge must equal the neighbour's, differs by {gap:.3f} m")

    def errors() -> None:
        one = engine(static_map, 7)
        before = _tile_hash(one.tile(*_TILES[0]))
        refused_with_input_error("a tile far off the map", lambda: _check_tile(one.tile(*_FAR), _FAR))
        require(_tile_hash(one.tile(*_TILES[0])) == before, "after a tile far off the map the engine makes others")

    return [
        ("declares its attributes", attributes), ("shapes, types and ranges", outputs), ("repeats", repeats),
        ("repeats in a new process", new_process), ("seed shows in the world", seeded),
        ("ground meets at edges", seams), ("errors", errors),
    ]  # fmt: skip


def _check_tile(tile: Tile, index: tuple[int, int]) -> None:
    t = tile_format
    require(tile.index == index, f"index must be {index}, is {tile.index}")
    cells = tile.base_z / CELL_M
    require(abs(cells - round(cells)) < 1e-6, f"base_z must be a multiple of {CELL_M} m, is {tile.base_z}")
    require_array("blocks", tile.blocks, np.int32, (t.TILE_BLOCKS, t.TILE_BLOCKS, t.BLOCKS_Z))
    count, decks = len(tile.materials), len(tile.ground)
    require_array("materials", tile.materials, np.uint8, (count, *(t.BLOCK_CELLS,) * 3))
    require_array("brick_of", tile.brick_of, np.int32, (count, *(t.BLOCK_CELLS,) * 3))
    require_array("bricks", tile.bricks, np.uint64, (len(tile.bricks),))
    require_array("ground", tile.ground, np.float32, (decks, t.GROUND_SAMPLES, t.GROUND_SAMPLES))
    require_array("paint", tile.paint, np.uint8, (decks, t.PAINT_CELLS, t.PAINT_CELLS))
    require_array("edge_of", tile.edge_of, np.int32, (decks, t.TILE_CELLS, t.TILE_CELLS))
    require_array("edges", tile.edges, np.int8, (len(tile.edges), t.PAINT_BLOCK, t.PAINT_BLOCK, 4 * t.EDGES_A_CELL))
    if decks:
        named = -1 <= tile.edge_of.min() and tile.edge_of.max() < len(tile.edges)
        require(named, "edge_of must name rows of edges")
    require(decks > 0 and bool(np.isfinite(tile.ground[0]).all()), "ground of deck 0 must be complete and finite")
    require(-1 <= tile.blocks.min() and tile.blocks.max() < count, f"blocks must name rows of materials, of {count}")
    if count:
        named = -1 <= tile.brick_of.min() and tile.brick_of.max() < len(tile.bricks)
        require(named, "brick_of must name rows of bricks")


def _tile_hash(tile: Tile) -> str:
    sha = hashlib.sha256(repr((tile.index, tile.base_z)).encode())
    for f in fields(tile):
        value = getattr(tile, f.name)
        if isinstance(value, np.ndarray):
            sha.update(f"{f.name}{value.dtype}{value.shape}".encode() + value.tobytes())
    return sha.hexdigest()


def tile_digests(engine: Any) -> str:
    """Digests of the tiles, to be compared with those of a new process."""
    static_map = load_map(load_scenario(find_scenario("cut_in")).map)
    return repr([_tile_hash(engine(static_map, 7).tile(*i)) for i in _TILES])
