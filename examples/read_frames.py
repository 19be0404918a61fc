"""The frames of a run, driven by the built-in driver: saves an image and a point cloud.

python examples/read_frames.py [SCENARIO] [--ticks 5] [--out out/frames]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from uniscene_sim import load_rig
from uniscene_sim.frames import LidarSweep
from uniscene_sim.run import frames, prepare


def write_ply(path: Path, sweep: LidarSweep) -> None:
    """Points in the sensor frame with their intensity, as PLY, which most viewers open."""
    table = np.column_stack([sweep.xyz, sweep.intensity]).astype("<f4")
    columns = "".join(f"property float {name}\n" for name in ("x", "y", "z", "intensity"))
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n{columns}end_header\n"
    path.write_bytes(header.encode() + table.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="cut_in", help="name or file (default: cut_in)")
    parser.add_argument("--rig", default="rl", help="preset or YAML file (default: rl)")
    parser.add_argument("--ticks", type=int, default=5, help="frames after the first one")
    parser.add_argument("--out", type=Path, default=Path("out/frames"), help="folder (default: out/frames)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    simulator = prepare(arguments.scenario, load_rig(arguments.rig))
    for frame in frames(simulator, ticks=arguments.ticks):
        points = sum(len(sweep.xyz) for sweep in frame.sweeps.values())
        print(f"{frame.stamp_us / 1e6:.1f} s: {len(frame.cameras)} images, {points} points")
    for name, image in frame.cameras.items():
        Image.fromarray(image.rgb).save(arguments.out / f"{name}.png")
    for name, sweep in frame.sweeps.items():
        write_ply(arguments.out / f"{name}.ply", sweep)


if __name__ == "__main__":
    main()
