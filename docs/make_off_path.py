"""Draws `docs/off_path.webp`: a drive through a lifted street that swerves off the way of the car that recorded it.

python docs/make_off_path.py LIFTED
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.assembly import assemble
from uniscene_sim.control import Trajectory
from uniscene_sim.frames import SensorFrame
from uniscene_sim.recording.panels import lidar_in_perspective
from uniscene_sim.recording.preview import font
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.world.scenario_source import ScenarioSource

OUT = Path(__file__).with_name("off_path.webp")
ASIDE_M, WAVE_M = 1.6, 30.0  # how far to both sides, and how long a swerve takes
CAMERAS = {"front_left_camera": "front left", "front_camera": "front", "front_right_camera": "front right"}
WIDTH, SUPERSAMPLING, GAP, PLAN = 316, 2, 4, 150
BACKGROUND, TEXT, RECORDED, DRIVEN = (28, 30, 36), (235, 236, 240), (120, 125, 140), (255, 176, 60)


def rig(lifted: Path) -> SensorRig:
    recorded = load_rig(str(lifted / "rig.yaml"))
    cameras = tuple(c.scaled(SUPERSAMPLING * WIDTH / c.width) for c in recorded.cameras if c.name in CAMERAS)
    return replace(recorded, cameras=cameras, lidars=recorded.lidars[:1])


def swerving(route: np.ndarray) -> np.ndarray:
    """The recorded way (N, 2), with swerves to both sides."""
    step = np.gradient(route, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], 1) / np.linalg.norm(step, axis=1, keepdims=True).clip(1e-6)
    along = np.concatenate([[0.0], np.hypot(*np.diff(route, axis=0).T).cumsum()])
    return route + normal * (ASIDE_M * np.sin(2.0 * np.pi * along / WAVE_M) * np.minimum(along / 8.0, 1.0))[:, None]


def ahead(way: np.ndarray, x: float, y: float, speed: float) -> Trajectory:
    """From a place on along a way, at a speed."""
    nearest = int(np.hypot(*(way - (x, y)).T).argmin())
    rest = way[nearest:]
    at = np.concatenate([[0.0], np.hypot(*np.diff(rest, axis=0).T).cumsum()])
    times = np.arange(1, 21) * 0.1
    points = [np.interp(times * speed, at, rest[:, k]) for k in (0, 1)]
    return Trajectory(np.stack([times, *points], axis=1))


def plan(route: np.ndarray, driven: list[tuple[float, float]], height: int) -> Image.Image:
    """Both ways from above, the recorded one to the right."""
    canvas = Image.new("RGB", (PLAN, height), BACKGROUND)
    pen, way = ImageDraw.Draw(canvas), route[-1] - route[0]
    turn = np.array([[way[0], way[1]], [-way[1], way[0]]]) / np.linalg.norm(way)
    scale = (height - 30) / np.linalg.norm(way)

    def pixels(points: np.ndarray) -> list[tuple[float, float]]:
        along, aside = turn @ (points - route[0]).T * scale
        return [(PLAN / 2 - 3.0 * a, height - 10 - s) for s, a in zip(along, aside, strict=True)]

    pen.line(pixels(route), RECORDED, 2)
    if len(driven) > 1:
        pen.line(pixels(np.array(driven)), DRIVEN, 2)
    pen.text((6, 4), "recorded", RECORDED, font(11))
    pen.text((6, 18), "driven (aside x3)", DRIVEN, font(11))
    return canvas


def draw(frame: SensorFrame, rig: SensorRig, beside: Image.Image) -> Image.Image:
    images = [(label, Image.fromarray(frame.cameras[name].rgb)) for name, label in CAMERAS.items()]
    height = round(WIDTH * images[0][1].height / images[0][1].width)
    (lidar,) = rig.lidars
    sweep = lidar_in_perspective(frame.sweeps[lidar.name], lidar.pose, frame.layout.ego_vehicle, 2 * WIDTH)
    images.append(("LiDAR", Image.fromarray(sweep)))
    canvas = Image.new("RGB", (2 * WIDTH + 3 * GAP + PLAN + GAP, 2 * height + 3 * GAP), BACKGROUND)
    for k, (label, image) in enumerate(images):
        if label == "LiDAR":
            cut = round(image.width * height / WIDTH)
            image = image.crop((0, (image.height - cut) // 2, image.width, (image.height + cut) // 2))
        corner = GAP + k % 2 * (WIDTH + GAP), GAP + k // 2 * (height + GAP)
        canvas.paste(image.resize((WIDTH, height), Image.Resampling.LANCZOS), corner)
        pen = ImageDraw.Draw(canvas)
        pen.text((corner[0] + 7, corner[1] + 5), label, TEXT, font(13), stroke_width=2, stroke_fill=(0, 0, 0))
    canvas.paste(beside, (2 * WIDTH + 3 * GAP, GAP))
    return canvas


def main(lifted: Path) -> None:
    look = f"splat:appearance={lifted / 'appearance'}"
    simulator = assemble(ScenarioSource.open(str(lifted / "drive.yaml")), rig(lifted), camera=look)
    route = np.asarray(simulator.source.route_path)[:, :2]
    simulator.prepare(simulator.source.route_path, progress=True)
    way, driven, pictures = swerving(route), [], []
    frame = simulator.reset()
    while True:
        pose = frame.layout.ego_pose
        driven.append((pose.x, pose.y))
        height = 2 * round(WIDTH * 9 / 16) + GAP
        pictures.append(draw(frame, simulator.rig, plan(route, driven, height)))
        left = np.hypot(*(route[-1] - (pose.x, pose.y)))
        if simulator.source.done or left < 0.3 * np.hypot(*(route[-1] - route[0])):  # beyond, little was seen
            break
        frame = simulator.step(ahead(way, pose.x, pose.y, min(6.0, 2.0 + 0.3 * len(pictures))))
    first, *rest = pictures
    with output_file(OUT) as part:
        first.save(part, save_all=True, append_images=rest, duration=simulator.tick_us // 1000, loop=0,
                   quality=45, method=6)  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
