"""Draws `docs/occflow_tiles.png`: moments of three scenarios in procedural worlds and in generated ones.

python docs/make_occflow_picture.py
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

MOMENTS_S = {"cut_in": 1.0, "roundabout_entry": 2.0, "motorway_merge": 2.0}
ENGINES = ("procedural", "occflow-tiles")
SIZE = 480, 270


def _camera(name: str, focal: float, pose: Pose) -> CameraSpec:
    return CameraSpec(name, 800, 450, focal, focal, 400.0, 225.0, pose)


RIG = SensorRig(
    "two",
    (
        _camera("front", 480.0, Pose(1.7, 0.0, 1.5, yaw=0.12)),
        _camera("above", 380.0, Pose(0.0, 0.0, 28.0, yaw=-0.6, pitch=0.45)),
    ),
)


def render(scenario: str, engine: str) -> list[np.ndarray]:
    simulator = assemble(ScenarioSource.open(scenario), RIG, occupancy=engine, window_grid=None, bev_schema=None)
    simulator.source.reset()
    for _ in range(round(MOMENTS_S[scenario] / 0.1) - 1):
        simulator.source.step(simulator.source.driver_control(), 100_000)
    cameras = simulator.step().cameras
    return [cameras[spec.name].rgb for spec in RIG.cameras]


def main() -> None:
    rows = []
    for scenario in MOMENTS_S:
        row = []
        for engine in ENGINES:
            for view in render(scenario, engine):
                picture = Image.fromarray(view).resize(SIZE, Image.Resampling.LANCZOS)
                label = f"{scenario}, {engine}"
                ImageDraw.Draw(picture).text((8, 6), label, fill=(255, 255, 255), stroke_width=2, stroke_fill=0)
                row.append(np.asarray(picture))
        rows.append(np.concatenate(row, axis=1))
    sheet = Image.fromarray(np.concatenate(rows))
    with output_file(Path(__file__).parent / "occflow_tiles.png") as part:
        sheet.quantize(256).save(part, optimize=True)


if __name__ == "__main__":
    main()
