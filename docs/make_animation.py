"""Draws `docs/animation.webp`: a run with three cameras above, LiDAR, occupancy and layout below.

python docs/make_animation.py [SCENARIO]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.assembly import assemble
from uniscene_sim.frames import SensorFrame
from uniscene_sim.recording.panels import bev_panel, lidar_in_perspective, occupancy_panel
from uniscene_sim.recording.preview import font
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.world.scenario_source import ScenarioSource

OUT = Path(__file__).with_name("animation.webp")
CAMERAS = {"CAM_FRONT_LEFT": "front left", "CAM_FRONT": "front", "CAM_FRONT_RIGHT": "front right"}
CAMERA_PX, PANEL_PX, GAP = (316, 178), 316, 4
BACKGROUND, TEXT = (28, 30, 36), (235, 236, 240)
#: Images and panels are rendered this many times larger than they are drawn.
SUPERSAMPLING = 2
QUALITY = 60


def rig() -> SensorRig:
    preset = PRESETS["nuscenes-small"]()
    cameras = tuple(c.scaled(SUPERSAMPLING * CAMERA_PX[0] / c.width) for c in preset.cameras if c.name in CAMERAS)
    return replace(preset, cameras=cameras)


def panels(frame: SensorFrame, rig: SensorRig) -> dict[str, np.ndarray]:
    """Name and RGB (S, S, 3) of what is drawn below the cameras."""
    assert frame.occupancy is not None and frame.bev is not None
    vehicle, (lidar,) = frame.layout.ego_vehicle, rig.lidars
    return {
        "LiDAR": lidar_in_perspective(frame.sweeps[lidar.name], lidar.pose, vehicle, PANEL_PX),
        "occupancy": occupancy_panel(frame.occupancy, vehicle, SUPERSAMPLING * PANEL_PX),
        "layout": bev_panel(frame.bev, frame.layout, 2 * frame.bev.data.shape[1]),
    }


def draw(frame: SensorFrame, rig: SensorRig) -> Image.Image:
    width = 3 * PANEL_PX + 4 * GAP
    canvas = Image.new("RGB", (width, CAMERA_PX[1] + PANEL_PX + 3 * GAP), BACKGROUND)
    cameras = {label: frame.cameras[name].rgb for name, label in CAMERAS.items()}
    for top, size, row in (
        (GAP, CAMERA_PX, cameras),
        (CAMERA_PX[1] + 2 * GAP, (PANEL_PX, PANEL_PX), panels(frame, rig)),
    ):
        for k, (label, rgb) in enumerate(row.items()):
            left = GAP + k * (PANEL_PX + GAP)
            canvas.paste(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS), (left, top))
            pen = ImageDraw.Draw(canvas)
            pen.text((left + 7, top + 5), label, fill=TEXT, font=font(13), stroke_width=2, stroke_fill=(0, 0, 0))
    return canvas


def main(scenario: str) -> None:
    simulator = assemble(ScenarioSource.open(scenario), rig())
    simulator.prepare(simulator.source.route_path, progress=True)
    pictures = [draw(simulator.reset(), simulator.rig)]
    while not simulator.source.done:
        pictures.append(draw(simulator.step(), simulator.rig))
    first, *rest = pictures
    with output_file(OUT) as part:
        first.save(part, save_all=True, append_images=rest, duration=simulator.tick_us // 1000, loop=0,
                   quality=QUALITY, method=6)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cut_in")
