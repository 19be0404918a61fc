"""`uniscene-sim train`: trains models of the zoo and evaluates them as they were written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from uniscene_sim.camera.splat.learned.model import PainterModel
from uniscene_sim.datasets.coloured_tiles import PAINTED_TOWNS, make_lifted_tiles, make_town_tiles, read_coloured_tiles
from uniscene_sim.datasets.make_datasets import make_all_sweeps, train_data
from uniscene_sim.datasets.pandaset_sweeps import PandaSetSweeps
from uniscene_sim.datasets.sweeps import TownSweeps, read_all_sweeps
from uniscene_sim.datasets.windows import REAL_TRAIN, Windows, read_split
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.appearance import evaluate_appearance
from uniscene_sim.evaluation.features import OccupancyFeatures
from uniscene_sim.evaluation.learned_lidar import LearnedRayPredictor, real_predictors
from uniscene_sim.evaluation.lidar import LIDAR_TABLES, evaluate_lidar
from uniscene_sim.evaluation.occupancy import evaluate_occupancy
from uniscene_sim.evaluation.real_lidar import REAL_TABLES, score_on_real
from uniscene_sim.evaluation.score_table import OCCUPANCY_TABLES, as_markdown, as_markdown_tables
from uniscene_sim.lidar.learned.model import LidarModel
from uniscene_sim.occupancy.learned.dit import DiTConfig
from uniscene_sim.occupancy.learned.model import OccupancyModel
from uniscene_sim.occupancy.learned.unet import UNetConfig
from uniscene_sim.storage.input_file import files_in
from uniscene_sim.training.appearance import (
    ON_PICTURES,
    AppearanceRecipe,
    save_appearance,
    train_paint_flow,
    train_paint_vae,
)
from uniscene_sim.training.card import (
    appearance_card,
    device_name,
    features_card,
    lidar_card,
    occupancy_card,
    real_lidar_card,
)
from uniscene_sim.training.features import FeaturesRecipe, save_features
from uniscene_sim.training.features import train_features as trained_features
from uniscene_sim.training.lidar import ON_REAL, LidarRecipe, save_lidar, train_sdf
from uniscene_sim.training.occupancy import OccupancyRecipe, save_occupancy, train_decoder, train_flow, train_vae
from uniscene_sim.training.recipe_file import read_recipe
from uniscene_sim.zoo.torch_device import pick_device

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["WindowLessons", "millions", "train_appearance", "train_features", "train_lidar", "train_occupancy",
           "window_lessons", "windows_facts"]  # fmt: skip


def train_occupancy(
    data: Path, work: Path, out: Path, recipe_file: Path | None = None, device: str | None = None
) -> None:
    """Train the VAE and the flow and write them as a model of the zoo, with its card.

    Args:
        data: folder of windows: of towns, which are made if missing, in `train` and `validation`; of real maps and
            recordings in `real_train`, if there are any.
        work: folder of checkpoints and logs; a stopped training resumes from it.
        out: folder of the model.
        recipe_file: YAML with changes to the recipe.
        device: "cpu" or "cuda"; None for cuda if available.

    Raises:
        InputError: damaged data, an invalid recipe, or a folder that cannot be written to.
    """
    recipe = OccupancyRecipe()
    if recipe_file is not None:
        recipe = read_recipe(recipe_file, recipe, {"net": {"unet": UNetConfig, "dit": DiTConfig}})
    torch_device = pick_device(device)
    lessons = window_lessons(data)
    training, validation = lessons.towns + lessons.real, lessons.validation
    vae = train_vae(recipe, training, validation, work, torch_device)
    vae = train_decoder(recipe, vae, training, validation, work, torch_device)
    flow = train_flow(recipe, vae, training, validation, work, torch_device)
    facts = windows_facts(out, recipe.seed, training, torch_device) | {
        "ratio": recipe.vae.ratio,
        "flow": "convolutional U-Net" if isinstance(recipe.net, UNetConfig) else "transformer",
        "vae_parameters": millions(vae),
        "flow_parameters": millions(flow),
    }
    save_occupancy(out, recipe, vae, flow, facts, occupancy_card(facts, work, ""))
    # Evaluated as it was written, in half precision.
    model, judge = OccupancyModel.load(out, device), OccupancyFeatures.load()
    table = evaluate_occupancy(model, data, judge=judge, learned_from=facts["makers"])
    scores = f"{table.head}\n\n{as_markdown_tables(table.rows, OCCUPANCY_TABLES)}"
    save_occupancy(out, recipe, vae, flow, facts, occupancy_card(facts, work, scores))


def train_features(
    data: Path, work: Path, out: Path, recipe_file: Path | None = None, device: str | None = None
) -> None:
    """Train the networks in whose features occupancy is compared, and write them as a model of the zoo.

    Args:
        data: folder of windows of towns, which are made if missing.
        work, out, recipe_file, device: as for `train_occupancy`.

    Raises:
        InputError: as for `train_occupancy`.
    """
    recipe = FeaturesRecipe()
    if recipe_file is not None:
        recipe = read_recipe(recipe_file, recipe, {})
    torch_device = pick_device(device)
    if not files_in(data / "train", "*.npz"):
        train_data(data)
    training = read_split(data / "train")
    nets = trained_features(recipe, training, work, torch_device)
    facts = windows_facts(out, recipe.seed, training, torch_device) | {
        "parameters": sum(map(millions, nets.values())),
    }
    save_features(out, nets, facts, features_card(facts, work))


def train_lidar(
    data: Path,
    work: Path,
    out: Path,
    recipe_file: Path | None = None,
    device: str | None = None,
    real: Path | None = None,
) -> None:
    """Train the network of `sparse-sdf` and write it as a model of the zoo, with its card.

    Args:
        data: folder of sweeps of towns, which are made if missing.
        work, out, recipe_file, device: as for `train_occupancy`.
        real: PandaSet's sequence 002, to continue the shipped model on its frames 0 to 55; its held-out frames judge.

    Raises:
        InputError: as for `train_occupancy`.
    """
    recipe = LidarRecipe() if real is None else replace(LidarRecipe(), **ON_REAL)
    if recipe_file is not None:
        recipe = read_recipe(recipe_file, recipe, {})
    torch_device = pick_device(device)
    street = None if real is None else PandaSetSweeps(real)
    training, validation = _lessons(data, recipe, street)
    net = train_sdf(recipe, training, validation, work, torch_device, 500 if real is None else 100)
    sweeps = [sweep for town in training for sweep in town.sweeps]
    facts = {
        "name": out.name,
        "seed": recipe.seed,
        "towns": len(training) if real is None else recipe.towns,
        "sweeps": len(sweeps),
        "sensors": len({(sweep.max_range_m, sweep.detect_range_m) for sweep in sweeps}),
        "device": device_name(torch_device.type),
        "samples": recipe.net.samples,
        "parameters": millions(net),
    }
    facts |= {"start": recipe.start} if recipe.start else {}
    card = lidar_card if street is None else real_lidar_card
    save_lidar(out, recipe, net, facts, card(facts, work, ""))
    if street is None:
        rows = evaluate_lidar([LearnedRayPredictor(LidarModel.load(out, device))], data)
        table = as_markdown_tables(rows, LIDAR_TABLES)
    else:
        judged = score_on_real(street, real_predictors(recipe.start or out, [out] if recipe.start else [], device))
        table = as_markdown_tables(judged, REAL_TABLES)
        shares = " and ".join(f"{100 * row.seen:.0f} % ({row.data})" for row in judged[:: len(judged) // 2])
        table += f"\n\nOf the returns {shares} lie in a cell."
    save_lidar(out, recipe, net, facts, card(facts, work, table))


def train_appearance(
    data: Path,
    work: Path,
    out: Path,
    recipe_file: Path | None = None,
    device: str | None = None,
    lifted: Sequence[Path] = (),
) -> None:
    """Train the painter of `splat` and write it as a model of the zoo, with its card.

    Args:
        data: folder of coloured tiles of towns, which are made if missing, in `train` and `validation`.
        work, out, recipe_file, device: as for `train_occupancy`.
        lifted: streets that `lift` wrote, to continue the shipped model on the colours of their pictures.

    Raises:
        InputError: as for `train_occupancy`.
    """
    recipe = AppearanceRecipe() if not lifted else replace(AppearanceRecipe(), **ON_PICTURES)
    if recipe_file is not None:
        recipe = read_recipe(recipe_file, recipe, {})
    torch_device = pick_device(device)
    if lifted:
        if len({street.resolve().name for street in lifted}) < len(lifted):
            raise InputError("expected folders of different names", field="--lifted")
        files = [file for street in lifted for file in make_lifted_tiles(data / "pictures", street)]
        training = validation = read_coloured_tiles(files)
    else:
        for split in ("train", "validation"):
            make_town_tiles(data, split, *PAINTED_TOWNS[split])
        training, validation = (read_coloured_tiles(data / split) for split in ("train", "validation"))
    start = PainterModel.load(recipe.start, device) if recipe.start else None
    if start is not None and (start.vae.config, start.flow.config) != (recipe.vae, recipe.net):
        raise InputError(f"expected the sizes of the model {recipe.start} that is gone on with", file=recipe_file,
                         field="vae, net")  # fmt: skip
    vae = train_paint_vae(recipe, training, validation, work, torch_device, start.vae if start else None)
    flow = train_paint_flow(recipe, vae, training, validation, work, torch_device, start.flow if start else None)
    facts = {
        "name": out.name,
        "seed": recipe.seed,
        "makers": dict(sorted(Counter(tile.maker for tile in training).items())),
        "tiles": len(training),
        "lifted": bool(lifted),
        "start": recipe.start,
        "device": device_name(torch_device.type),
        "vae_parameters": millions(vae),
        "flow_parameters": millions(flow),
    }
    save_appearance(out, recipe, vae, flow, facts, appearance_card(facts, work, ""))
    rows = evaluate_appearance(PainterModel.load(out, device), validation)
    save_appearance(out, recipe, vae, flow, facts, appearance_card(facts, work, as_markdown(rows)))


def _lessons(data: Path, recipe: LidarRecipe, real: PandaSetSweeps | None) -> tuple[list[TownSweeps], list[TownSweeps]]:
    """Sweeps to train on and to check with."""
    towns = real is None or recipe.towns > 0
    if towns and not files_in(data / "train", "sweeps_*.npz"):
        make_all_sweeps(data)
    if real is None:
        return read_all_sweeps(data / "train"), read_all_sweeps(data / "validation")
    training, validation = real.lessons()
    return training + (read_all_sweeps(data / "train", recipe.towns) if towns else []), validation


class WindowLessons(NamedTuple):
    """Windows to train on and to check with."""

    towns: list[Windows]
    real: list[Windows]  # of towns and recordings of one's own, beside the seeded ones
    validation: list[Windows]


def window_lessons(data: Path) -> WindowLessons:
    """The windows in a folder; those of seeded towns are made if they are missing."""
    if not files_in(data / "train", "*.npz"):
        train_data(data)
    real = read_split(data / REAL_TRAIN) if files_in(data / REAL_TRAIN, "*.npz") else []
    return WindowLessons(read_split(data / "train"), real, read_split(data / "validation"))


def windows_facts(out: Path, seed: int, training: Sequence[Windows], device: torch.device) -> dict[str, Any]:
    """What the card of a model tells of a training on windows."""
    return {
        "name": out.name,
        "seed": seed,
        "makers": _makers(training),
        "towns": len(training),
        "windows": sum(map(len, training)),
        "device": device_name(device.type),
    }


def _makers(training: Sequence[Windows]) -> dict[str, int]:
    """Number of windows by who made the maps or recordings."""
    makers = sorted({windows.maker for windows in training})
    return {maker: sum(len(windows) for windows in training if windows.maker == maker) for maker in makers}


def millions(net: nn.Module) -> float:
    """Number of parameters, in millions."""
    return sum(p.numel() for p in net.parameters()) / 1e6
