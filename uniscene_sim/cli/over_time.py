"""`uniscene-sim eval occupancy --over-time`, and `--edits RECORDING`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from uniscene_sim.cli.arguments import json_writer, picture_writer, require_apart
from uniscene_sim.datasets.formats.convert import read_street
from uniscene_sim.datasets.real_towns import town_files
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.features import OccupancyFeatures
from uniscene_sim.evaluation.over_time.drives import DriveSet, make_test_drives
from uniscene_sim.evaluation.over_time.edit_picture import edit_picture
from uniscene_sim.evaluation.over_time.real_drives import make_town_drives, recorded_drives
from uniscene_sim.evaluation.over_time.recorded_edits import EDIT_TABLES, judge_edits, means_of, recorded_moments
from uniscene_sim.evaluation.over_time.scores import OVER_TIME_TABLES
from uniscene_sim.evaluation.over_time.table import model_row, over_time_table
from uniscene_sim.evaluation.score_table import as_markdown_tables, as_nested_records
from uniscene_sim.occupancy.temporal.engine import CLIP_WINDOWS
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.storage.output_file import Outputs
from uniscene_sim.zoo.models import model_names

__all__ = ["eval_edits", "eval_over_time"]

_SHORTEST_S = 6.0  # two windows that are told, and forecasts of 3 s
_TOWNS, _DRIVE_S, _FEATURES = 2, 60.0, "occupancy_features"


def eval_over_time(arguments: argparse.Namespace) -> int:
    """Judge all models of occupancy over time in the zoo, and others, and print the tables."""
    drive_s = _DRIVE_S if arguments.drive_s is None else arguments.drive_s
    if not _SHORTEST_S <= drive_s <= 600.0:
        raise InputError(f"expected {_SHORTEST_S:.0f} to 600 s, got {drive_s:g}", field="--drive-s")
    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        judge = OccupancyFeatures.load(arguments.features or _FEATURES)
        judged = _judged(arguments, arguments.towns or _TOWNS, drive_s)
        rows = over_time_table(_models(arguments), judged, judge, arguments.device)
        write(as_nested_records(rows))
        outputs.publish()
    print(as_markdown_tables(rows, OVER_TIME_TABLES))
    return 0


def _judged(arguments: argparse.Namespace, towns: int, seconds: float) -> Iterator[DriveSet]:
    """Drives through held-out towns, through real ones, and what was recorded, made when their turn comes; what cannot
    be read is told at once."""
    files = town_files(arguments.maps)
    kind, folder = arguments.source or (None, "")
    street = read_street(kind, Path(folder), held_out=True) if kind is not None else None

    def made() -> Iterator[DriveSet]:
        yield make_test_drives(towns, seconds)
        yield from (make_town_drives(file, towns, seconds) for file in files)
        if street is not None:
            yield recorded_drives(street)

    return made()


def eval_edits(arguments: argparse.Namespace) -> int:
    """Judge the edits of a recording through the same models, and print a table."""
    files = {"--json": arguments.json, "--picture": arguments.picture}
    require_apart({name: path for name, path in files.items() if path is not None}, [arguments.edits])
    rows = [model_row(name, arguments.device) for name in _models(arguments)]
    with Outputs() as outputs:
        write, draw = json_writer(outputs, arguments.json), picture_writer(outputs, arguments.picture)
        recording = Recording.open(arguments.edits)
        moments = recorded_moments(recording)
        judged = [one for row in rows for one in judge_edits(row, recording, moments)]
        scores = [row for one in judged for row in one.scores()]
        scores += means_of(scores)
        write(as_nested_records(scores))
        if draw is not None:
            draw(edit_picture(judged))
        outputs.publish()
    print(as_markdown_tables(scores, EDIT_TABLES))
    return 0


def _models(arguments: argparse.Namespace) -> list[str]:
    """Those of the zoo, or one alone, and others."""
    usual = [arguments.model] if arguments.model else [name for name in CLIP_WINDOWS if name in model_names()]
    return [*usual, *arguments.also]
