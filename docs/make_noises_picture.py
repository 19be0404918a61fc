"""Draws `docs/noises.png`: one street as the model makes it from eight noises, from above and from the ego.

The model is told the roads and nothing of houses or trees. python docs/make_noises_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.assembly import assemble
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.world.scenario_source import ScenarioSource

SCENARIO, SEEDS = "crossing_pedestrian", range(8)
WIDTH, HEIGHT = 320, 180
RIG = SensorRig(
    "two",
    (
        CameraSpec("above", 640, 360, 300.0, 300.0, 320.0, 180.0, Pose(20.0, 0.0, 75.0, pitch=0.5 * np.pi - 1e-3)),
        CameraSpec("front", 640, 360, 380.0, 380.0, 320.0, 180.0, Pose(1.7, 0.0, 1.5)),
    ),
)


def views(seed: int) -> list[np.ndarray]:
    """RGB of both cameras, from above and from the ego."""
    source = ScenarioSource.open(SCENARIO, seed=seed)
    simulator = assemble(source, RIG, occupancy="occflow-tiles", window_grid=None, bev_schema=None)
    cameras = simulator.reset().cameras
    return [cameras[spec.name].rgb for spec in RIG.cameras]


def main() -> None:
    sheet = Image.new("RGB", (4 * WIDTH, 4 * HEIGHT))
    for k, seed in enumerate(SEEDS):
        for row, view in enumerate(views(seed)):
            picture = Image.fromarray(view).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
            ImageDraw.Draw(picture).text((6, 4), f"noise {seed}", fill=(255, 255, 255), stroke_width=2, stroke_fill=0)
            sheet.paste(picture, (k % 4 * WIDTH, (2 * (k // 4) + row) * HEIGHT))
    with output_file(Path(__file__).parent / "noises.png") as part:
        sheet.quantize(256).save(part, optimize=True)


if __name__ == "__main__":
    main()
