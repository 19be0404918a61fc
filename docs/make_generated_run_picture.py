"""Draws `docs/generated_window.webp`: a moment of `uniscene-sim run cut_in --occupancy occdit`, as previews show it.

python docs/make_generated_run_picture.py
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from PIL import Image

from uniscene_sim.recording.preview import compose_preview
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import frames, prepare
from uniscene_sim.storage.output_file import output_file

TICKS, WIDTH = 4, 960


def main() -> None:
    rig = load_rig("nuscenes-small")
    simulator = prepare("cut_in", rig, occupancy="occdit")
    *_, frame = islice(frames(simulator), TICKS)
    picture = Image.fromarray(compose_preview(frame, rig, "cut_in, windows by occdit"))
    picture = picture.resize((WIDTH, round(WIDTH * picture.height / picture.width)), Image.Resampling.LANCZOS)
    with output_file(Path(__file__).parent / "generated_window.webp") as part:
        picture.save(part, format="WEBP", quality=88)


if __name__ == "__main__":
    main()
