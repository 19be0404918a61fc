"""A recording as a data set in KITTI's object format: pictures, sweeps, calibrations and labels, from a replay.

Folders are those of KITTI's development kit below `training/`: `image_2`, `velodyne`, `calib`, `label_2`; one number
for each tick at which the camera that looks ahead and the first LiDAR fire together. Labels hold objects with visible
pixels. Beside them is `occupancy`, Occ3D's `labels.npz` of the same moments: KITTI's object benchmark has no occupancy,
and SemanticKITTI's voxels, of its odometry, are half as large as ours, so that every second one would be made up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from uniscene_sim.errors import InputError
from uniscene_sim.export.folder import Exported, exported_folder, frame_count, replayed, written_bytes
from uniscene_sim.export.occ3d import GRID, TALL_GRID, write_labels
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.simulator import Simulator
from uniscene_sim.taxonomy import AgentClass

__all__ = ["write_kitti"]

_TYPES = {
    AgentClass.CAR: "Car",
    AgentClass.TRUCK: "Truck",
    AgentClass.CONSTRUCTION_VEHICLE: "Truck",
    AgentClass.BUS: "Truck",
    AgentClass.TRAILER: "Truck",
    AgentClass.MOTORCYCLE: "Cyclist",
    AgentClass.BICYCLE: "Cyclist",
    AgentClass.PEDESTRIAN: "Pedestrian",
}
#: Least visible share of "fully visible" and "partly occluded"; below is "largely occluded".
_VISIBLE = (0.8, 0.4)
#: Bytes of a PNG's pixel and of a frame's labels, for the estimate.
_PIXEL_BYTES, _LABEL_BYTES = 2.0, 150_000


def write_kitti(simulator: Simulator[RecordedSource], out: Path, progress: bool = False) -> Exported:
    """Write the data set.

    Args:
        simulator: made by `recording.replay.replayer`.
        out: new or empty folder.
        progress: whether to show a progress bar.

    Raises:
        InputError: the rig lacks a pinhole camera or a LiDAR that fire together, or the folder cannot be written.
    """
    rig = simulator.rig
    pinholes = [camera for camera in rig.cameras if camera.model == "pinhole"]
    camera = max(pinholes, key=lambda camera: float(camera.pose.rotation[0, 0]), default=None)
    if camera is None or not rig.lidars:
        raise InputError("KITTI needs a LiDAR and a pinhole camera, the recorded rig lacks one", argument="simulator")
    lidar, ticks = rig.lidars[0], frame_count(simulator)
    beams = lidar.azimuth_steps * len(lidar.elevation_rad)
    needed = ticks * (_PIXEL_BYTES * camera.width * camera.height + 16 * beams + _LABEL_BYTES)
    tall = getattr(simulator.engines["window"], "name", "") == "exact"
    request = FrameRequest(
        frozenset((camera.name, lidar.name)), TALL_GRID if tall else GRID, None, frozenset(["boxes"]), digests=False
    )
    count = 0
    with exported_folder(Path(out), needed, f"{ticks} ticks") as folder:
        for frame in replayed(simulator, lambda _: request, progress):
            if camera.name in frame.cameras and lidar.name in frame.sweeps:
                root, number = folder / "training", f"{count:06}"
                _write_frame(root, number, frame, camera, lidar)
                write_labels(root / "occupancy" / f"{number}.npz", frame, simulator.source.map, [camera], [lidar])
                count += 1
        if not count:
            why = f"{camera.name} and {lidar.name} never fire together, expected one phase"
            raise InputError(why, argument="simulator")
        return Exported(count, "frames", written_bytes(folder))


def _write_frame(root: Path, number: str, frame: SensorFrame, camera: CameraSpec, lidar: LidarSpec) -> None:
    """One moment.

    Args:
        root: the folder `training`.
        number: six digits.
        frame: with records of both sensors, and boxes.
        camera, lidar: the sensors.
    """
    for folder in ("image_2", "velodyne", "calib", "label_2"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame.cameras[camera.name].rgb).save(root / "image_2" / f"{number}.png")
    sweep = frame.sweeps[lidar.name]
    points = np.concatenate([sweep.xyz, sweep.intensity[:, None]], axis=1)
    (root / "velodyne" / f"{number}.bin").write_bytes(points.astype("<f4").tobytes())
    (root / "calib" / f"{number}.txt").write_text(_calibration(camera, lidar), encoding="utf-8")
    assert frame.annotations is not None
    boxes = frame.annotations.cameras[camera.name].boxes
    lines = [line for box in (boxes if boxes is not None else ()) if (line := _label(box))]
    (root / "label_2" / f"{number}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _label(box: np.void) -> str | None:
    """A line of `label_2` from a box in the optical frame; None for what KITTI does not label or nobody sees."""
    kind = _TYPES.get(AgentClass(int(box["cls"])))
    if kind is None or box["num_pixels"] == 0:
        return None
    forward, up = box["rotation"][:, 0], box["rotation"][:, 2]
    length, width, height = box["size"].tolist()
    x, y, z = (box["centre"] - 0.5 * height * up).tolist()
    turned = float(np.arctan2(-forward[2], forward[0]))
    seen = float(box["visibility"])
    occluded = 0 if seen > _VISIBLE[0] else 1 if seen > _VISIBLE[1] else 2
    alpha = (turned - np.arctan2(x, z) + np.pi) % (2 * np.pi) - np.pi
    edges = " ".join(f"{edge:.2f}" for edge in box["bbox_amodal"])
    numbers = " ".join(f"{v:.2f}" for v in (height, width, length, x, y, z, turned))
    return f"{kind} {box['truncation']:.2f} {occluded} {alpha:.2f} {edges} {numbers}"


def _calibration(camera: CameraSpec, lidar: LidarSpec) -> str:
    """`calib`: the same projection for all four cameras, no rectification, the LiDAR's place in the optical frame."""
    projection: list[float] = [camera.fx, 0, camera.cx, 0, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0]
    optical = np.eye(4)
    optical[:3, :3], optical[:3, 3] = camera.rotation_base_from_optical, camera.pose.position
    velodyne = np.linalg.inv(optical) @ lidar.pose.matrix
    rows = {f"P{k}": projection for k in range(4)}
    rows |= {
        "R0_rect": np.eye(3).ravel().tolist(),
        "Tr_velo_to_cam": velodyne[:3].ravel().tolist(),
        "Tr_imu_to_velo": np.linalg.inv(lidar.pose.matrix)[:3].ravel().tolist(),
    }
    return "".join(f"{name}: {' '.join(f'{v:.12e}' for v in values)}\n" for name, values in rows.items())
