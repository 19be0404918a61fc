"""Cards of models of occupancy over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uniscene_sim.storage.input_file import reading
from uniscene_sim.training.card import made_by, read_log

__all__ = ["clip_card"]

_CARD = """# {name}

Generated: the whole window around the ego each tick, 80 m x 80 m x 6.4 m in voxels of 0.4 m: ground, houses, plants and
agents. Told: roads, walkways, crossings, paint and agents as drawn from above, and {past} frames of its own past at
their exact places; of houses, plants and rails nothing. {decoder}

{paper}
A VAE of single frames (compression ratio {ratio:.0f}) and a rectified flow over clips of its latents, as the window
engine `{kind}` uses them. {vae_parameters:.1f} and {flow_parameters:.1f} million parameters.

## Training
- Data: {windows} windows of {towns} towns or recordings, made by: {made_by}.
- {vae_steps} steps of the VAE in {vae_minutes:.0f} minutes and {decoder_steps} of its decoder alone in
  {decoder_minutes:.0f}, {frames_steps} of the flow on single frames in {frames_minutes:.0f} and {clips_steps} on clips
  of {frames} frames in {clips_minutes:.0f}, on {device}.{notes}
- Last losses of the flow on held-out towns: {frames_held_out:.3f} on single frames, {clips_held_out:.3f} on clips.
- `uniscene-sim train {kind}` repeats the training.

## On held-out towns
{evaluation}
"""
#: What is whose, by kind.
_PAPERS = {
    "occdit": "After AnyScene: a transformer that is causal in time, whose tokens attend to those of the layout.",
    "occ-uniscene": "After UniScene: a transformer over all frames of a clip, with layouts joined to the noise volume, "
    "in the variant that is given the first frames.",
}
_TOLD = {
    True: "The VAE's decoder is told the\nsame layout, unless `told=false` asks for latents alone.",
    False: "The VAE's decoder is not told\nthe layout.",
}
_DECODER_LOGS = {"occdit": "decoder", "occ-uniscene": "temporal"}


def clip_card(facts: dict[str, Any], work: Path, evaluation: str) -> str:
    """Text of the card of a model of occupancy over time.

    Args:
        facts: values of the template's fields; what else there is to know of the training as `notes`.
        work: folder of the training, with its logs.
        evaluation: scores on held-out towns, as Markdown.
    """
    told: dict[str, Any] = {"paper": _PAPERS[facts["kind"]], "decoder": _TOLD[facts["decoder_told"]]}
    for name, file in (("vae", "vae"), ("decoder", _DECODER_LOGS[facts["kind"]]), ("frames", "frames"),
                       ("clips", "clips")):  # fmt: skip
        log = read_log(work / f"{file}.jsonl")
        last = log[-1] if log else {"step": 0, "seconds": 0.0}
        told |= {f"{name}_steps": last["step"], f"{name}_minutes": last["seconds"] / 60}
        told[f"{name}_held_out"] = last.get("held_out", float("nan"))
    notes = "".join(f"\n- {note}" for note in facts.get("notes", ()))
    with reading(work, "the log of a training"):
        return _CARD.format(**facts | told | {"made_by": made_by(facts["makers"]), "notes": notes},
                            evaluation=evaluation)  # fmt: skip
