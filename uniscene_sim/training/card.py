"""Model cards: data, duration, loss curves and evaluation of a training."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.storage.input_file import MIB, read_text, reading

__all__ = ["appearance_card", "device_name", "features_card", "lidar_card", "made_by", "occupancy_card",
           "read_log", "real_lidar_card"]  # fmt: skip

_LOG = "the log of a training"
#: Who is to be named where a model has learned from others' data.
_SOURCES = {"OpenStreetMap": "(c) OpenStreetMap contributors, ODbL", "PandaSet": "(c) Hesai and Scale AI, CC BY 4.0"}

_CARD = """# {name}

Generated: houses, plants and all else that stands beside roads, to 11.8 m above the ground. Told: roads, walkways,
crossings, paint and agents, and where a map has them and the option `told` is set, the footprints of houses, plants and
rails.

A VAE of 0.4 m labels (compression ratio {ratio:.0f}) and a rectified flow over its latents ({flow}), as the engine
`occflow-tiles` uses them. {vae_parameters:.1f} and {flow_parameters:.1f} million parameters.

## Training
- Data: {windows} windows of {towns} towns or recordings, made by: {made_by}.
- {vae_steps} steps of the VAE in {vae_minutes:.0f} minutes, {decoder_steps} of its decoder alone in
  {decoder_minutes:.0f} and {flow_steps} of the flow in {flow_minutes:.0f}, on
  {device}.{notes}
- `uniscene-sim train occupancy` repeats the training.

| VAE: step | loss | mIoU | IoU |   | flow: step | loss | held-out loss |
|---|---|---|---|---|---|---|---|
{curves}

mIoU and IoU are those of averaged weights on windows of held-out towns, encoded and decoded with their layout.

## On held-out windows
{evaluation}

Rows: `truth as tiles` is the truth's plan as the engine `procedural` emits it, cut back into windows; the rows of
engines are what `occflow-tiles` emits, likewise, in some of the towns (`windows` says how many). `VAE ceiling` is the
truth encoded and decoded. Lookup tables hold the commonest column of labels for the layout of a single cell. With
another seed, or by an engine, towns are made again of which the seed or the map's file is at hand; `procedural, another
seed` is not told what houses and trees such a map knows. `truth, other windows` compares the truth with other windows
of the same towns: what sizes and heights of so few houses differ by chance.

Columns: only voxels that were observed are judged. mIoU of classes whose channel is told (`given`) and of the others
(`invented`); IoU of occupied voxels, of manmade and of vegetation; of what is seen first along rays from the ego
(`surface`). IoU of the layout with the occupancy from above (15 channels, map, agents), the same with another window's
layout (`swapped`), and of the truth; voxels of manmade and vegetation over the truth's; how much more often classes
change across borders of tiles than across other borders of latent cells (`seam`). Precision, recall and their harmonic
mean F (3 nearest neighbours), FID, KID and IS compare quarters of windows with those of other windows of the same
files, in the features of the model `occupancy_features`, of volumes (3d) and from above (2d). `pairwise` is the IoU of
houses and plants between eight noises, or seeds, on one layout. Sizes of houses' and crowns' footprints and heights of
houses are total variations of histograms to the truth's. `off edges` is the share of houses' outline cells off their
fitted edges, over the truth's share; `melted` the share of houses of which a third of the outline is; `on roads` that
of houses' cells on roads. `uniscene_sim.metrics` defines each. Rows with a source are published figures, measured on
other data.
"""


def occupancy_card(facts: dict[str, Any], work: Path, evaluation: str) -> str:
    """Text of the card of an occupancy model.

    Args:
        facts: values of the template's fields; what else there is to know of the training as `notes`.
        work: folder of the training, with its logs.
        evaluation: scores on held-out towns, as Markdown.
    """
    vae, decoder, flow = (read_log(work / f"{name}.jsonl") for name in ("vae", "decoder", "flow"))
    for name, log in (("vae", vae), ("decoder", decoder), ("flow", flow)):
        last = log[-1] if log else {"step": 0, "seconds": 0.0}
        facts = facts | {f"{name}_steps": last["step"], f"{name}_minutes": last["seconds"] / 60}
    with reading(work, _LOG):
        curves = _curves(vae, decoder, flow)
    notes = "".join(f"\n- {note}" for note in facts.get("notes", ()))
    facts = facts | {"made_by": made_by(facts["makers"]), "notes": notes}
    return _CARD.format(**facts, curves=curves, evaluation=evaluation)


_FEATURES_CARD = """# {name}

Judges: no engine uses it. Two autoencoders of occupancy, of volumes and of the view from above, in whose features
`uniscene-sim eval occupancy` compares sets of windows: precision, recall, FID, KID and IS. {parameters:.2f} million
parameters. A sample is a square of 40 m, a quarter of a window; its features are means over space of the activations of
the first layers, patterns of 2.4 m, whitened over training samples; IS takes the shares of kinds, which are clusters of
these features.

Figures depend on these networks and on the number of windows: they compare rows of one table, not tables with others'.

## Training
- Data: {windows} windows of {towns} towns or recordings, made by: {made_by}.
- {steps} steps of each in {minutes:.1f} minutes in all, on {device}; last losses {losses}.
- `uniscene-sim train features` repeats the training.
"""


def features_card(facts: dict[str, Any], work: Path) -> str:
    """Text of the card of the networks that judge; arguments as of `occupancy_card`."""
    last = [log[-1] for path in sorted(work.glob("features_*.jsonl")) if (log := read_log(path))]
    with reading(work, _LOG):
        facts = facts | {
            "made_by": made_by(facts["makers"]),
            "steps": max((row["step"] for row in last), default=0),
            "minutes": sum(row["seconds"] for row in last) / 60,
            "losses": " and ".join(f"{row['loss']:.3f}" for row in last),
        }
    return _FEATURES_CARD.format(**facts)


_LIDAR_CARD = """# {name}

What is told: occupied cells, their classes, and the rays. What is generated: range, intensity and drop-out of each ray.

Sweeps from 0.4 m labels: a sparse U-Net over occupied cells, {samples} samples on each ray in such cells, a signed
distance, and heads for intensity and drop-out (UniScene, section 3.3), as the engine `sparse-sdf` uses them.
{parameters:.2f} million parameters.

## Training
- Data: {sweeps} sweeps of {towns} seeded towns by `raycast` at full resolution, with its model of intensity and
  drop-out, by {sensors} kinds of sensors, in clear air, rain, snow and fog. No real data was used.
- {steps} steps in {minutes:.0f} minutes, on {device}, begun from {begun}.
- `uniscene-sim train lidar` repeats the training.

Range error on held-out towns (median in m, and share under 0.5 m), on agents and elsewhere; the last rows are rays that
end where they enter the first cell, and the same with half a cell added:

| step | loss | agents | | elsewhere | |
|---|---|---|---|---|---|
{curves}

## On held-out towns
{evaluation}
"""


def lidar_card(facts: dict[str, Any], work: Path, evaluation: str) -> str:
    """Text of the card of a LiDAR model; arguments as of `occupancy_card`."""
    return _lidar_card(_LIDAR_CARD, facts, work, evaluation)


def _begun(facts: dict[str, Any]) -> str:
    return f"the model `{facts['start']}`" if "start" in facts else "random weights"


def _lidar_card(template: str, facts: dict[str, Any], work: Path, evaluation: str) -> str:
    log = read_log(work / "lidar.jsonl")
    last = log[-1] if log else {"step": 0, "seconds": 0.0}
    checked = [r for r in log if "net_rest_median" in r]
    with reading(work, _LOG):
        rows = [f"| {r['step']} | {r['loss']:.3f} | {_depth(r, 'net')} |" for r in _spread(checked, 10)]
        for name, text in (("hard", "first cell"), ("half", "and half a cell")) if checked else ():
            rows.append(f"| {text} | | {_depth(checked[-1], name)} |")
    facts = facts | {"steps": last["step"], "minutes": last["seconds"] / 60, "begun": _begun(facts)}
    return template.format(**facts, curves="\n".join(rows), evaluation=evaluation)


_REAL_CARD = """# {name}

What is told: occupied cells, their classes, and the rays. What is generated: range, intensity and drop-out of each ray.

Sweeps from 0.4 m labels as a real Pandar64 makes them.

The network of `sparse-sdf` ({parameters:.2f} million parameters), begun from {begun} and continued on real sweeps.

## Training
- Data: {sweeps} sweeps of PandaSet's sequence 002 (San Francisco, low sun; one Pandar64), of frames 0 to 49, through
  cells that mostly other frames saw; checks on frames 50 to 55. Frames 60 to 79 and the left camera were not used.
- {steps} steps in {minutes:.0f} minutes, on {device}.
- `uniscene-sim train lidar --real FOLDER` repeats the training.
- Licence of the data: CC BY 4.0, (c) Hesai and Scale AI (PandaSet), with PandaSet's terms; do not try to identify
  anyone.

Range error of the checks (median in m, and share under 0.5 m), on vehicles and people and elsewhere; the last rows are
rays that end where they enter the first cell, and the same with half a cell added:

| step | loss | objects | | elsewhere | |
|---|---|---|---|---|---|
{curves}

## On held-out real sweeps
{evaluation}

Of frames 60 to 79, through cells that frames 0 to 55 saw and through cells that each sweep's neighbours saw. Frames of
one drive see the same street: these figures are of new places of the car in a known street, not of a new street. What
moves is put in by the boxes of the sweep's own frame. `poles` are PandaSet's signs and other static objects.

## Limits
One sensor, one street, one afternoon: what other LiDARs, wet roads or other cities return is not learned. PandaSet has
no drop-outs of its own; beams that are missing between two returns of a ring count as such.
"""


def real_lidar_card(facts: dict[str, Any], work: Path, evaluation: str) -> str:
    """Text of the card of a LiDAR model that has seen real sweeps; arguments as of `occupancy_card`."""
    return _lidar_card(_REAL_CARD, facts, work, evaluation)


_APPEARANCE_CARD = """# {name}

Generated: the colours of all surfaces of the static world. Told: their places, directions and classes (houses are
`manmade`: where windows, doors and roofs are is not told); road markings and street furniture keep the map's colours.

A VAE of the colours of a tile's splats (latents of 1.6 m columns; a field that says the colour at any place of a
column, and its grain) and a rectified flow over its latents, conditioned on what stands in columns of 0.8 m, as
`--camera splat:appearance={name}` uses them. {vae_parameters:.2f} and {flow_parameters:.2f} million parameters.

## Training
- Data: {tiles} tiles of 64 m, made by: {made_by}.
- {vae_steps} steps of the VAE in {vae_minutes:.0f} minutes and {flow_steps} of the flow in {flow_minutes:.0f}, on
  {device}, begun from {begun}.
- `uniscene-sim train appearance{how}` repeats the training.

## Figures
{judged}

{evaluation}

In steps of 8-bit codes, without the grain that an engine may add. Tables are made of the tiles that are judged. `by
noise` is the spread of a house's mean colour over eight noises, `between houses` that of the houses of a tile.
"""


def appearance_card(facts: dict[str, Any], work: Path, evaluation: str) -> str:
    """Text of the card of a painter; arguments as of `occupancy_card`."""
    for name in ("vae", "flow"):
        log = read_log(work / f"{name}.jsonl")
        last = log[-1] if log else {"step": 0, "seconds": 0.0}
        facts = facts | {f"{name}_steps": last["step"], f"{name}_minutes": last["seconds"] / 60}
    made_by = ", ".join(f"{maker} ({tiles} tiles{_credit(maker)})" for maker, tiles in sorted(facts["makers"].items()))
    begun = f"the model `{facts['start']}`" if facts["start"] else "random weights"
    how = " --lifted FOLDER" if facts["lifted"] else ""
    judged = "Of the very tiles that were learned from." if facts["lifted"] else "Of tiles of towns that were held out."
    return _APPEARANCE_CARD.format(**facts, made_by=made_by, begun=begun, how=how, judged=judged,
                                   evaluation=evaluation)  # fmt: skip


def _credit(maker: str) -> str:
    """Who is to be named where something was learned from a maker's data."""
    return "".join(f"; {text}" for name, text in _SOURCES.items() if name.lower() in maker.lower())


def made_by(makers: dict[str, int]) -> str:
    """Who made the windows, how many, and whom to name."""
    named = {maker: f"; {_SOURCES[maker]}" if maker in _SOURCES else "" for maker in makers}
    return ", ".join(f"{maker} ({windows} windows{named[maker]})" for maker, windows in makers.items())


def _depth(row: dict[str, float], name: str) -> str:
    """Four cells of a table: median and share under 0.5 m, on agents and elsewhere."""
    places = [(row[f"{name}_{where}_median"], row[f"{name}_{where}_under_50cm"]) for where in ("objects", "rest")]
    return " | ".join(f"{median:.3f} | {100 * share:.1f} %" for median, share in places)


def read_log(path: Path) -> list[dict[str, float]]:
    """Rows of a log; none if the file is missing. InputError if it is damaged."""
    if not os.path.lexists(path):
        return []
    rows = []
    for n, line in enumerate(read_text(path, 64 * MIB, _LOG).splitlines(), 1):
        with reading(path, _LOG):
            row = json.loads(line)
        if not isinstance(row, dict) or not {"step", "seconds"} <= row.keys() or not all(map(_is_number, row.values())):
            raise InputError(f"expected {_LOG}: numbers by name, step and seconds among them", file=path, line=n)
        rows.append(row)
    return rows


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _curves(
    vae: Sequence[dict[str, float]],
    decoder: Sequence[dict[str, float]],
    flow: Sequence[dict[str, float]],
    rows: int = 10,
) -> str:
    """Lines of a table with up to `rows` checks of each log, evenly spread."""
    left = [
        f"{part}{r['step']} | {r['loss']:.3f} | {r['miou']:.3f} | {r['iou']:.3f}"
        for part, log in (("", vae), ("decoder ", decoder))
        for r in _spread([r for r in log if "miou" in r], rows // 2)
    ]
    right = [
        f"{r['step']} | {r['loss']:.3f} | {r['held_out']:.3f}"
        for r in _spread([r for r in flow if "held_out" in r], rows)
    ]
    pairs = zip_longest(left, right, fillvalue="")
    return "\n".join(f"| {a or ' | | | '} | | {b or ' | | '} |" for a, b in pairs)


def _spread(rows: list[dict[str, float]], most: int) -> list[dict[str, float]]:
    if len(rows) <= most:
        return rows
    return [rows[round(k * (len(rows) - 1) / (most - 1))] for k in range(most)]


def device_name(kind: str) -> str:
    """Description of the training device."""
    if kind == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} cores ({platform.machine()})"
