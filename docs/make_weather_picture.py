"""Draws `docs/weather.png`: one street of `cut_in` at noon, dusk and night, in rain, fog and snow.

python docs/make_weather_picture.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.assembly import assemble
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import Style
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.world.scenario_source import ScenarioSource

STYLES = {
    "noon": Style("clear", 12.5),
    "dusk": Style("clear", 18.1),
    "night": Style("clear", 22.0),
    "rain": Style("rain", 14.0),
    "fog": Style("fog", 10.0),
    "snow": Style("snow", 13.0),
}
RIG = SensorRig("one", (CameraSpec("front", 800, 450, 480.0, 480.0, 400.0, 225.0, Pose(1.7, 0.0, 1.5, yaw=0.12)),))
AT_S = 2.0


def render(style: Style) -> np.ndarray:
    source = ScenarioSource.open("cut_in")
    simulator = assemble(ScenarioSource(replace(source.scenario, style=style), source.map), RIG)
    simulator.source.reset()
    for _ in range(round(AT_S / 0.1) - 1):
        simulator.source.step(simulator.source.driver_control(), 100_000)
    return simulator.step().cameras["front"].rgb


def main() -> None:
    pictures = []
    for name, style in STYLES.items():
        picture = Image.fromarray(render(style)).resize((480, 270), Image.Resampling.LANCZOS)
        ImageDraw.Draw(picture).text((8, 6), name, fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
        pictures.append(np.asarray(picture))
    sheet = np.concatenate([np.concatenate(pictures[k : k + 3], axis=1) for k in (0, 3)])
    with output_file(Path(__file__).parent / "weather.png") as part:
        Image.fromarray(sheet).save(part, optimize=True)


if __name__ == "__main__":
    main()
