"""`uniscene-sim train occdit` and `train occ-uniscene`."""

from __future__ import annotations

from pathlib import Path

from uniscene_sim.cli.train import millions, window_lessons, windows_facts
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.features import OccupancyFeatures
from uniscene_sim.evaluation.over_time.drives import make_test_drives
from uniscene_sim.evaluation.over_time.scores import OVER_TIME_TABLES
from uniscene_sim.evaluation.over_time.table import over_time_table
from uniscene_sim.evaluation.score_table import as_markdown_tables
from uniscene_sim.occupancy.temporal.occ_uniscene import OccUniSceneConfig
from uniscene_sim.training.card import read_log
from uniscene_sim.training.clip_card import clip_card
from uniscene_sim.training.clip_flow import ClipFlowRecipe, save_clip_flow, told_decoder, train_clip_flow
from uniscene_sim.training.loop import Schedule
from uniscene_sim.training.occupancy import train_decoder, train_vae
from uniscene_sim.training.recipe_file import read_recipe
from uniscene_sim.training.temporal_decoder import train_temporal_decoder
from uniscene_sim.zoo.torch_device import pick_device

__all__ = ["train_clips"]

_OVER_TIME = Schedule(400, 6e-4, decay=0.5, average=0.995)  # of a decoder that learns to see a clip
_RECIPES = {
    "occdit": ClipFlowRecipe(),
    "occ-uniscene": ClipFlowRecipe(net=OccUniSceneConfig(fine=64), steps=2, shift=1.0, decoder_schedule=_OVER_TIME),
}


def train_clips(
    kind: str, data: Path, work: Path, out: Path, recipe_file: Path | None = None, device: str | None = None
) -> None:
    """Train a VAE and a flow over clips and write them as a model of the zoo, with its card.

    Args:
        kind: "occdit" or "occ-uniscene".
        data: folder of windows: of towns, which are made if missing, in `train` and `validation`; of real maps and
            recordings in `real_train`, if there are any. The VAE learns from towns, the flow from all.
        work: folder of checkpoints and logs; a stopped training resumes from it.
        out: folder of the model.
        recipe_file: YAML with changes to the recipe.
        device: "cpu" or "cuda"; None for cuda if available.

    Raises:
        InputError: damaged data, an invalid recipe, or a folder that cannot be written to.
    """
    recipe = _RECIPES[kind]
    if recipe_file is not None:
        recipe = read_recipe(recipe_file, recipe, {})
    if recipe.net.latent != recipe.still.vae.latent:
        raise InputError(f"expected the latent channels of the VAE, {recipe.still.vae.latent}, got {recipe.net.latent}",
                         file=recipe_file, field="net.latent")  # fmt: skip
    torch_device = pick_device(device)
    towns, real, validation = window_lessons(data)
    training = towns + real
    vae = train_vae(recipe.still, towns, validation, work, torch_device)
    flow = train_clip_flow(recipe, vae, training, validation, work, torch_device)
    if kind == "occdit" and recipe.decoder_told:
        vae = train_decoder(told_decoder(recipe), vae, towns, validation, work, torch_device)
    if kind == "occ-uniscene":
        vae = train_temporal_decoder(recipe.still, recipe.decoder_schedule, vae, towns, validation, work, torch_device)
    facts = windows_facts(out, recipe.seed, training, torch_device) | {
        "kind": kind,
        "ratio": recipe.still.vae.ratio,
        "decoder_told": vae.config.told,
        "past": recipe.past,
        "frames": recipe.frames,
        "vae_parameters": millions(vae),
        "flow_parameters": millions(flow),
        "minutes": round(sum(log[-1]["seconds"] for log in map(read_log, work.glob("*.jsonl")) if log) / 60, 1),
    }
    save_clip_flow(out, recipe, vae, flow, facts, clip_card(facts, work, ""))
    # Judged as it was written, in half precision.
    rows = over_time_table([out], [make_test_drives(2, 60.0)], OccupancyFeatures.load(), device, tiles=False)
    save_clip_flow(out, recipe, vae, flow, facts, clip_card(facts, work, as_markdown_tables(rows, OVER_TIME_TABLES)))
