"""What each part of `occdit` is worth: models without one part each, trained and judged alike.

    python docs/train_occupancy_ablations.py [--data data] [--work ablations] [--frames 600] [--clips 300]
    python docs/train_occupancy_ablations.py --ratios        # VAEs of compression ratios 512, 128 and 32 instead

Each model learns as many steps, from the same windows and over the latents of one VAE, that of the shipped `occdit`.
Models whose networks are alike share their steps on single frames. All are judged on towns of the validation split,
with a decoder that is not told the layout: what a flow forgets, a decoder must not mend. Trainings and scores are kept
in a folder as they are made, so that a run which was stopped goes on where it was; the defaults take two to three hours
of one core.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from uniscene_sim.cli.train import millions, window_lessons
from uniscene_sim.datasets.drives import SPLITS
from uniscene_sim.datasets.windows import Windows
from uniscene_sim.evaluation.over_time.drives import DriveSet, make_test_drives
from uniscene_sim.evaluation.over_time.evaluate import forecast, roll_out
from uniscene_sim.evaluation.over_time.rows import WindowRow
from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig
from uniscene_sim.occupancy.temporal.engine import OccDiTWindow
from uniscene_sim.occupancy.temporal.model import ClipOccupancy
from uniscene_sim.storage.output_file import write_file
from uniscene_sim.training.card import read_log
from uniscene_sim.training.clip_flow import ClipFlowRecipe, train_clip_flow
from uniscene_sim.training.loop import Schedule
from uniscene_sim.training.occupancy import train_vae
from uniscene_sim.zoo.models import load_model
from uniscene_sim.zoo.networks import load_network
from uniscene_sim.zoo.torch_device import pick_device

SHIPPED = "occdit"
LATENTS = (4, 16, 64)  # channels
COLUMNS = {
    "minutes": "minutes", "parameters": "M parameters", "layout_1s": "layout 1 s", "layout_10s": "10 s",
    "steady": "steady", "miou_1s": "mIoU 1 s", "miou_3s": "3 s",
}  # fmt: skip


def _net(**changes: bool | int) -> Callable[[ClipFlowRecipe], ClipFlowRecipe]:
    return lambda recipe: replace(recipe, net=replace(recipe.net, **changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Ablation:
    """A model without a part of the method."""

    name: str
    change: Callable[[ClipFlowRecipe], ClipFlowRecipe]
    same_frames: bool = False  # as the whole model, in the phase of single frames


WHOLE = Ablation("all of it", lambda recipe: recipe)
ABLATIONS = (
    WHOLE,
    Ablation("no attention over time", _net(temporal=False)),
    Ablation("past as noisy as the frame (no teacher forcing)", lambda recipe: replace(recipe, teacher=False), True),
    Ablation("no past of its own making", lambda recipe: replace(recipe, own_history=0.0), True),
    Ablation("layout added, not joined", _net(joined=False)),
    Ablation("no embedding of empty cells", _net(learned_empty=False)),
    Ablation("no convolutions at latent cells", _net(fine=0)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="of `uniscene-sim train data`")
    parser.add_argument("--work", type=Path, default=Path("ablations"), help="folder of trainings and scores")
    parser.add_argument("--frames", type=int, default=600, help="steps on single frames")
    parser.add_argument("--clips", type=int, default=300, help="steps on clips")
    parser.add_argument("--ratios", action="store_true", help="train VAEs of three compression ratios instead")
    parser.add_argument("--towns", type=int, default=2, help="to judge in")
    parser.add_argument("--drive-s", type=float, default=15.0, help="length of a drive")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    towns, real, validation = window_lessons(arguments.data)
    if arguments.ratios:
        print(_table([_ratio(latent, towns, validation, arguments.work) for latent in LATENTS]))
        return
    base = ClipFlowRecipe(
        frames_schedule=Schedule(arguments.frames, 1e-3, decay=0.0, average=0.99),
        clips_schedule=Schedule(arguments.clips, 8e-4, decay=0.5, average=0.99), seed=arguments.seed,
    )  # fmt: skip
    vae = _shipped_vae()
    for ablation in ABLATIONS:
        _train(ablation, base, vae, towns + real, validation, arguments.work)
    judged = make_test_drives(arguments.towns, arguments.drive_s, SPLITS["validation"].start)
    rows = [_scores(ablation, base, vae, arguments.work, judged, (towns + real, validation)) for ablation in ABLATIONS]
    print(_table(rows))


def _ratio(latent: int, towns: Sequence[Windows], validation: Sequence[Windows], work: Path) -> dict[str, object]:
    """What a VAE with some channels of latents gives back of held-out windows, its decoder not told the layout."""
    still = ClipFlowRecipe().still
    recipe = replace(still, vae=replace(still.vae, latent=latent))
    folder = work / f"ratio_{recipe.vae.ratio:.0f}"
    vae = train_vae(recipe, towns, validation, folder, pick_device(None))
    last = read_log(folder / "vae.jsonl")[-1]
    return {"ratio": round(recipe.vae.ratio), "minutes": last["seconds"] / 60, "M parameters": millions(vae),
            "mIoU": last["miou"], "IoU": last["iou"]}  # fmt: skip


def _shipped_vae() -> OccupancyVae:
    model = load_model(SHIPPED)
    return load_network(model, "vae", lambda sizes: OccupancyVae(VaeConfig(**sizes))).eval().requires_grad_(False)


def _train(
    ablation: Ablation, base: ClipFlowRecipe, vae: OccupancyVae, training: Sequence[Windows],
    validation: Sequence[Windows], work: Path,
) -> tuple[ClipFlowRecipe, nn.Module]:  # fmt: skip
    """The recipe of a model and its network, trained or read back."""
    recipe, folder = ablation.change(base), _folder(work, ablation)
    if ablation.same_frames and not folder.exists():
        folder.mkdir(parents=True)
        for file in ("frames.ckpt", "frames.jsonl"):
            shutil.copy(_folder(work, WHOLE) / file, folder)
    if not recipe.net.temporal:  # as long as the others
        steps = base.frames_schedule.steps + base.clips_schedule.steps * base.clips_batch * base.frames // 8
        recipe = replace(recipe, frames_schedule=replace(base.clips_schedule, steps=steps))
    return recipe, train_clip_flow(recipe, vae, training, validation, folder, pick_device(None))


def _folder(work: Path, ablation: Ablation) -> Path:
    return work / "".join(c if c.isalnum() else "_" for c in ablation.name)


def _scores(
    ablation: Ablation, base: ClipFlowRecipe, vae: OccupancyVae, work: Path, judged: DriveSet,
    lessons: tuple[Sequence[Windows], Sequence[Windows]],
) -> dict[str, object]:  # fmt: skip
    """Scores of a model, by name; kept beside its training."""
    kept = _folder(work, ablation) / "scores.json"
    if not kept.exists():
        recipe, net = _train(ablation, base, vae, *lessons, work)
        past = recipe.past if recipe.net.temporal else 0
        model = ClipOccupancy("ablation", vae, net, "", steps=recipe.steps, past=past, shift=recipe.shift)
        untold = OccDiTWindow.Options(told=False)
        row = WindowRow(ablation.name, lambda town, seed: OccDiTWindow(town, seed, model, options=untold))
        logs = [log for name in ("frames", "clips") if (log := read_log(_folder(work, ablation) / f"{name}.jsonl"))]
        scores = asdict(forecast(row, judged, roll_out(row, judged)))
        scores |= {"minutes": sum(log[-1]["seconds"] for log in logs) / 60, "parameters": millions(net)}
        write_file(kept, json.dumps(scores).encode() + b"\n")
    scores = json.loads(kept.read_text(encoding="utf-8"))
    return {"model": scores["name"]} | {column: scores[name] for name, column in COLUMNS.items()}


def _table(rows: Sequence[dict[str, object]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    for row in rows:
        cells = [f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
