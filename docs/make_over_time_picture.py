"""Draws `docs/occupancy_over_time.png`: layout, truth, and what each model of occupancy over time makes of the layout,
from nothing on, at some moments of a held-out drive, from above.

python docs/make_over_time_picture.py [MODEL ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.evaluation.over_time.drives import PERIOD_S, make_test_drives
from uniscene_sim.evaluation.over_time.rows import Row, Truth
from uniscene_sim.evaluation.over_time.table import model_row
from uniscene_sim.evaluation.pictures import layout_picture, top_view
from uniscene_sim.recording.preview import font
from uniscene_sim.storage.output_file import output_file

TOWN = 20_001
MOMENTS_S = (0.0, 1.0, 5.0, 10.0)
SIZE, GAP, LEFT, HEADER = 208, 4, 108, 24
DARK = (28, 30, 36)


def main(models: list[str]) -> None:
    (drive,) = make_test_drives(1, max(MOMENTS_S), TOWN).drives
    at = [int(seconds / PERIOD_S) for seconds in MOMENTS_S]
    rows: list[Row] = [Truth(), *(model_row(name) for name in models)]
    lines = [("layout", [layout_picture(drive.condition(n)) for n in at])]
    for row in rows:
        made = list(row.roll(drive, 0, len(drive), 0))
        lines.append((row.name, [top_view(made[n]) for n in at]))
    step = SIZE + GAP
    sheet = Image.new("RGB", (LEFT + len(at) * step, HEADER + len(lines) * step), DARK)
    draw = ImageDraw.Draw(sheet)
    for column, seconds in enumerate(MOMENTS_S):
        draw.text((LEFT + column * step, 4), f"{seconds:g} s", font=font(14))
    for line, (name, pictures) in enumerate(lines):
        draw.text((8, HEADER + line * step + 4), name, font=font(14))
        for column, picture in enumerate(pictures):
            small = Image.fromarray(np.ascontiguousarray(picture)).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
            sheet.paste(small, (LEFT + column * step, HEADER + line * step))
    with output_file(Path(__file__).parent / "occupancy_over_time.png") as part:
        sheet.save(part, format="PNG", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["occdit", "occ-uniscene"])
