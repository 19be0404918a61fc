"""A map painted with NumPy, a scenario on it, and a run: an S-bend with a crossing and a pedestrian on it.

python examples/paint_a_map.py [--out out/painted]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim import ScenarioSource, assemble, load_rig
from uniscene_sim.maps.painted.painted_map import PaintedMap

CELL_M = 0.4


def middle(x: np.ndarray) -> np.ndarray:
    """y of the street's centre line, m."""
    return 60.0 + 15.0 * np.sin(x / 30.0)


def paint(path: Path) -> None:
    x, y = np.mgrid[0:160:CELL_M, 0:120:CELL_M]
    off = y - middle(x)  # m to the left of the middle
    road, crossing = abs(off) < 4.0, abs(x - 95.0) < 2.0
    channels = {
        "drivable_area": road,
        "lane_divider": (abs(off) < 0.3) & ~crossing & (x % 9.0 < 3.0),
        "ped_crossing": road & crossing,
        "walkway": (abs(off) >= 4.0) & (abs(off) < 7.0),
        "building": (abs(off) > 12.0) & (abs(off) < 22.0) & (x % 40.0 < 28.0),
    }
    PaintedMap(path.stem, tuple(channels), np.stack(list(channels.values())), CELL_M).save(path)


def scenario(map_name: str) -> dict[str, Any]:
    t = np.arange(16.0)
    x = 20.0 + 6.0 * t
    y = middle(x) - 2.0  # on the right
    yaw = np.degrees(np.arctan2(y[1] - y[0], x[1] - x[0]))
    crossing_m = float(middle(np.array(95.0)))
    return {
        "map": map_name,
        "duration_s": 12,
        "ego": {
            "spawn": {"x": x[0], "y": y[0], "yaw_deg": yaw},
            "speed_mps": 6,
            "trajectory": np.column_stack([t, x, y]).round(3).tolist(),
        },
        "agents": [{
            "name": "walker",
            "class": "pedestrian",
            "behaviour": "trajectory",
            "spawn": {"x": 95.0, "y": crossing_m + 6.0, "yaw_deg": -90},
            "trajectory": [[0.0, 95.0, crossing_m + 6.0], [9.0, 95.0, crossing_m - 6.0]],
        }],
        "criteria": [{"kind": "collision", "value": 0}, {"kind": "driven_distance", "value": 50}],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/painted"), help="folder (default: out/painted)")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    paint(folder / "bend.npz")
    text = json.dumps(scenario("bend.npz"), indent=1)  # YAML holds JSON
    (folder / "bend.yaml").write_text(text, encoding="utf-8")
    simulator = assemble(ScenarioSource.open(str(folder / "bend.yaml")), load_rig("rl"), bev_schema=None)
    simulator.reset()
    while not simulator.source.done:
        simulator.step()  # the built-in driver follows the trajectory
    print(simulator.source.outcome.status)
    print(f"pictures: uniscene-sim run {folder / 'bend.yaml'}")


if __name__ == "__main__":
    main()
