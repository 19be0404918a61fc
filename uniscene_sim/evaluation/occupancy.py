"""`uniscene-sim eval occupancy`: generated occupancy, scored on held-out windows.

All rows of a set are scored on the same windows, agents included, where the truth was observed; those of engines on the
windows of a few towns. The upper bound of a generator is the VAE (the truth encoded and decoded); lower bounds are the
decoder with mean latents and the lookup tables. `procedural` is the same map planned with another seed: as plausible as
the truth but another world, so its scores show how much of the world the layout leaves open. It, and what engines emit,
is judged where maps can be made again: in seeded towns, and where the file of a map is at hand. What the truth scores
against other windows of the same towns is the floor of histograms: no generator is nearer, but by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.datasets.windows import REAL_TRAIN
from uniscene_sim.evaluation.diversity import NOISES, diverse_windows, pairwise_iou
from uniscene_sim.evaluation.held_out import (
    HeldOutWindows,
    choose_windows,
    held_out_folders,
    make_held_out,
    read_held_out,
)
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.methods import (
    ENGINE_TOWNS,
    Method,
    Naming,
    emitted,
    learned_methods,
    lookup_tables,
    replanned,
    truth,
)
from uniscene_sim.evaluation.predictions import read_predictions
from uniscene_sim.evaluation.published import PUBLISHED
from uniscene_sim.evaluation.remade_maps import MapShelf
from uniscene_sim.evaluation.score_table import OccupancyScores
from uniscene_sim.evaluation.scoreboard import Judge, Scoreboard, histogram_floor, set_scores, true_surfaces
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS, without_plan
from uniscene_sim.metrics.occupancy import Seams
from uniscene_sim.occupancy.learned.interface import OccupancyGenerator
from uniscene_sim.storage.input_file import files_in
from uniscene_sim.storage.output_file import scratch_folder
from uniscene_sim.tile import TILE_CELLS

__all__ = ["LookupTables", "OccupancyTable", "evaluate_occupancy", "fit_tables", "score_methods"]

_BATCH = 4
_TRAINING = 32  # windows of each folder that the lookup tables are fitted to
_PHASE = 4  # cells of a latent cell, for seams of what has none


@dataclass(frozen=True)
class OccupancyTable:
    """Rows, and who made what was learned from."""

    rows: tuple[OccupancyScores, ...]
    fitted_to: tuple[str, ...]  # makers of the windows that the lookup tables were fitted to
    learned_from: Mapping[str, int] | None = None  # number of the model's own windows by maker; None if it does not say

    @property
    def head(self) -> str:
        """What has to be known to read the rows, as text."""
        return table_head(self.rows, self.fitted_to, self.learned_from)


@dataclass(frozen=True)
class LookupTables:
    """Mean columns of training windows, with and without the plan in their layouts."""

    told: MeanColumnBaseline
    untold: MeanColumnBaseline
    makers: tuple[str, ...]


def evaluate_occupancy(
    model: OccupancyGenerator,
    data: str | Path | None = None,
    windows: int = 32,
    seed: int = 0,
    judge: Judge | None = None,
    predictions: Path | None = None,
    *,
    maps: Sequence[Path] = (),
    engine_towns: int = ENGINE_TOWNS,
    learned_from: Mapping[str, int] | None = None,
) -> OccupancyTable:
    """All rows: held-out towns and recordings, and published figures.

    Args:
        model: the generator.
        data: folder written by `train data`; None to make a small temporary one.
        windows: about how many held-out windows of each folder.
        seed: of the noise.
        judge: finds features; None leaves out what compares sets of them.
        predictions: folder of others' occupancy for windows of `data`; then these are judged, and beside them what can
            be judged alike.
        maps: files and folders among which the maps of windows are looked for; `maps` in `data` is searched too.
        engine_towns: of each set whose tiles the engines make.
        learned_from: number of windows by maker that the model learned from; None if it does not say.

    Raises:
        InputError: the folder lacks training or held-out windows, or a file is damaged.
    """
    with scratch_folder() as own:
        folder = own if data is None else Path(data)
        if data is None:
            make_held_out(folder, windows)
        training = [folder / part for part in ("train", REAL_TRAIN) if files_in(folder / part, "*.npz")]
        tables = fit_tables(training or [folder / "train"])
        rows: list[OccupancyScores] = []
        if predictions is not None:
            for predicted in read_predictions(folder, predictions, windows):
                scenes = predicted.scenes
                flows = [m for m in learned_methods(model, scenes, seed) if m.name in (Naming.UNTOLD, Naming.TOLD)]
                beside = [*lookup_tables(scenes, tables.told, tables.untold), *flows]
                judged = [truth(predicted.judged), *map(predicted.view, beside), predicted.method]
                rows += score_methods(predicted.judged, judged, judge)
            return OccupancyTable(tuple(rows), tables.makers, learned_from)
        shelf = MapShelf([*maps, *(own for own in [folder / "maps"] if own.is_dir())])
        for held_out in held_out_folders(folder) or [folder / "test"]:
            for scenes in read_held_out(held_out, windows, shelf):
                methods = [
                    truth(scenes),
                    *lookup_tables(scenes, tables.told, tables.untold),
                    *learned_methods(model, scenes, seed),
                    *replanned(scenes),
                    *emitted(model, scenes, engine_towns),
                ]
                rows += score_methods(scenes, methods, judge)
    return OccupancyTable((*rows, *PUBLISHED), tables.makers, learned_from)


def fit_tables(folders: Sequence[Path]) -> LookupTables:
    """Lookup tables of folders of training windows.

    Raises:
        InputError: one has none, or a file is damaged.
    """
    told, untold = (MeanColumnBaseline(CONDITION_CHANNELS, GENERATED_GRID.shape[2]) for _ in range(2))
    makers = []
    for _, town, at in (one for folder in folders for one in choose_windows(folder, _TRAINING)):
        makers.append(town.maker)
        for n in at:
            window = town.sample(n, agents=True)
            told.add(window.layout, window.labels, window.observed)
            untold.add(without_plan(window.layout), window.labels, window.observed)
    return LookupTables(told, untold, tuple(dict.fromkeys(makers)))


def score_methods(
    scenes: HeldOutWindows, methods: Sequence[Method], judge: Judge | None = None
) -> list[OccupancyScores]:
    """Rows of methods on held-out windows.

    Args:
        scenes: N windows.
        methods: what to compare, the truth first.
        judge: finds features; None leaves out what compares sets of them.
    """
    surfaces = true_surfaces(scenes)
    others = judge(scenes.others) if judge is not None and len(scenes.others) else None
    boards = {method.name: Scoreboard(scenes) for method in methods}
    sets: dict[str, dict[str, Any]] = {}
    total = sum(len(method.windows) for method in methods)
    with tqdm(total=total, desc=f"eval {scenes.data}", unit="window", disable=None) as bar:
        for method in methods:
            board = boards[method.name]
            for at in np.array_split(method.windows, -(-len(method.windows) // _BATCH)):
                start = perf_counter()
                made = method.make(at)
                if method.timed:
                    board.seconds.append((perf_counter() - start) / len(at))
                for k, labels in zip(at.tolist(), made, strict=True):
                    board.add(k, labels, surfaces[k])
                bar.update(len(at))
            made_set = np.stack(board.taken())
            if judge is not None and others is not None:
                sets[method.name] = set_scores(others, judge(made_set))
    tiles = boards.get(Naming.TILES)
    rows = []
    for method in methods:
        through_tiles = method.mosaic is not None and tiles is not None
        row = boards[method.name].row(
            method.name, boards[methods[0].name], tiles.objects if through_tiles and tiles else None
        )
        row = replace(row, seam=_seam(method, scenes), pairwise=_pairs(method, scenes))
        rows.append(replace(row, **sets.get(method.name, {})))
    return [rows[0], *_floors(scenes, methods), *rows[1:]]


def _floors(scenes: HeldOutWindows, methods: Sequence[Method]) -> list[OccupancyScores]:
    """Rows of the truth against other windows of the same files: of all, and of those that engines make."""
    some = next((method.windows for method in methods if method.mosaic is not None), None)
    wanted = [(Naming.OTHERS, np.arange(len(scenes.labels)))]
    if some is not None and len(some) < len(scenes.labels):
        wanted.append((Naming.ENGINE_OTHERS, some))
    return [row for name, at in wanted if (row := histogram_floor(name, scenes, at)) is not None]


def _pairs(method: Method, scenes: HeldOutWindows) -> float | None:
    """How alike what a method makes of one layout is."""
    if method.variant is None:
        return None
    return pairwise_iou(scenes, diverse_windows(scenes), method.variant, NOISES)


def _seam(method: Method, scenes: HeldOutWindows) -> float | None:
    """Ratio at the borders of tiles around the first window of each town whose tiles are made."""
    if method.mosaic is None:
        return None
    seams = Seams(TILE_CELLS, _PHASE)
    first = {scenes.places[k].file: scenes.places[k] for k in reversed(method.windows.tolist())}
    for place in first.values():
        seams.add(method.mosaic(place))
    return seams.ratio


def table_head(
    rows: Sequence[OccupancyScores], fitted_to: Sequence[str], learned_from: Mapping[str, int] | None = None
) -> str:
    """What was told and what generated, who made the data, and what little a lookup table and another noise show.

    Args:
        rows: of all sets.
        fitted_to: makers of the windows that the lookup tables were fitted to.
        learned_from: number of windows by maker that the model learned from; None if it does not say.
    """
    lines = [
        "Told: roads, walkways, crossings, paint and agents; in rows `told` also the footprints of houses, plants and "
        "rails. Generated: all else, to 11.8 m above the ground.",
        _learned(fitted_to, learned_from) + " Each set of held-out windows names its maker.",
    ]
    for data in dict.fromkeys(row.data for row in rows if row.windows):
        here = {row.name: row for row in rows if row.data == data}
        for kind, lookup, flow in (("untold", Naming.LOOKUP_UNTOLD, Naming.UNTOLD),
                                   ("told", Naming.LOOKUP_TOLD, Naming.TOLD)):  # fmt: skip
            if lookup in here and flow in here:
                table, made = here[lookup], here[flow]
                lines.append(
                    f"{data}, {kind}: a lookup table without neighbours reaches mIoU {_share(table.miou_given)} of "
                    f"given classes and {_share(table.miou_invented)} of the others, where the flow reaches "
                    f"{_share(made.miou_given)} and {_share(made.miou_invented)}; two noises on one layout agree on "
                    f"houses and plants to IoU {_share(made.pairwise)}."
                )
        if Naming.PROCEDURAL in here:
            lines.append(f"{data}: two procedural seeds agree to IoU {_share(here[Naming.PROCEDURAL].pairwise)}.")
    return "\n".join(f"- {line}" for line in lines)


def _learned(fitted_to: Sequence[str], learned_from: Mapping[str, int] | None) -> str:
    tables = f"Lookup tables are fitted to training windows of the data, made by: {', '.join(fitted_to)}."
    if learned_from is None:
        return f"The model does not say who made the windows that it learned from. {tables}"
    own = ", ".join(f"{maker} ({count})" for maker, count in learned_from.items())
    differ = " These makers differ from the model's." if set(fitted_to) != set(learned_from) else ""
    return f"The model learned from windows made by: {own}. {tables}{differ}"


def _share(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.3f}"
