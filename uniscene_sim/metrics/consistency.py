"""Consistency of sensors within a tick: the depth of LiDAR points against the cameras' depth images.

Points are moved to the images' stamp: static ones stay, agents continue at their velocity, and points of a LiDAR that
is not deskewed are compensated for ego motion. Points on rain, snow and fog are left out, as depth images lack them.

A point's depth is compared with the image's, interpolated between pixels as on a plane. At depth edges it may lie
anywhere between the nearest and the farthest of 3 x 3 pixels. A point behind the visible surface is not compared where
parallax at an edge or an agent that has moved in between explains it; where its beam passes through the middle of a
surface, the sensors disagree. Sky counts as the camera's range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from uniscene_sim.compute.compiled import device, njit
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.lens import FISHEYE, image_point
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.taxonomy import EGO_ID, OccClass

__all__ = ["AGREE_M", "Consistency", "consistency", "depth_differences", "summarise_consistency"]

#: Difference below which LiDAR and camera agree, m.
AGREE_M = 0.2
#: Relative second difference of inverse depth above which a pixel is an edge.
_BEND = 0.02
_CLOSE_M = 0.05  # smaller differences need no test for edges
_NEAREST_M = 1e-3
_STEPS = 32  # along a beam in front of a hidden point
_OTHERS = np.uint8(OccClass.OTHERS)


@dataclass(frozen=True)
class Consistency:
    """Agreement of LiDARs and cameras in one tick."""

    points: int  # number compared
    median_m: float  # of the absolute difference
    p95_m: float
    within: float  # share of points that differ by less than AGREE_M


def consistency(frame: SensorFrame, rig: SensorRig) -> Consistency | None:
    """LiDAR depth against camera depth over all pairs of sensors with the tick's stamp; None if no point can be
    compared."""
    if not frame.cameras:
        return None
    found = [
        depth_differences(frame.sweeps[lidar.name], lidar, frame.cameras[camera.name], camera, frame.layout)
        for lidar in rig.lidars
        if lidar.name in frame.sweeps
        for camera in rig.cameras
        if camera.name in frame.cameras and frame.cameras[camera.name].stamp_us == frame.stamp_us
    ]
    of_points = np.concatenate(found) if found else np.zeros(0, np.float32)
    differences = of_points[of_points >= 0.0]
    if not len(differences):
        return None
    median, p95 = np.percentile(differences, (50, 95))
    return Consistency(len(differences), float(median), float(p95), float((differences < AGREE_M).mean()))


def summarise_consistency(ticks: Sequence[Consistency]) -> dict[str, object] | None:
    """Summary of a run for its report: median and worst tick of each figure; None if no tick was compared."""
    if not ticks:
        return None
    out: dict[str, object] = {"ticks": len(ticks), "points": sum(tick.points for tick in ticks)}
    for name, values, worst in (
        ("median_m", [tick.median_m for tick in ticks], max),
        ("p95_m", [tick.p95_m for tick in ticks], max),
        (f"within_{AGREE_M}_m", [tick.within for tick in ticks], min),
    ):
        out[name] = {"median": round(float(np.median(values)), 4), "worst": round(worst(values), 4)}
    return out


def depth_differences(
    sweep: LidarSweep, lidar: LidarSpec, image: CameraFrame, camera: CameraSpec, layout: LayoutFrame
) -> np.ndarray:
    """Absolute difference of depth, float32 (N,) m; -1 for points that are not compared.

    Args:
        sweep: N points.
        lidar: its sensor.
        image: with the same stamp.
        camera: its sensor.
        layout: the state at that stamp.
    """
    mount, turn = lidar.pose.rotation, camera.rotation_base_from_optical.T
    agents = layout.agents
    velocity = np.zeros((1 << 16, 3), np.float32)  # by id, in the LiDAR's frame
    velocity[agents["id"]] = agents["vel"] @ (layout.ego_pose.rotation @ mount)
    out = np.empty(len(sweep.xyz), np.float32)
    ego = sweep.instance == EGO_ID  # most cameras do not see it
    _compare(
        sweep.xyz if lidar.deskewed else _deskewed(sweep, lidar, layout),
        sweep.time_s,
        np.where(ego, _OTHERS, sweep.label),
        np.where(ego, np.uint16(0), sweep.instance),
        velocity,
        np.ascontiguousarray(turn @ mount),
        turn @ (lidar.pose.position - camera.pose.position),
        image.depth,
        image.instance,
        camera.lens,
        float(camera.max_range_m),
        out,
    )
    return out


def _deskewed(sweep: LidarSweep, lidar: LidarSpec, layout: LayoutFrame) -> np.ndarray:
    """Points float32 (N, 3) m in the sensor's frame at the stamp, at constant speed and yaw rate of the ego."""
    time_s, mount = sweep.time_s.astype(np.float64), lidar.pose.rotation
    x, y, z = (sweep.xyz @ mount.T + lidar.pose.position).T
    c, s = np.cos(layout.ego_yaw_rate * time_s), np.sin(layout.ego_yaw_rate * time_s)
    went = layout.ego_velocity @ layout.ego_pose.rotation
    base = np.stack([c * x - s * y, s * x + c * y, z], axis=1) + time_s[:, None] * went
    xyz: np.ndarray = ((base - lidar.pose.position) @ mount).astype(np.float32)
    return xyz


@njit(cache=True)
def _compare(xyz, time_s, label, instance, velocity, rotation, origin, depth, instance_image, lens, far, out):
    # points: xyz (N, 3) m and time_s (N,), LiDAR frame; label uint8 (N,), instance uint16 (N,)
    # velocity: float32 (65536, 3) m/s by id, LiDAR frame; rotation (3, 3), origin (3,) m: optical <- LiDAR
    # image: depth (H, W) m, instance_image uint16 (H, W), lens (11,), far m; out: float32 (N,) m, written
    height, width = depth.shape
    for n in range(xyz.shape[0]):
        out[n] = -1.0
        a, b, c = np.float64(xyz[n, 0]), np.float64(xyz[n, 1]), np.float64(xyz[n, 2])
        own = instance[n]
        if own:
            t = time_s[n]
            a, b, c = a - t * velocity[own, 0], b - t * velocity[own, 1], c - t * velocity[own, 2]
        elif label[n] == _OTHERS:
            continue
        z = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c + origin[2]
        if z <= 0.0 and lens[0] != FISHEYE:
            continue
        x = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c + origin[0]
        y = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c + origin[1]
        u, v, seen = image_point(lens, x, y, z)
        if not seen or not (0.0 <= u < width and 0.0 <= v < height):
            continue
        deep = _depth_of(lens, x, y, z)
        if deep >= far:
            continue
        difference, behind = _difference(depth, far, u, v, deep)
        if behind and difference >= AGREE_M:
            i, j = int(v), int(u)
            before = instance_image[i, j]
            came = before and before != own and velocity[before].any()
            if came or not _passes_through(depth, far, lens, origin, x, y, z, deep, i, j):
                continue
        out[n] = difference


@device
def _depth_of(lens, x, y, z):
    return sqrt(x * x + y * y + z * z) if lens[0] == FISHEYE else z


@device
def _depth_at(depth, far, i, j):
    return min(max(np.float64(depth[i, j]), _NEAREST_M), far)


@device
def _around(depth, far, i, j):
    """Whether inverse depth is planar around a pixel, and the nearest and farthest depth of 3 x 3 pixels."""
    height, width = depth.shape
    low, high = far, 0.0
    for a in range(max(i - 1, 0), min(i + 2, height)):
        for b in range(max(j - 1, 0), min(j + 2, width)):
            d = _depth_at(depth, far, a, b)
            low, high = min(low, d), max(high, d)
    if not (0 < i < height - 1 and 0 < j < width - 1):
        return False, low, high
    here = _depth_at(depth, far, i, j)
    for a, b in ((0, 1), (1, 0), (1, 1), (1, -1)):
        if abs(here / _depth_at(depth, far, i + a, j + b) + here / _depth_at(depth, far, i - a, j - b) - 2.0) > _BEND:
            return False, low, high
    return True, low, high


@device
def _difference(depth, far, u, v, deep):
    """Difference (m) between the depth `deep` of a point and the image's at (u, v), and whether the point is behind."""
    height, width = depth.shape
    a, b = min(max(int(v - 0.5), 0), height - 2), min(max(int(u - 0.5), 0), width - 2)
    s, t = v - 0.5 - a, u - 0.5 - b
    inverse = (1.0 - s) * ((1.0 - t) / _depth_at(depth, far, a, b) + t / _depth_at(depth, far, a, b + 1))
    inverse += s * ((1.0 - t) / _depth_at(depth, far, a + 1, b) + t / _depth_at(depth, far, a + 1, b + 1))
    between = abs(deep - 1.0 / inverse)
    if between < _CLOSE_M:
        return between, False
    smooth, low, high = _around(depth, far, int(v), int(u))
    if smooth:
        return between, deep * inverse > 1.0
    return min(between, max(low - deep, deep - high, 0.0)), deep > high


@device
def _passes_through(depth, far, lens, origin, x, y, z, deep, i, j):
    """Whether the beam to a point hidden at pixel (i, j) passes through a surface rather than past its edge.

    The beam is followed back from the point, evenly in inverse depth, to where it becomes visible.
    """
    height, width = depth.shape
    stretch = 2.0 * deep / _depth_at(depth, far, i, j) - 1.0
    for k in range(1, _STEPS + 1):
        s = 1.0 / (1.0 + stretch * k / _STEPS)
        qx, qy, qz = origin[0] + s * (x - origin[0]), origin[1] + s * (y - origin[1]), origin[2] + s * (z - origin[2])
        u, v, seen = image_point(lens, qx, qy, qz)
        if not seen or not (0.0 <= u < width and 0.0 <= v < height):
            return False
        p, q = int(v), int(u)
        if _depth_of(lens, qx, qy, qz) <= _depth_at(depth, far, p, q):
            return _around(depth, far, p, q)[0] and _around(depth, far, i, j)[0]
        i, j = p, q
    return False
