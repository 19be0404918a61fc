"""Draws `docs/surface_noise.png`: noise of two images of one drive, and where the second has numbers of the first.

python docs/make_surface_noise_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.assembly import assemble
from uniscene_sim.camera.diffusion.surface_noise import surface_noise
from uniscene_sim.frames import SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.world.scenario_source import ScenarioSource

SCENARIO, SECONDS, LATER_S, SEED = "cut_in", 4.0, 0.1, 3
SPEC = CameraSpec("front", 896, 512, 640.0, 640.0, 448.0, 240.0, Pose(1.5, 0.0, 1.6))
SIZE = (672, 384)


def main() -> None:
    rig = SensorRig("one", (SPEC,))
    simulator = assemble(ScenarioSource.open(SCENARIO), rig, window_grid=None, bev_schema=None)
    frames = [simulator.reset()]
    while frames[-1].stamp_us < 1e6 * (SECONDS + LATER_S):
        frames.append(simulator.step())
    pair = [next(f for f in frames if f.stamp_us >= 1e6 * s) for s in (SECONDS, SECONDS + LATER_S)]
    noises = [_noise(frame) for frame in pair]
    way = np.linalg.norm(pair[1].layout.ego_pose.position - pair[0].layout.ego_pose.position)
    kept = _kept(noises[1], noises[0])
    print(f"{way:.2f} m further on, {kept.mean():.2f} of the latent pixels have a number of the first image")
    image = pair[1].cameras["front"]
    panels = {
        "an image": pair[0].cameras["front"].rgb,
        f"{way:.1f} m further on": image.rgb,
        "its noise, one of four channels": _grey(noises[0]),
        "the noise there: each number stays on its surface": _grey(noises[1]),
        "numbers of the first image that the second has, too": _marked(noises[0], _kept(noises[0], noises[1])),
        f"and the same in the second: {100 * kept.mean():.0f} % of it": _marked(noises[1], kept),
    }
    small = [np.asarray(Image.fromarray(p).resize(SIZE, _filter(p))) for p in panels.values()]
    sheet = Image.fromarray(np.concatenate([np.concatenate(small[k : k + 2], axis=1) for k in (0, 2, 4)]))
    draw = ImageDraw.Draw(sheet)
    for k, text in enumerate(panels):
        at = (SIZE[0] * (k % 2) + 8, SIZE[1] * (k // 2) + 6)
        draw.text(at, text, fill="white", stroke_width=2, stroke_fill="black", font_size=18)
    with output_file(Path(__file__).with_name("surface_noise.png")) as part:
        sheet.quantize(256).save(part, format="PNG", optimize=True)


def _noise(frame: SensorFrame) -> np.ndarray:
    noise: np.ndarray = surface_noise(frame.layout, frame.cameras["front"], SPEC, SEED)[0]
    return noise


def _kept(noise: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which latent pixels have a number that another image has somewhere, bool (h, w)."""
    return np.isin(noise, other)


def _grey(noise: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(127.5 + 51.0 * noise, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _marked(noise: np.ndarray, kept: np.ndarray) -> np.ndarray:
    colour = np.where(kept[..., None], (255, 190, 60), (40, 55, 90))
    return (colour * (0.35 + 0.65 * _grey(noise) / 255.0)).astype(np.uint8)


def _filter(picture: np.ndarray) -> Image.Resampling:
    return Image.Resampling.NEAREST if picture.shape[0] < 100 else Image.Resampling.BOX


if __name__ == "__main__":
    main()
