"""`uniscene-sim train` and `uniscene-sim eval`: training and evaluation of the models of the zoo."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uniscene_sim.cli.arguments import json_writer, positive_integer
from uniscene_sim.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["add_commands"]

_DATA = Path("out/data")
_DEVICE: dict[str, Any] = {"choices": ("cpu", "cuda"), "help": "device (default: cuda if available)"}


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train` and `eval` to a parser's commands."""
    train = commands.add_parser("train", help="train a model of the zoo, or make training data")
    names = train.add_subparsers(required=True, metavar="NAME")
    data = names.add_parser("data", help="windows of towns, the training data of `occupancy`")
    data.add_argument("--data", type=Path, default=_DATA, help=f"folder (default: {_DATA})")
    data.add_argument("--towns", type=positive_integer, help="number of towns to train on (default: 56)")
    data.add_argument("--xodr", type=Path, help="folder of OpenDRIVE maps for a second test set")
    data.add_argument("--jobs", type=positive_integer, default=1, help="number of processes (default: 1)")
    data.set_defaults(command=_train_data)
    for name, what, learns in (("occupancy", "windows", "the VAE and the flow of `occflow-tiles`"),
                               ("lidar", "sweeps", "the network of `sparse-sdf`")):  # fmt: skip
        one = names.add_parser(name, help=learns)
        one.add_argument("--data", type=Path, default=_DATA,
                         help=f"{what} of towns, made if missing (default: {_DATA})")  # fmt: skip
        one.add_argument("--recipe", type=Path, metavar="YAML", help="changes to the recipe")
        one.add_argument("--work", type=Path, default=Path("out/training") / name,
                         help=f"checkpoints; a stopped training resumes (default: out/training/{name})")  # fmt: skip
        one.add_argument("--out", type=Path, default=Path("out/models") / name,
                         help=f"folder of the model (default: out/models/{name})")  # fmt: skip
        one.add_argument("--device", **_DEVICE)
        one.set_defaults(command=_train, name=name)

    evaluation = commands.add_parser("eval", help="evaluate a model on held-out towns")
    names = evaluation.add_subparsers(required=True, metavar="NAME")
    occupancy = names.add_parser("occupancy", help="generated worlds")
    occupancy.add_argument("--model", default="occupancy", help="model of the zoo, or a folder (default: occupancy)")
    occupancy.add_argument(
        "--windows", type=positive_integer, default=32, help="held-out windows of each set (default: 32)"
    )
    occupancy.add_argument("--steps", type=positive_integer, default=2, help="steps of the flow (default: 2)")
    occupancy.add_argument("--guidance", type=float, default=1.0, help="weight of the layout (default: 1)")
    occupancy.set_defaults(command=_eval_occupancy)
    lidar = names.add_parser("lidar", help="generated sweeps")
    lidar.add_argument("--model", default="lidar", help="model of the zoo, or a folder (default: lidar)")
    lidar.add_argument("--also", action="append", default=[], metavar="FOLDER", help="another model; may be repeated")
    lidar.add_argument("--towns", type=positive_integer, default=8, help="held-out towns, at most (default: 8)")
    lidar.add_argument("--real", type=Path, metavar="FOLDER", help="sweeps of PandaSet (*.bin) to compare with")
    lidar.set_defaults(command=_eval_lidar)
    sweeps = names.add_parser("sweeps", help="effects of real sweeps in ours")
    sweeps.add_argument("--real", type=Path, metavar="FOLDER", help="PandaSet's sequence 002 to compare with")
    sweeps.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    sweeps.set_defaults(command=_eval_sweeps)
    for one, what in ((occupancy, "windows"), (lidar, "sweeps")):
        one.add_argument("--data", type=Path, help=f"{what} of towns (default: made for this evaluation)")
        one.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
        one.add_argument("--picture", type=Path, metavar="PNG", help=f"draw some of the {what} of --data")
        one.add_argument("--device", **_DEVICE)


def _train_data(arguments: argparse.Namespace) -> int:
    from uniscene_sim.datasets.make_datasets import train_data

    train_data(arguments.data, arguments.towns, arguments.jobs, arguments.xodr)
    print(arguments.data)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from uniscene_sim.zoo.models import require_learned

    require_learned("spconv")
    from uniscene_sim.cli.train import train_lidar, train_occupancy

    train = {"occupancy": train_occupancy, "lidar": train_lidar}[arguments.name]
    train(arguments.data, arguments.work, arguments.out, arguments.recipe, arguments.device)
    print(arguments.out)
    return 0


def _eval_occupancy(arguments: argparse.Namespace) -> int:
    from uniscene_sim.zoo.models import require_learned

    require_learned()
    from uniscene_sim.evaluation.held_out import read_held_out
    from uniscene_sim.evaluation.occupancy import evaluate_occupancy
    from uniscene_sim.evaluation.pictures import occupancy_comparison_picture
    from uniscene_sim.evaluation.score_table import as_markdown, as_records
    from uniscene_sim.occupancy.learned.model import OccupancyModel

    _require_data(arguments)
    model = OccupancyModel.load(arguments.model, arguments.device)
    with ExitStack() as stack:
        write = json_writer(stack, arguments.json)
        rows = evaluate_occupancy(model, arguments.data, arguments.windows, arguments.steps, arguments.guidance)
        print(as_markdown(rows))
        write(as_records(rows))
    if arguments.picture is not None:
        scenes = read_held_out(arguments.data / "test", arguments.windows)
        _save(
            occupancy_comparison_picture(model, scenes, steps=arguments.steps, guidance=arguments.guidance),
            arguments.picture,
        )
    return 0


def _eval_lidar(arguments: argparse.Namespace) -> int:
    from uniscene_sim.zoo.models import require_learned

    require_learned("spconv")
    from uniscene_sim.datasets.sweeps import read_all_sweeps
    from uniscene_sim.evaluation.learned_lidar import learned_predictors
    from uniscene_sim.evaluation.lidar import baselines, evaluate_lidar
    from uniscene_sim.evaluation.lidar_pictures import lidar_comparison_picture
    from uniscene_sim.evaluation.ray_predictors import FirstHitBaseline
    from uniscene_sim.evaluation.real_sweeps import compare_with_real
    from uniscene_sim.evaluation.score_table import as_markdown, as_records

    _require_data(arguments)
    predictors = learned_predictors(arguments.model, arguments.also, arguments.device)
    with ExitStack() as stack:
        write = json_writer(stack, arguments.json)
        rows = evaluate_lidar(predictors, arguments.data, arguments.towns)
        print(as_markdown(rows))
        real = [] if arguments.real is None else compare_with_real(arguments.real, [*baselines(), predictors[0]])
        if real:
            print("\n" + as_markdown(real))
        write(as_records(rows) + as_records(real))
    if arguments.picture is not None:
        towns = read_all_sweeps(arguments.data / "test", arguments.towns)
        _save(lidar_comparison_picture([FirstHitBaseline(), predictors[0]], towns), arguments.picture)
    return 0


def _eval_sweeps(arguments: argparse.Namespace) -> int:
    from uniscene_sim.evaluation.score_table import as_markdown, as_records
    from uniscene_sim.evaluation.sweep_effects import compare_effects

    with ExitStack() as stack:
        write = json_writer(stack, arguments.json)
        rows = compare_effects(arguments.real)
        print(as_markdown(rows))
        write(as_records(rows))
    return 0


def _require_data(arguments: argparse.Namespace) -> None:
    if arguments.picture is not None and arguments.data is None:
        raise InputError("draws some of --data, expected its folder", field="--picture")


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    try:
        Image.fromarray(picture).save(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be written: {error}", file=path, field="--picture") from error
