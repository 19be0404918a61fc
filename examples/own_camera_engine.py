"""A camera engine of your own: depth as grey levels, used in a `Simulator` or installed as a plug-in.

python examples/own_camera_engine.py [--out depth.png]

To use it by name on the command line, in environments and in the ROS 2 node, name it in your package's `pyproject.toml`
and install that:

    [project.entry-points."uniscene_sim.camera"]
    grey-depth = "own_camera_engine:GreyDepth"

Then `uniscene-sim check grey-depth` tests it and `uniscene-sim run cut_in --camera grey-depth:80` uses it. While you
write it, `uniscene-sim check own_camera_engine:GreyDepth --slot camera` does without installing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from uniscene_sim import ScenarioSource, Simulator, load_rig
from uniscene_sim.assembly import tile_store
from uniscene_sim.camera.raycast.engine import PlainCameras
from uniscene_sim.frames import CameraFrame
from uniscene_sim.interfaces import WorldView
from uniscene_sim.occupancy.window import ExactWindow
from uniscene_sim.rig import CameraSpec


class GreyDepth:
    """Images that are white nearby and black beyond `far_m`; geometry comes from the built-in engine."""

    name = "grey-depth"
    coupling = "independent"  # a camera's frame does not depend on the other cameras
    chunk, latency_ticks = 1, 0  # one moment a call, delivered at once

    @dataclass(frozen=True)
    class Options:
        far_m: float = 50.0

    def __init__(self, *, options: Options = Options()):
        self.far_m = options.far_m
        self.rays = PlainCameras()

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], specs: Sequence[CameraSpec]
    ) -> tuple[Sequence[Any], list[dict[str, CameraFrame]]]:
        """States and, for each view, frames by the camera's name."""
        state, worlds = self.rays.step(state, views, specs)
        return state, [{name: self.grey(frame) for name, frame in world.items()} for world in worlds]

    def grey(self, frame: CameraFrame) -> CameraFrame:
        near = 1.0 - np.minimum(frame.depth / self.far_m, 1.0)  # (H, W); depth is inf in the sky
        return replace(frame, rgb=np.repeat(np.round(255.0 * near).astype(np.uint8)[..., None], 3, axis=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("depth.png"), help="image (default: depth.png)")
    arguments = parser.parse_args()
    source = ScenarioSource.open("cut_in")
    tiles = tile_store("procedural", source.map, source.seed)
    engines = {
        "window": ExactWindow(source.map, source.seed),
        "camera": GreyDepth(options=GreyDepth.Options(far_m=40.0)),
    }
    simulator = Simulator(source, replace(load_rig("rl"), lidars=()), tiles, engines)
    frame = simulator.reset()
    Image.fromarray(frame.cameras["front"].rgb).save(arguments.out)
    print(arguments.out)


if __name__ == "__main__":
    main()
