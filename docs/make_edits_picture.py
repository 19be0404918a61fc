"""Draws `docs/edits.png`: a street of `crossing_pedestrian` before and after three edits.

python docs/make_edits_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.assembly import assemble
from uniscene_sim.edit import AddAgent, CloseLane, MoveCrossing
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.scenario import AgentSpec, Spawn
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.world.scenario_source import ScenarioSource

RIG = SensorRig("one", (CameraSpec("front", 640, 360, 420.0, 420.0, 320.0, 180.0, Pose(0.5, 0.0, 2.6, pitch=0.12)),))
EDITS = (
    MoveCrossing(90.0, 72.2, by=(0.0, -24.0)),
    CloseLane(Spawn(90.0 - 1.75, 62.0, yaw_deg=-90.0), 25.0),
    AddAgent(
        AgentSpec("truck", "construction_vehicle", Spawn(86.6, 52.0, yaw_deg=-90.0, free=True), behaviour="parked")
    ),
)


def main() -> None:
    simulator = assemble(ScenarioSource.open("crossing_pedestrian"), RIG)
    simulator.reset()
    pictures = [simulator.step()]
    for edit in EDITS:
        simulator.edit(edit)
    pictures.append(simulator.step())
    sheet = Image.fromarray(np.concatenate([frame.cameras["front"].rgb for frame in pictures], axis=1))
    draw = ImageDraw.Draw(sheet)
    for k, text in enumerate(("before", "a crossing moved, a lane closed, a digger added")):
        draw.text((10 + 640 * k, 8), text, fill="white", stroke_width=2, stroke_fill="black", font_size=18)
    with output_file(Path(__file__).with_name("edits.png")) as part:
        sheet.quantize(128).save(part, format="PNG", optimize=True)


if __name__ == "__main__":
    main()
