"""Draws `docs/buffers.png`: the exact buffers of one camera on a street of `crossing_pedestrian`.

python docs/make_buffers_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.annotations.draw import flow_rgb
from uniscene_sim.assembly import assemble
from uniscene_sim.frames import CameraBuffers
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.taxonomy import IS_ROAD_MARKING, MATERIAL_LABEL, MATERIAL_RGB, OCC_RGB, Material
from uniscene_sim.world.scenario_source import ScenarioSource

WIDTH, HEIGHT = 960, 540
RIG = SensorRig("one", (CameraSpec("front", WIDTH, HEIGHT, 640.0, 640.0, 480.0, 250.0, Pose(1.5, 0.0, 1.6)),))
SCENARIO, SECONDS = "red_light", 6.0


def main() -> None:
    simulator = assemble(ScenarioSource.open(SCENARIO), RIG, annotations=("buffers",), window_grid=None)
    frame = simulator.reset()
    while frame.stamp_us < 1e6 * SECONDS:
        frame = simulator.step()
    found = frame.annotations.cameras["front"].buffers
    pictures = {"image": frame.cameras["front"].rgb, **_pictures(found)}
    small = [np.asarray(Image.fromarray(p).resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX)) for p in
             pictures.values()]  # fmt: skip
    sheet = Image.fromarray(np.concatenate([np.concatenate(small[k : k + 3], axis=1) for k in (0, 3, 6)]))
    draw = ImageDraw.Draw(sheet)
    for k, text in enumerate(pictures):
        at = (WIDTH // 2 * (k % 3) + 8, HEIGHT // 2 * (k // 3) + 6)
        draw.text(at, text, fill="white", stroke_width=2, stroke_fill="black", font_size=16)
    with output_file(Path(__file__).with_name("buffers.png")) as part:
        sheet.save(part, format="PNG", optimize=True)


def _pictures(found: CameraBuffers) -> dict[str, np.ndarray]:
    """Each buffer as RGB uint8 (H, W, 3), by what is written on it."""
    hit = np.isfinite(found.depth)[..., None]
    painted = found.paint != Material.NONE
    semantic = np.where(painted, MATERIAL_LABEL[found.paint], found.semantic)
    lines = np.where((painted & IS_ROAD_MARKING[found.paint])[..., None], MATERIAL_RGB[found.paint], 40)
    near = np.clip(1.0 - np.log2(np.maximum(found.depth, 2.0) / 2.0) / 6.0, 0.0, 1.0)[..., None]
    coordinates = np.where(hit, np.abs((found.coordinates / (10.0, 10.0, 4.0)) % 2.0 - 1.0), 0.0)
    colours = np.random.default_rng(3).integers(70, 256, (1 << 16, 3)).astype(np.uint8)
    instances = np.where((found.instance > 0)[..., None], colours[found.instance], 30)
    assert found.motion is not None
    return {
        "semantic, with the road's lines": np.where(hit, OCC_RGB[semantic], (150, 190, 230)).astype(np.uint8),
        "paint: lines, arrows, crossings": np.where(hit, lines, 0).astype(np.uint8),
        "depth": (255 * near * hit * np.ones(3)).astype(np.uint8),
        "normals": np.where(hit, 127.5 * (found.normals + 1.0), 0).astype(np.uint8),
        "coordinates, to and fro every 20, 20 and 8 m": (255 * coordinates).astype(np.uint8),
        "rays: Pluecker moments": (127.5 * (1.0 + found.rays[..., 3:] / 2.5)).astype(np.uint8),
        "instance": instances.astype(np.uint8),
        "motion": flow_rgb(found.motion, 12.0),
    }


if __name__ == "__main__":
    main()
