"""A driver of your own in the loop: follows the route by pure pursuit and keeps its distance to what is ahead.

python examples/drive_in_a_loop.py [SCENARIO]
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from uniscene_sim import Control, ScenarioSource, assemble, load_rig
from uniscene_sim.frames import SensorFrame

CRUISE_MPS = 10.0
RIG = load_rig("rl")
LIDAR = RIG.lidars[0].pose  # about base_link, without rotation
NOSE_M = 3.65  # front of the ego before base_link


def drive(frame: SensorFrame) -> Control:
    """Steering and acceleration for a frame."""
    layout = frame.layout
    to_base = layout.ego_pose.inverse().matrix
    route = layout.route @ to_base[:3, :3].T + to_base[:3, 3]  # (R, 3) m: x forward, y left
    speed = float(np.hypot(*layout.ego_velocity[:2]))
    # Pure pursuit: the arc from the rear axle through a point ahead.
    ahead = route[np.argmax(route[:, 0] > 4.0 + 0.5 * speed)]
    steer = math.atan(2.0 * layout.ego_vehicle.wheelbase_m * ahead[1] / float(ahead[:2] @ ahead[:2]))
    # The speed from which the ego can still stop 5 m behind the nearest LiDAR point in the lane.
    gap = free_distance(frame.sweeps["lidar"].xyz + LIDAR.position, route)
    wanted = min(CRUISE_MPS, math.sqrt(max(2.0 * 3.0 * (gap - 5.0), 0.0)))
    return Control(steer, float(np.clip(2.0 * (wanted - speed), -6.0, 2.0)))


def free_distance(points: np.ndarray, route: np.ndarray) -> float:
    """Distance, m, from the nose to the nearest object in the lane; points (N, 3) and route (R, 3) in `base_link`."""
    x, y, z = points.T
    lane = np.interp(x, route[:, 0], route[:, 1])  # x increases along the part of the route that matters here
    hits = np.sort(x[(x > NOSE_M) & (x < 55.0) & (abs(y - lane) < 1.2) & (z > 0.4) & (z < 2.0)])
    return float(hits[2]) - NOSE_M if len(hits) > 2 else math.inf


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="hard_brake", help="name or file (default: hard_brake)")
    arguments = parser.parse_args()
    simulator = assemble(ScenarioSource.open(arguments.scenario), RIG, bev_schema=None)
    frame = simulator.reset()
    while not simulator.source.done:
        frame = simulator.step(drive(frame))
    outcome = simulator.source.outcome
    for criterion in outcome.criteria:
        print(f"{criterion.name}: {criterion.actual:.2f}, expected {criterion.expected}")
    print(outcome.status)
    return 0 if outcome.status == "SUCCESS" else 1


if __name__ == "__main__":
    raise SystemExit(main())
