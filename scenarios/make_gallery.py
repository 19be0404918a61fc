"""Draws a picture of every scenario and writes `scenarios/README.md`: what happens and how it ends on two seeds.

python scenarios/make_gallery.py [NAME ...]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from math import radians
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from uniscene_sim.assembly import assemble
from uniscene_sim.geometry import Pose
from uniscene_sim.maps.load import load_map
from uniscene_sim.recording.preview import compose_preview
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.scenario import Scenario
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.storage.output_file import output_file, write_file
from uniscene_sim.world.scenario_source import ScenarioSource

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parent / "docs" / "scenarios"
OTHER_SEED = 1
#: When, s, a scenario shows best what it is about; the others at the moment of hardest braking.
MOMENT_S = {
    "child_from_behind_parked_car": 3.3, "construction_zone": 7.2, "cross_traffic": 6.5, "crossing_pedestrian": 4.0,
    "cyclist_overtake": 10.0, "red_light": 9.0, "roundabout_entry": 8.5,
}  # fmt: skip
STEP_US = 100_000
#: The driver's view, and one from above and behind.
RIG = SensorRig(
    "gallery",
    (
        CameraSpec("driver", 640, 360, 400.0, 400.0, 320.0, 180.0, Pose(1.7, 0.0, 1.5)),
        CameraSpec("from above", 640, 360, 330.0, 330.0, 320.0, 180.0, Pose(-9.0, 0.0, 9.0, pitch=radians(28))),
    ),
    PRESETS["nuscenes-small"]().lidars,
)


def drive(scenario: Scenario) -> tuple[ScenarioSource, int]:
    """The source at its end, and the tick to show."""
    source = ScenarioSource(scenario, load_map(scenario.map))
    source.reset()
    accel = []
    while not source.done:
        source.step(source.driver_control(), STEP_US)
        accel.append(source.state.ego.accel)
    moment = MOMENT_S.get(scenario.name)
    return source, int(np.argmin(accel)) + 1 if moment is None else round(moment * 1e6 / STEP_US)


def picture(scenario: Scenario, tick: int, path: Path) -> None:
    simulator = assemble(ScenarioSource(scenario, load_map(scenario.map)), RIG)
    source = simulator.source
    source.reset()
    for _ in range(tick - 1):
        source.step(source.driver_control(), STEP_US)
    sheet = compose_preview(simulator.step(), RIG, scenario.name)
    smaller = Image.fromarray(sheet).resize((960, 960 * sheet.shape[0] // sheet.shape[1]))
    with output_file(path) as part:
        smaller.save(part, quality=82)


def row(scenario: Scenario, source: ScenarioSource) -> str:
    said = ", ".join(f"{c.name} {c.actual} ({c.expected})" for c in source.outcome.criteria)
    return f"- seed {scenario.seed}: {source.outcome.status} after {source.state.time_us / 1e6:.1f} s; {said}"


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    text = ["# The library of scenarios", "", "Written by `python scenarios/make_gallery.py`.", ""]
    for path in tqdm(sorted(HERE.glob("*.yaml")), unit="scenario"):
        scenario = load_scenario(path)
        source, tick = drive(scenario)
        other = replace(scenario, seed=OTHER_SEED)
        if not sys.argv[1:] or scenario.name in sys.argv[1:]:
            picture(scenario, tick, PICTURES / f"{scenario.name}.jpg")
        what = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        text += [f"## {scenario.name}", "", f"{what}", "", f"![{scenario.name}](../docs/scenarios/{scenario.name}.jpg)"]
        text += ["", row(scenario, source), row(other, drive(other)[0]), ""]
    write_file(HERE / "README.md", "\n".join(text).encode())


if __name__ == "__main__":
    main()
