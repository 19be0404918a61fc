"""Painters of appearances on coloured tiles, beside tables that know classes alone.

A painter invents: it need not hit the colours of a tile, but houses must differ from each other and within themselves
as the tile's do, and from noise to noise. What the VAE loses is judged by colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label as components
from tqdm import tqdm

from uniscene_sim.camera.splat.learned.conditions import BANDS_M, COLUMN_M, SplatConditions, columns_of
from uniscene_sim.camera.splat.learned.model import PainterModel
from uniscene_sim.datasets.coloured_tiles import LessonTile
from uniscene_sim.occupancy.learned.tile_latents import world_noise
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import TILE_M

__all__ = ["AppearanceScore", "evaluate_appearance", "houses_of"]

_NOISES = 8
_SIDE = int(TILE_M / COLUMN_M)
_WALL_M = (1.0, 7.0)  # heights of walls that houses are found by
_LEAST = 60  # splats of a house


@dataclass(frozen=True)
class AppearanceScore:
    """Colours in steps of 8-bit codes, without the grain that engines may add. Spreads are standard deviations."""

    name: str
    tiles: int
    error_houses: float  # mean difference from the tile's own colours, of manmade splats
    error_plants: float
    error_ground: float
    between_houses: float  # spread of houses' mean colours
    within_houses: float  # mean spread of colours within a house
    by_noise: float  # mean spread of a house's mean colour over eight noises; NaN where there is no noise


def evaluate_appearance(model: PainterModel, tiles: Sequence[LessonTile]) -> list[AppearanceScore]:
    """Scores of the tiles themselves, of the painter, of its VAE, and of tables.

    Tables are made of the very tiles that are judged, which favours them.

    Args:
        model: the painter.
        tiles: which it has not learned from, or so that it is said.
    """
    kinds = {
        "class": [_kind(t.given, False) for t in tiles],
        "class, height, direction": [_kind(t.given, True) for t in tiles],
    }
    tables = {name: _table(tiles, of) for name, of in kinds.items()}
    rows: dict[str, list[np.ndarray]] = {}
    for n, tile in enumerate(tqdm(tiles, desc="painted", unit="tile", disable=None)):
        known, columns = tile.known, columns_of(tile.given)
        truth, houses = tile.colours / np.float32(255.0), houses_of(tile.given)
        some = np.random.default_rng(n).permutation(np.flatnonzero(known))[:60_000]
        latents = model.encode(columns, tile.given[some], tile.colours[some])
        rows.setdefault("truth", []).append(_scores(tile, truth, houses))
        decoded = model.paint(latents, columns, tile.given).codes
        rows.setdefault("VAE of the truth", []).append(_scores(tile, decoded, houses))
        painted = [model.paint(model.generate(columns, _noise(model, seed, n)), columns, tile.given).codes
                   for seed in range(_NOISES)]  # fmt: skip
        scores = np.array([_scores(tile, one, houses) for one in painted])
        means = np.array([_house_means(one, houses) for one in painted])  # (8, H, 3)
        scores = scores.mean(axis=0)
        scores[5] = means.std(axis=0).mean() if means.shape[1] else np.nan
        rows.setdefault("painted", []).append(scores)
        for name, table in tables.items():
            row = _scores(tile, table[kinds[name][n]], houses)
            rows.setdefault(f"table by {name}", []).append(row)
    out = []
    for name, found in rows.items():
        values = np.array(found).T
        scored = [255.0 * float(v[~np.isnan(v)].mean()) if not np.isnan(v).all() else float("nan") for v in values]
        out.append(AppearanceScore(name, len(tiles), *scored))
    return out


def houses_of(given: SplatConditions) -> np.ndarray:
    """Which house each splat belongs to, int32 (N,), 0 for none: connected columns with walls."""
    height = given.place[:, 2]
    wall = (given.label == OccClass.MANMADE) & (height > _WALL_M[0]) & (height < _WALL_M[1])
    i, j = (np.clip((given.place[:, k] / COLUMN_M).astype(np.int64), 0, _SIDE - 1) for k in (0, 1))
    there = np.bincount(i[wall] * _SIDE + j[wall], minlength=_SIDE * _SIDE).reshape(_SIDE, _SIDE) > 2
    number, _ = components(there, np.ones((3, 3)))
    house = np.where(given.label == OccClass.MANMADE, number[i, j], 0)
    small = np.bincount(house) < _LEAST
    found: np.ndarray = np.where(small[house], 0, house)
    return found


def _house_means(colours: np.ndarray, houses: np.ndarray) -> np.ndarray:
    """Mean colours (H, 3) of houses."""
    numbers = np.unique(houses[houses > 0])
    return np.array([colours[houses == k].mean(axis=0) for k in numbers]).reshape(len(numbers), 3)


def _scores(tile: LessonTile, made: np.ndarray, houses: np.ndarray) -> np.ndarray:
    """Columns of a score for one tile, in [0, 1], NaN where there is none."""
    off = np.abs(made - tile.colours / np.float32(255.0)).mean(axis=1)
    label, known = tile.given.label, tile.known
    out = np.full(6, np.nan)
    groups = label == OccClass.MANMADE, label == OccClass.VEGETATION, label >= OccClass.DRIVEABLE_SURFACE
    groups = (*groups[:2], groups[2] & ~groups[0] & ~groups[1])
    for k, group in enumerate(groups):
        if (use := group & known).any():
            out[k] = off[use].mean()
    means = _house_means(made, np.where(known, houses, 0))
    if len(means) > 1:
        out[3] = means.std(axis=0).mean()
    if len(means):
        numbers = np.unique(houses[(houses > 0) & known])
        out[4] = np.mean([made[(houses == k) & known].std(axis=0).mean() for k in numbers])
    return out


def _noise(model: PainterModel, seed: int, n: int) -> np.ndarray:
    noise: np.ndarray = world_noise(seed, model.latent_channels, 1000 * n, 0, _SIDE // 2)
    return noise


def _kind(given: SplatConditions, finely: bool) -> np.ndarray:
    """Row of a table for each splat."""
    kind = given.label.astype(np.int64)
    if finely:
        band = np.searchsorted(BANDS_M, given.place[:, 2], side="right")
        way = np.where(given.normal[:, 2] > 0.5, 1, np.where(np.abs(given.normal).max(axis=1) == 0.0, 2, 0))
        kind = (kind * (len(BANDS_M) + 1) + band) * 3 + way
    return kind


def _table(tiles: Sequence[LessonTile], kinds: Sequence[np.ndarray]) -> np.ndarray:
    """Mean colour float32 (K, 3) of each kind."""
    count = max(int(kind.max()) for kind in kinds) + 1
    sums = np.zeros((count, 4))
    for tile, kind in zip(tiles, kinds, strict=True):
        for c in range(3):
            sums[:, c] += np.bincount(kind[tile.known], tile.colours[tile.known, c] / 255.0, count)
        sums[:, 3] += np.bincount(kind[tile.known], minlength=count)
    table: np.ndarray = (sums[:, :3] / np.maximum(sums[:, 3:], 1.0)).astype(np.float32)
    return table
