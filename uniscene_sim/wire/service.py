"""Nouns that only the service sends: what a frame is to hold, occupancy windows, and the solid cells of a tile."""

from __future__ import annotations

import zlib

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest
from uniscene_sim.interfaces import TileStats
from uniscene_sim.taxonomy import Material
from uniscene_sim.tile import BLOCK_CELLS, BLOCKS_Z, GROUND_SAMPLES, PAINT_CELLS, TILE_BLOCKS, Tile
from uniscene_sim.wire.by_name import fill, values_of
from uniscene_sim.wire.uniscene.v1 import service_pb2 as pb
from uniscene_sim.wire.windows import grid_of

__all__ = [
    "content_message",
    "content_of",
    "solid_message",
    "tile_stats_message",
    "tile_stats_of",
    "tile_with",
]

#: Largest arrays that a compressed field may hold, bytes: of a tile that is full of bricks.
_MOST_BYTES = 2**28
_BLOCKS = (TILE_BLOCKS, TILE_BLOCKS, BLOCKS_Z)
_CELLS = (BLOCK_CELLS,) * 3


def content_message(request: FrameRequest) -> pb.Content:
    """What a server is to make of a frame: sensors and window."""
    message = pb.Content(all_sensors=request.sensors is None, sensors=sorted(request.sensors or ()))
    if request.window_grid is not None:
        fill(message.window, request.window_grid)
    return message


def content_of(message: pb.Content) -> FrameRequest:
    """The request of a message; InputError for a grid that is none."""
    return FrameRequest(
        sensors=None if message.all_sensors else frozenset(message.sensors),
        window_grid=grid_of(message.window) if message.HasField("window") else None,
        bev_schema=None,
        digests=False,
    )


def tile_stats_message(stats: TileStats) -> pb.Tiles:
    return fill(pb.Tiles(), stats)


def tile_stats_of(message: pb.Tiles) -> TileStats:
    return TileStats(**values_of(message, TileStats))


def solid_message(tile: Tile) -> pb.SolidTile:
    """The solid cells of a tile."""
    solid = np.packbits(tile.materials != Material.NONE)
    arrays = {"blocks": (tile.blocks, "<i4"), "cells": (solid, "u1"),
              "brick_of": (tile.brick_of, "<i4"), "bricks": (tile.bricks, "<u8")}  # fmt: skip
    packed = {name: zlib.compress(array.astype(dtype).tobytes(), 1) for name, (array, dtype) in arrays.items()}
    return pb.SolidTile(base_z=tile.base_z, **packed)


def tile_with(message: pb.SolidTile, index: tuple[int, int]) -> Tile:
    """A tile that has these solid cells, of whatever material, and no ground.

    Raises:
        InputError: the message is damaged.
    """
    try:
        brick_of = _unpacked(message.brick_of, "<i4").reshape(-1, *_CELLS)
        cells = np.unpackbits(_unpacked(message.cells, "u1"), count=brick_of.size).reshape(brick_of.shape)
        blocks = _unpacked(message.blocks, "<i4").reshape(_BLOCKS)
        bricks = _unpacked(message.bricks, "<u8")
        if blocks.max(initial=-1) >= len(cells) or brick_of.max(initial=-1) >= len(bricks):
            raise ValueError
    except (ValueError, zlib.error):
        raise InputError("damaged", field="SolidTile") from None
    return Tile(
        index,
        message.base_z,
        blocks,
        np.where(cells, Material.WALL_BRICK, Material.NONE).astype(np.uint8),
        brick_of,
        bricks,
        ground=np.zeros((0, GROUND_SAMPLES, GROUND_SAMPLES), np.float32),
        paint=np.zeros((0, PAINT_CELLS, PAINT_CELLS), np.uint8),
    )


def _unpacked(data: bytes, dtype: str) -> np.ndarray:
    unpack = zlib.decompressobj()
    raw = unpack.decompress(data, _MOST_BYTES)
    if not unpack.eof:
        raise ValueError
    return np.frombuffer(raw, dtype).astype(np.dtype(dtype).newbyteorder("="), copy=False)
