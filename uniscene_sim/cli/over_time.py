"""`uniscene-sim eval occupancy --over-time`."""

from __future__ import annotations

import argparse
from pathlib import Path

from uniscene_sim.cli.arguments import json_writer
from uniscene_sim.datasets.formats.convert import read_street
from uniscene_sim.datasets.real_towns import town_files
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.features import OccupancyFeatures
from uniscene_sim.evaluation.over_time.drives import DriveSet, make_test_drives
from uniscene_sim.evaluation.over_time.real_drives import make_town_drives, recorded_drives
from uniscene_sim.evaluation.over_time.scores import OVER_TIME_TABLES
from uniscene_sim.evaluation.over_time.table import over_time_table
from uniscene_sim.evaluation.score_table import as_markdown_tables, as_nested_records
from uniscene_sim.occupancy.temporal.engine import CLIP_WINDOWS
from uniscene_sim.storage.output_file import Outputs
from uniscene_sim.zoo.models import model_names

__all__ = ["eval_over_time"]

_SHORTEST_S = 6.0  # two windows that are told, and forecasts of 3 s


def eval_over_time(arguments: argparse.Namespace) -> int:
    """Judge all models of occupancy over time in the zoo, and others, and print the tables."""
    if not _SHORTEST_S <= arguments.drive_s <= 600.0:
        raise InputError(f"expected {_SHORTEST_S:.0f} to 600 s, got {arguments.drive_s:g}", field="--drive-s")
    models = [name for name in CLIP_WINDOWS if name in model_names()] + arguments.also
    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        rows = over_time_table(models, _judged(arguments), OccupancyFeatures.load(arguments.features), arguments.device)
        write(as_nested_records(rows))
        outputs.publish()
    print(as_markdown_tables(rows, OVER_TIME_TABLES))
    return 0


def _judged(arguments: argparse.Namespace) -> list[DriveSet]:
    """Drives through held-out towns, through real ones, and what was recorded."""
    found = [make_test_drives(arguments.towns, arguments.drive_s)]
    found += [make_town_drives(file, arguments.towns, arguments.drive_s) for file in town_files(arguments.maps)]
    if arguments.source is not None:
        kind, folder = arguments.source
        found.append(recorded_drives(read_street(kind, Path(folder), held_out=True)))
    return found
