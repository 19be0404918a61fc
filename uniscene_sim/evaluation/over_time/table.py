"""The table of all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.over_time.drives import DriveSet, make_test_drives
from uniscene_sim.evaluation.over_time.editing import score_edits
from uniscene_sim.evaluation.over_time.evaluate import forecast, roll_out
from uniscene_sim.evaluation.over_time.rows import GoesOn, LastFrame, LookedUp, OnCanvas, Row, TileRow, Truth, WindowRow
from uniscene_sim.evaluation.over_time.scores import OverTimeScores
from uniscene_sim.evaluation.scoreboard import Judge
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.metrics.occupancy import Confusion
from uniscene_sim.occupancy.learned.tile_engine import OccflowTiles
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.occupancy.temporal.engine import CLIP_WINDOWS
from uniscene_sim.occupancy.temporal.model import ClipOccupancy
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.zoo.models import CONFIG, load_model

__all__ = ["model_row", "over_time_table"]

_ANOTHER = 7_000  # added to the seed of the truth's plan
_TABLE_SEEDS = range(30_000, 30_004)  # of towns that the lookup table is fitted to


def over_time_table(
    models: Sequence[str | Path], judged: Iterable[DriveSet], judge: Judge | None = None, device: str | None = None,
    tiles: bool = True,
) -> list[OverTimeScores]:  # fmt: skip
    """Rows of models, of engines of tiles, and of what takes no model, on the same drives.

    Args:
        models: of occupancy over time: names in the zoo, or folders.
        judged: drives.
        judge: finds features; None leaves out what compares sets of them.
        device: where models run; None picks one.
        tiles: whether engines of tiles are judged, too.

    Raises:
        InputError: no such model, or one of another kind.
    """
    loaded = [_Loaded.of(name, device) for name in models]  # told before minutes of drives
    table = LookedUp("lookup table", _lookup_table())
    return [row for of in judged for row in _rows(loaded, of, table, judge, tiles)]


def _rows(
    loaded: Sequence[_Loaded], judged: DriveSet, table: LookedUp, judge: Judge | None, tiles: bool
) -> Iterator[OverTimeScores]:
    """Scores of all rows on the same drives."""
    yield _scores(Truth(), judged, judge, "everything")
    if not judged.seen:
        yield _scores(OnCanvas(), judged, judge, "everything")
    for one in loaded:
        scores = _scores(one.row, judged, judge, one.told)
        if not judged.seen:
            scores = replace(scores, **asdict(score_edits(one.make, judged.drives)))
        yield replace(scores, **_reconstruction(one.model, judged), minutes=one.minutes)
        if one.model.decoder_told:
            yield _scores(one.untold_row, judged, judge, "as above, its decoder not the layout")
    if tiles and not judged.seen:
        for row in (TileRow("procedural, another seed", ProceduralOccupancy, _ANOTHER),
                    TileRow("occflow-tiles", OccflowTiles)):  # fmt: skip
            yield _scores(row, judged, judge, "agents' voxels")
    yield _scores(table, judged, judge, "a cell's layout")
    for last in (LastFrame("last window stays", moved=False), LastFrame("last window moved", moved=True)):
        told = "the last true window" + (", agents' voxels" if last.moved else "")
        yield forecast(last, judged, OverTimeScores(last.name, judged.name, told))


def _scores(row: Row, judged: DriveSet, judge: Judge | None, told: str) -> OverTimeScores:
    return replace(forecast(row, judged, roll_out(row, judged, judge)), told=told)


def model_row(name: str | Path, device: str | None = None) -> WindowRow:
    """The row of a model of occupancy over time.

    Raises:
        InputError: no such model, or one of another kind.
    """
    return _Loaded.of(name, device).row


@dataclass(frozen=True)
class _Loaded:
    """A model, the engine that it is for, and how long it was trained."""

    engine: Any  # of `CLIP_WINDOWS`
    model: ClipOccupancy
    minutes: float | None

    @classmethod
    def of(cls, name: str | Path, device: str | None) -> _Loaded:
        model = load_model(name)
        kind = model.config.get("kind")
        if kind not in CLIP_WINDOWS:
            raise InputError(f"expected one of {', '.join(CLIP_WINDOWS)}, got {shown(kind)}",
                             file=model.folder / CONFIG, field="kind")  # fmt: skip
        minutes = model.config.get("training", {}).get("minutes")
        return cls(CLIP_WINDOWS[kind], ClipOccupancy.of(model, kind, device),
                   float(minutes) if isinstance(minutes, int | float) else None)  # fmt: skip

    @property
    def row(self) -> WindowRow:
        return WindowRow(self.model.name, self.make)

    @property
    def untold_row(self) -> WindowRow:
        """The same latents, through a decoder that is not told the layout."""
        untold = self.engine.Options(told=False)
        name = f"{self.model.name}, decoder untold"
        return WindowRow(name, lambda town, seed: self.engine(town, seed, self.model, options=untold))

    @property
    def told(self) -> str:
        return "its own past; forecasts: 1 s of truth" + (", the decoder the layout" if self.model.decoder_told else "")

    def make(self, static_map: StaticMap, seed: int) -> GoesOn:
        made: GoesOn = self.engine(static_map, seed, self.model)
        return made


def _reconstruction(model: ClipOccupancy, judged: DriveSet) -> dict[str, Any]:
    """Of labels through the VAE, whose decoder is not told the layout."""
    voxels = Confusion()
    for drive in judged.drives:
        for n in range(0, len(drive), 10):
            truth, observed = drive.truth(n), drive.observed(n)
            (made,) = model.decode(model.encode(np.where(observed, truth, np.uint8(OccClass.FREE))[None]))
            voxels.add(truth, made, observed)
    return {"rec_miou": voxels.miou, "rec_iou": voxels.iou}


def _lookup_table() -> MeanColumnBaseline:
    """The commonest columns of a few towns that are neither trained on nor judged."""
    table = MeanColumnBaseline(CONDITION_CHANNELS, DEFAULT_GRID.shape[2])
    for drive in make_test_drives(len(_TABLE_SEEDS), 15.0, _TABLE_SEEDS.start).drives:
        for n in range(len(drive)):
            table.add(drive.condition(n), np.ascontiguousarray(drive.still(n)))
    return table
