"""`uniscene-sim train` and `uniscene-sim eval`: training and evaluation of the models of the zoo."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uniscene_sim.cli.arguments import (
    Parser,
    json_writer,
    path_argument,
    picture_writer,
    positive_integer,
    real_argument,
    require_used,
    rig_of,
)
from uniscene_sim.cli.driving import add_driver_training, add_driving_evaluation
from uniscene_sim.errors import InputError
from uniscene_sim.storage.output_file import Outputs, told

__all__ = ["add_commands"]

_DATA = Path("out/data")
#: What each question to occupancy uses, by the option that asks it. No default: what is there was typed.
_OF_OCCUPANCY = {
    "": ("model", "windows", "steps", "guidance", "features", "predictions", "maps", "engine_towns", "data", "picture"),
    "--over-time": ("model", "also", "towns", "drive_s", "maps", "source", "features"),
    "--edits": ("model", "also", "picture"),
}
_DEVICE: dict[str, Any] = {"choices": ("cpu", "cuda"), "help": "device (default: cuda if available)"}


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add `train` and `eval` to a parser's commands."""
    train = commands.add_parser("train", help="train a model of the zoo, or make training data")
    names = train.add_subparsers(required=True, metavar="NAME")
    data = names.add_parser("data", help="windows of towns, the training data of `occupancy`")
    data.add_argument("--data", type=path_argument, default=_DATA, help=f"folder (default: {_DATA})")
    data.add_argument("--towns", type=positive_integer, help="number of towns to train on (default: 56)")
    data.add_argument("--xodr", type=path_argument, help="folder of OpenDRIVE maps for a second test set")
    data.add_argument("--from", nargs=2, dest="source", metavar=("FORMAT", "FOLDER"),
                      help="windows of a recorded street in place of towns: pandaset, kitti, occ3d, "
                           "nuscenes-occupancy, semantic-kitti or carla-sc, and its folder; or recording, "
                           "and a file of ours (.mcap)")  # fmt: skip
    data.add_argument("--every", type=positive_integer, default=2, metavar="N",
                      help="of --from: a window for every N moments (default: 2)")  # fmt: skip
    data.add_argument("--sweeps", action="store_true", help="of --from: its sweeps too, each ray with its origin")
    data.add_argument(
        "--images",
        action="store_true",
        help="images with their exact buffers in place of windows: depth, normals, materials, ...",
    )
    data.add_argument(
        "--rig",
        metavar="RIG",
        help="of --images: preset, YAML file, or recording for its cameras (default: nuscenes-small)",
    )
    data.add_argument("--maps", type=path_argument, nargs="+", metavar="PATH",
                      help="real towns (OpenStreetMap, SUMO), or folders of some, instead of seeded ones")  # fmt: skip
    data.add_argument("--windows", type=positive_integer, default=80, help="windows of each of --maps (default: 80)")
    data.add_argument("--held-out", nargs="*", metavar="NAME",
                      help="what nothing may learn from: towns of --maps by name, or that part of --from")  # fmt: skip
    data.add_argument("--jobs", type=positive_integer, default=1, help="number of processes (default: 1)")
    data.also_typed = {"kind": "--from", "folder": "--from"}
    data.set_defaults(command=_train_data)
    for name, what, learns in (("occupancy", "windows", "the VAE and the flow of `occflow-tiles`"),
                               ("occdit", "windows", "the VAE and the flow over clips of `occdit`"),
                               ("occ-uniscene", "windows", "the VAE and the flow over clips of `occ-uniscene`"),
                               ("features", "windows", "networks in whose features `eval` compares sets"),
                               ("lidar", "sweeps", "the network of `sparse-sdf`"),
                               ("appearance", "coloured tiles", "the painter of `splat`")):  # fmt: skip
        one = names.add_parser(name, help=learns)
        one.add_argument("--data", type=path_argument, default=_DATA,
                         help=f"{what} of towns, made if missing (default: {_DATA})")  # fmt: skip
        one.add_argument("--recipe", type=path_argument, metavar="YAML", help="changes to the recipe")
        one.add_argument("--work", type=path_argument, default=Path("out/training") / name,
                         help=f"checkpoints; a stopped training resumes (default: out/training/{name})")  # fmt: skip
        one.add_argument("--out", type=path_argument, default=Path("out/models") / name,
                         help=f"folder of the model (default: out/models/{name})")  # fmt: skip
        if name == "lidar":
            one.add_argument("--real", type=path_argument, metavar="FOLDER",
                             help="PandaSet's sequence 002: continue a model on its frames 0 to 55")  # fmt: skip
        if name == "appearance":
            one.add_argument("--lifted", type=path_argument, nargs="+", default=[], metavar="FOLDER",
                             help="streets that `lift` wrote: continue the shipped model on their colours")  # fmt: skip
        one.add_argument("--device", **_DEVICE)
        one.set_defaults(command=_train, name=name, real=None)
    sensor = names.add_parser("sensor", help="the constants of `raycast:measured=true`")
    sensor.add_argument("--real", type=path_argument, required=True, metavar="FOLDER", help="PandaSet's sequence 002")
    sensor.add_argument("--out", type=path_argument, default=Path("sensor.json"), metavar="FILE",
                        help="file of the constants (default: sensor.json)")  # fmt: skip
    sensor.set_defaults(command=_train_sensor)
    add_driver_training(names)

    evaluation = commands.add_parser("eval", help="evaluate a model on held-out towns")
    names = evaluation.add_subparsers(required=True, metavar="NAME")
    occupancy = names.add_parser("occupancy", help="generated worlds")
    occupancy.add_argument("--model", help="model of the zoo, or a folder (default: occupancy; of --over-time and "
                                           "--edits all that there are)")  # fmt: skip
    occupancy.add_argument("--windows", type=positive_integer, help="held-out windows of each set (default: 32)")
    occupancy.add_argument("--steps", type=positive_integer, help="steps of the flow (default: those of the model)")
    occupancy.add_argument("--guidance", type=real_argument, help="weight of the layout (default: that of the model)")
    occupancy.add_argument(
        "--features", metavar="MODEL",
        help="networks in whose features sets are compared (default: occupancy_features)",
    )  # fmt: skip
    occupancy.add_argument(
        "--predictions", type=path_argument, metavar="FOLDER",
        help="judge others' occupancy for windows of --data: FILE_N.npz as Occ3D has them",
    )  # fmt: skip
    occupancy.add_argument(
        "--maps", type=path_argument, nargs="+", default=[], metavar="PATH",
        help="maps that windows were cut from, or folders of some, for rows of engines (default: maps in --data); with "
        "--over-time, real towns to drive through",
    )  # fmt: skip
    occupancy.add_argument(
        "--engine-towns", type=positive_integer, metavar="N",
        help="towns of each set whose tiles engines make (default: 2)",
    )  # fmt: skip
    occupancy.add_argument("--over-time", action="store_true",
                           help="judge models of occupancy over time, on drives, beside engines of tiles")  # fmt: skip
    occupancy.add_argument("--edits", type=path_argument, metavar="RECORDING",
                           help="judge the edits of a recording through models of occupancy over time")  # fmt: skip
    occupancy.add_argument("--also", action="append", default=[], metavar="MODEL",
                           help="of --over-time and --edits: another model, or a folder; may be repeated")  # fmt: skip
    occupancy.add_argument("--towns", type=positive_integer, metavar="N",
                           help="of --over-time: drives, each through a town of its own (default: 2)")  # fmt: skip
    occupancy.add_argument("--from", dest="source", nargs=2, metavar=("FORMAT", "FOLDER"),
                           help="of --over-time: also a recorded drive, what of it is held out")  # fmt: skip
    occupancy.add_argument("--drive-s", type=real_argument, metavar="SECONDS",
                           help="of --over-time: length of a drive (default: 60)")  # fmt: skip
    occupancy.also_typed = {"kind": "--from", "folder": "--from"}
    occupancy.set_defaults(command=_eval_occupancy)
    lidar = names.add_parser("lidar", help="generated sweeps")
    lidar.add_argument("--model", default="lidar", help="model of the zoo, or a folder (default: lidar)")
    lidar.add_argument("--also", action="append", default=[], metavar="FOLDER", help="another model; may be repeated")
    lidar.add_argument("--towns", type=positive_integer, default=8, help="held-out towns, at most (default: 8)")
    for option, what in (("--predictions", "what another model predicts for the rays of --data or --real"),
                         ("--real", "PandaSet's sequence 002 or sweeps (*.bin)"),
                         ("--write-rays", "only write the held-out rays of --real and their cells")):  # fmt: skip
        lidar.add_argument(option, type=path_argument, metavar="FOLDER", help=what)
    lidar.add_argument("--generated", type=positive_integer, metavar="N",
                       help="also through occupancy that `occflow-tiles` generates, for N sweeps")  # fmt: skip
    lidar.add_argument("--occupancy", default="occupancy", metavar="MODEL",
                       help="model of --generated (default: occupancy)")  # fmt: skip
    lidar.set_defaults(command=_eval_lidar)
    sweeps = names.add_parser("sweeps", help="effects of real sweeps in ours")
    sweeps.add_argument("--real", type=path_argument, metavar="FOLDER", help="PandaSet's sequence 002 to compare with")
    sweeps.add_argument("--json", type=path_argument, metavar="FILE", help="also write the rows to this file")
    sweeps.set_defaults(command=_eval_sweeps)
    cameras = names.add_parser("cameras", help="camera engines against exact buffers, in held-out towns")
    cameras.add_argument("--engines", default="raycast,splat", metavar="NAME,...",
                         help="(default: raycast,splat)")  # fmt: skip
    cameras.add_argument("--towns", type=positive_integer, default=4, metavar="N", help="(default: 4)")
    cameras.add_argument("--json", type=path_argument, metavar="FILE", help="also write the rows to this file")
    cameras.set_defaults(command=_eval_cameras)
    street = names.add_parser("lift", help="pictures of a lifted street, beside those that were held out")
    street.add_argument("folder", type=path_argument, metavar="FOLDER",
                        help="PandaSet's sequence 002, with depths; or a recording of ours (.mcap)")  # fmt: skip
    street.add_argument("--validation", action="store_true", help="judge frames 50 to 59, lifted from 0 to 49")
    street.add_argument("--every", type=positive_integer, default=1, metavar="N", help="judge one picture of N")
    street.add_argument("--rounds", type=positive_integer, default=4, metavar="N", help="as for `lift` (default: 4)")
    street.add_argument("--json", type=path_argument, metavar="FILE", help="also write the rows to this file")
    street.add_argument("--pictures", type=path_argument, metavar="FOLDER", help="write each judged picture, and ours")
    street.set_defaults(command=_eval_lift)
    appearance = names.add_parser("appearance", help="painters: on held-out towns, or beside photographs of a street")
    appearance.add_argument("--model", default="appearance", help="of the zoo, or a folder (default: appearance)")
    appearance.add_argument("--data", type=path_argument, default=_DATA,
                            help=f"coloured tiles of held-out towns, made if missing (default: {_DATA})")  # fmt: skip
    appearance.add_argument("--photographs", type=path_argument, metavar="FOLDER",
                            help="PandaSet's sequence 002: compare --engines with its held-out pictures")  # fmt: skip
    appearance.add_argument("--lifted", type=path_argument, metavar="FOLDER", help="what `lift` made of --photographs")
    appearance.add_argument("--use", action="store_true",
                            help="train a network to segment on images of --engines, judge it on raycast")  # fmt: skip
    appearance.add_argument("--engines", nargs="+", default=["raycast", "splat"], metavar="NAME",
                            help="camera engines with options (default: raycast splat)")  # fmt: skip
    appearance.add_argument("--every", type=positive_integer, default=3, metavar="N",
                            help="of --photographs: one of N (default: 3)")  # fmt: skip
    appearance.add_argument("--json", type=path_argument, metavar="FILE", help="also write the rows to this file")
    appearance.add_argument("--device", **_DEVICE)
    appearance.set_defaults(command=_eval_appearance)
    add_driving_evaluation(names)
    for one, what, drawn in ((occupancy, "windows", "windows of --data, or the edits of --edits"),
                             (lidar, "sweeps", "sweeps of --data")):  # fmt: skip
        one.add_argument("--data", type=path_argument, help=f"{what} of towns (default: made for this evaluation)")
        one.add_argument("--json", type=path_argument, metavar="FILE", help="also write the rows to this file")
        one.add_argument("--picture", type=path_argument, metavar="PNG", help=f"draw some of the {drawn}")
        one.add_argument("--device", **_DEVICE)


def _train_data(arguments: argparse.Namespace) -> int:
    held_out = arguments.held_out
    if arguments.source is not None:
        from uniscene_sim.datasets.formats.convert import convert

        if arguments.images:
            raise InputError("are of seeded towns, not of --from", field="--images")
        if held_out:
            raise InputError("names towns of --maps; --from FORMAT FOLDER has no names", field="--held-out")
        kind, folder = arguments.source
        if kind == "recording":
            from uniscene_sim.datasets.captured import captured_windows

            if arguments.sweeps:
                raise InputError("are of recorded streets; a recording has none in this form", field="--sweeps")
            print(captured_windows(Path(folder), arguments.data, held_out=held_out is not None, every=arguments.every))
            return 0
        options = {"held_out": held_out is not None, "every": arguments.every, "sweeps": arguments.sweeps}
        for path in convert(kind, Path(folder), arguments.data, **options):
            print(path)
        return 0
    if arguments.sweeps:
        raise InputError("is of recorded streets, expected --from FORMAT FOLDER too", field="--sweeps")
    if arguments.rig is not None and not arguments.images:
        raise InputError("is of images, expected --images too", field="--rig")
    if arguments.images:
        from uniscene_sim.datasets.make_datasets import image_data

        if arguments.maps is not None or arguments.xodr is not None or held_out is not None:
            raise InputError("are of seeded towns, expected none of --maps, --xodr, --held-out", field="--images")
        cameras = rig_of(arguments.rig or "nuscenes-small").cameras
        image_data(arguments.data, cameras, arguments.towns, arguments.jobs)
        print(arguments.data / "images")
        return 0
    if arguments.maps is not None:
        from uniscene_sim.datasets.real_towns import make_real_data

        make_real_data(arguments.data, arguments.maps, held_out or [], arguments.windows)
    elif held_out is not None:
        raise InputError("is of recorded streets or real maps, expected --from or --maps too", field="--held-out")
    else:
        from uniscene_sim.datasets.make_datasets import train_data

        train_data(arguments.data, arguments.towns, arguments.jobs, arguments.xodr)
    print(arguments.data)
    return 0


def _train(arguments: argparse.Namespace) -> int:
    from uniscene_sim.zoo.models import require_learned

    require_learned("spconv")
    from uniscene_sim.cli.train import train_appearance, train_features, train_lidar, train_occupancy
    from uniscene_sim.zoo.models import CARD, CONFIG

    with Outputs() as outputs:  # told before hours of training
        outputs.folder(arguments.out, (CARD, CONFIG), "--out")
        outputs.folder(arguments.work, (), "--work")
        outputs.folder(arguments.data, (), "--data")
    folders = arguments.data, arguments.work, arguments.out
    if arguments.name == "lidar":
        train_lidar(*folders, arguments.recipe, arguments.device, arguments.real)
    elif arguments.name == "appearance":
        train_appearance(*folders, arguments.recipe, arguments.device, arguments.lifted)
    elif arguments.name in ("occdit", "occ-uniscene"):
        from uniscene_sim.cli.train_clips import train_clips

        train_clips(arguments.name, *folders, arguments.recipe, arguments.device)
    else:
        train = {"occupancy": train_occupancy, "features": train_features}[arguments.name]
        train(*folders, arguments.recipe, arguments.device)
    print(arguments.out)
    return 0


def _train_sensor(arguments: argparse.Namespace) -> int:
    from uniscene_sim.datasets.pandaset_sweeps import PandaSetSweeps
    from uniscene_sim.training.sensor import as_json, measure_sensor

    with Outputs() as outputs:
        part = outputs.file(arguments.out, "--out")
        sensor = measure_sensor(PandaSetSweeps(arguments.real))
        source = f"PandaSet, {arguments.real.name}, frames 0 to 55, Pandar64; CC BY 4.0, (c) Hesai and Scale AI"
        with told(arguments.out, "--out"):
            part.write_text(as_json(sensor, source), encoding="utf-8")
        outputs.publish()
    print(arguments.out)
    return 0


def _eval_occupancy(arguments: argparse.Namespace) -> int:
    from uniscene_sim.zoo.models import require_learned

    if arguments.over_time and arguments.edits is not None:
        raise InputError("is another question than --over-time, expected one of them", field="--edits")
    asked = "--over-time" if arguments.over_time else "" if arguments.edits is None else "--edits"
    require_used(arguments, _OF_OCCUPANCY, asked)
    require_learned()
    if asked:
        from uniscene_sim.cli.over_time import eval_edits, eval_over_time

        return eval_over_time(arguments) if asked == "--over-time" else eval_edits(arguments)
    from uniscene_sim.evaluation.features import OccupancyFeatures
    from uniscene_sim.evaluation.held_out import read_held_out
    from uniscene_sim.evaluation.makers import makers_of
    from uniscene_sim.evaluation.occupancy import evaluate_occupancy
    from uniscene_sim.evaluation.pictures import occupancy_comparison_picture
    from uniscene_sim.evaluation.score_table import OCCUPANCY_TABLES, as_markdown_tables, as_nested_records
    from uniscene_sim.occupancy.learned.model import OccupancyModel

    _require_data(arguments)
    if arguments.predictions is not None and arguments.data is None:
        raise InputError("are for windows of --data, expected its folder", field="--predictions")
    name, windows = arguments.model or "occupancy", arguments.windows or 32
    model = OccupancyModel.load(name, arguments.device)
    model.steps = arguments.steps or model.steps
    model.guidance = model.guidance if arguments.guidance is None else arguments.guidance
    judge = OccupancyFeatures.load(arguments.features or "occupancy_features")
    with Outputs() as outputs:
        write, draw = json_writer(outputs, arguments.json), picture_writer(outputs, arguments.picture)
        table = evaluate_occupancy(
            model, arguments.data, windows, judge=judge, predictions=arguments.predictions,
            maps=arguments.maps, engine_towns=arguments.engine_towns or 2, learned_from=makers_of(name),
        )  # fmt: skip
        write(as_nested_records(table.rows))
        if draw is not None:
            scenes = read_held_out(arguments.data / "test", windows)
            draw(occupancy_comparison_picture(model, scenes[0]))
        outputs.publish()
    print(f"{table.head}\n\n{as_markdown_tables(table.rows, OCCUPANCY_TABLES)}")
    return 0


def _eval_lidar(arguments: argparse.Namespace) -> int:
    from uniscene_sim.zoo.models import require_learned

    require_learned("spconv")
    from uniscene_sim.datasets.logs.pandaset import is_pandaset
    from uniscene_sim.datasets.pandaset_sweeps import PandaSetSweeps
    from uniscene_sim.datasets.sweeps import read_all_sweeps
    from uniscene_sim.evaluation.foreign_predictions import ForeignPredictions
    from uniscene_sim.evaluation.generated_occupancy import through_generated
    from uniscene_sim.evaluation.learned_lidar import learned_predictors, real_predictors
    from uniscene_sim.evaluation.lidar import baselines, evaluate_lidar
    from uniscene_sim.evaluation.lidar_pictures import lidar_comparison_picture
    from uniscene_sim.evaluation.ray_predictors import FirstHitBaseline
    from uniscene_sim.evaluation.real_lidar import REAL_TABLES, score_on_real
    from uniscene_sim.evaluation.real_questions import write_questions
    from uniscene_sim.evaluation.real_sweeps import compare_with_real
    from uniscene_sim.evaluation.score_table import as_markdown, as_markdown_tables, as_nested_records
    from uniscene_sim.occupancy.learned.model import OccupancyModel

    _require_data(arguments)
    street = PandaSetSweeps(arguments.real) if arguments.real is not None and is_pandaset(arguments.real) else None
    if arguments.write_rays is not None:
        if street is None:
            raise InputError("writes the rays of PandaSet's sequence 002, expected --real too", field="--write-rays")
        print(*write_questions(street, arguments.write_rays), sep="\n")
        return 0
    if arguments.predictions is not None and arguments.data is None and street is None:
        raise InputError("holds predictions of the rays of --data or --real, expected its folder",
                         field="--predictions")  # fmt: skip
    predictors = learned_predictors(arguments.model, arguments.also, arguments.device)
    others = [] if arguments.predictions is None else [ForeignPredictions(arguments.predictions)]
    real: Sequence[Any] = []
    table = ""
    with Outputs() as outputs:
        write, draw = json_writer(outputs, arguments.json), picture_writer(outputs, arguments.picture)
        if street is not None:
            shipped = real_predictors(arguments.model, arguments.also, arguments.device)
            real = score_on_real(street, [*shipped, *others])
            table = as_markdown_tables(real, REAL_TABLES)
        elif arguments.real is not None:
            real = compare_with_real(arguments.real, [*baselines(), predictors[0]])
            table = as_markdown(real)
        # Towns that are made for this evaluation are no others'.
        of_towns = [one for one in others if arguments.data is not None and (street is None or one.has("sweeps_*"))]
        generated = []
        if arguments.generated is not None:
            generated = through_generated(predictors[0], OccupancyModel.load(arguments.occupancy, arguments.device))
        rows = evaluate_lidar(
            [*predictors, *of_towns], arguments.data, arguments.towns,
            generated=generated, generated_sweeps=arguments.generated or 0,
        )  # fmt: skip
        write(as_nested_records([*rows, *real]))
        if draw is not None:
            towns = read_all_sweeps(arguments.data / "test", arguments.towns)
            draw(lidar_comparison_picture([FirstHitBaseline(), predictors[0]], towns))
        outputs.publish()
    print(as_markdown(rows))
    if table:
        print("\n" + table)
    return 0


def _eval_sweeps(arguments: argparse.Namespace) -> int:
    from uniscene_sim.evaluation.score_table import as_markdown, as_records
    from uniscene_sim.evaluation.sweep_effects import compare_effects

    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        rows = compare_effects(arguments.real)
        write(as_records(rows))
        outputs.publish()
    print(as_markdown(rows))
    return 0


def _eval_cameras(arguments: argparse.Namespace) -> int:
    from uniscene_sim.evaluation.cameras import evaluate_cameras
    from uniscene_sim.evaluation.score_table import as_markdown, as_records

    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        rows = evaluate_cameras(arguments.engines.split(","), arguments.towns)
        write(as_records(rows))
        outputs.publish()
    print(as_markdown(rows))
    return 0


def _eval_appearance(arguments: argparse.Namespace) -> int:
    from uniscene_sim.evaluation.score_table import as_markdown, as_records
    from uniscene_sim.zoo.models import require_learned

    require_learned()
    if (arguments.photographs is None) != (arguments.lifted is None):
        raise InputError("belongs to --photographs, expected both or none", field="--lifted")
    if arguments.use and arguments.photographs is not None:
        raise InputError("is another question than --photographs, expected one of them", field="--use")
    rows: Sequence[Any]
    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        if arguments.photographs is not None:
            from uniscene_sim.evaluation.painted_street import judge_street

            rows = judge_street(arguments.photographs, arguments.lifted, arguments.engines, arguments.every)
        elif arguments.use:
            from uniscene_sim.evaluation.segmenter import evaluate_use

            rows = evaluate_use([name for name in arguments.engines if name != "raycast"])
        else:
            from uniscene_sim.camera.splat.learned.model import PainterModel
            from uniscene_sim.datasets.coloured_tiles import PAINTED_TOWNS, make_town_tiles, read_coloured_tiles
            from uniscene_sim.evaluation.appearance import evaluate_appearance

            model = PainterModel.load(arguments.model, arguments.device)
            make_town_tiles(arguments.data, "test", *PAINTED_TOWNS["test"])
            rows = evaluate_appearance(model, read_coloured_tiles(arguments.data / "test"))
        write(as_records(rows))
        outputs.publish()
    print(as_markdown(rows))
    return 0


def _eval_lift(arguments: argparse.Namespace) -> int:
    from uniscene_sim.evaluation.lifted_street import evaluate_lift, evaluate_own_lift
    from uniscene_sim.evaluation.score_table import as_markdown, as_records

    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        pictures = outputs.folder(arguments.pictures, (), "--pictures") if arguments.pictures else None
        rows: Sequence[Any]
        if arguments.folder.suffix == ".mcap":
            rows = evaluate_own_lift(arguments.folder, rounds=arguments.rounds, pictures=pictures)
        else:
            rows = evaluate_lift(
                arguments.folder, validation=arguments.validation, every=arguments.every, rounds=arguments.rounds,
                pictures=pictures,
            )  # fmt: skip
        write(as_records(rows))
        outputs.publish()
    print(as_markdown(rows))
    return 0


def _require_data(arguments: argparse.Namespace) -> None:
    if arguments.picture is not None and arguments.data is None:
        raise InputError("draws some of --data, expected its folder", field="--picture")
