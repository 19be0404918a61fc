"""A recording as a data set in nuScenes' format (v1.0), with occupancy as Occ3D's, from a replay.

Twice a second, when all sensors fire together, a sample is labelled; what they measure between is kept as sweeps.
Sensor frames are nuScenes': cameras' optical ones, and LiDARs' with x to the right and y ahead. The global frame is the
map frame, moved so that the lower left corner of the map's mask is its origin.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from warnings import warn

import numpy as np
from PIL import Image

from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.export.folder import Exported, exported_folder, frame_count, replayed, written_bytes
from uniscene_sim.export.nuscenes_map import map_mask
from uniscene_sim.export.nuscenes_tables import CATEGORIES, SceneTables
from uniscene_sim.export.occ3d import GRID, TALL_GRID, write_labels
from uniscene_sim.frames import FrameRequest, LidarSweep, SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.rigs.ros_conventions import optical_pose, plain
from uniscene_sim.simulator import Simulator
from uniscene_sim.taxonomy import AgentClass

__all__ = ["write_nuscenes"]

VERSION = "v1.0-mini"  # what the devkit opens unless told otherwise
_SAMPLE_US = 500_000
_LIDAR = "LIDAR_TOP"
_JPEG = 95
#: Turns nuScenes' LiDAR axes, x to the right and y ahead, into ours.
_FROM_RIGHT_AHEAD = Pose(yaw=-np.pi / 2)
#: Bytes of a pixel, a beam and a sample's labels, for the estimate.
_PIXEL_BYTES, _BEAM_BYTES, _LABEL_BYTES = 0.5, 20, 150_000


def write_nuscenes(simulator: Simulator[RecordedSource], out: Path, progress: bool = False) -> Exported:
    """Write the data set.

    Args:
        simulator: made by `recording.replay.replayer`.
        out: new or empty folder.
        progress: whether to show a progress bar.

    Raises:
        InputError: the rig lacks pinhole cameras or a LiDAR, its sensors never fire together, or the folder cannot be
            written.
    """
    rig = simulator.rig
    cameras = tuple(camera for camera in rig.cameras if camera.model == "pinhole")
    if left_out := [camera.name for camera in rig.cameras if camera.model != "pinhole"]:
        warn(f"nuScenes has pinholes alone: leaves out {', '.join(left_out)}", InputWarning, stacklevel=2)
    if not cameras or not rig.lidars:
        why = "nuScenes needs a LiDAR and a pinhole camera, the recorded rig lacks one"
        raise InputError(why, argument="simulator")
    ticks, samples = frame_count(simulator), frame_count(simulator) * simulator.tick_us // _SAMPLE_US + 1
    pixels = sum(camera.width * camera.height for camera in cameras)
    beams = sum(lidar.azimuth_steps * len(lidar.elevation_rad) for lidar in rig.lidars)
    needed = ticks * (_PIXEL_BYTES * pixels + _BEAM_BYTES * beams) + samples * _LABEL_BYTES
    with exported_folder(Path(out), needed, f"{ticks} ticks") as root:
        scene = _Scene(root, simulator, cameras, rig.lidars)
        for frame in replayed(simulator, scene.request_at, progress):
            scene.add(frame)
        scene.close()
        return Exported(scene.samples, "samples", written_bytes(root))


class _Scene:
    """The scene of a recording, written frame by frame."""

    def __init__(
        self,
        root: Path,
        simulator: Simulator[RecordedSource],
        cameras: Sequence[CameraSpec],
        lidars: Sequence[LidarSpec],
    ):
        recording, self._map = simulator.source.recording, simulator.source.map
        run = recording.run
        self._root, self._cameras, self._lidars = root, cameras, lidars
        self._mask = map_mask(self._map, recording.ego_path[:, 1:])
        key = hashlib.sha256(recording.ego_path.tobytes() + run.SerializeToString(deterministic=True)).hexdigest()
        description = f"{run.title}, seed {run.seed}, rig {simulator.rig.name}, {self._map.name}, simulated"
        self._tables = SceneTables(f"scene-{plain(run.title)}-{run.seed}", description, self._map.name, key)
        # The devkit asks for the LiDAR by its name.
        first = () if any(lidar.name == _LIDAR for lidar in lidars) else (lidars[0].name,)
        self._channels = {name: _LIDAR for name in first}
        for camera in cameras:
            k = [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]]
            self._tables.add_sensor(camera.name, "camera", optical_pose(camera.pose), k)
        for lidar in lidars:
            self._tables.add_sensor(self._channel(lidar.name), "lidar", lidar.pose.compose(_FROM_RIGHT_AHEAD))
        tall = getattr(simulator.engines["window"], "name", "") == "exact"
        self._specs: tuple[CameraSpec | LidarSpec, ...] = (*cameras, *lidars)
        self._names = frozenset(spec.name for spec in self._specs)
        self._sweeps = FrameRequest(self._names, None, None, digests=False)
        self._sample = replace(self._sweeps, window_grid=TALL_GRID if tall else GRID, annotations=frozenset(["boxes"]))
        self._next_us: int | None = None
        self._poses: dict[int, Pose] = {}
        self.samples = 0

    def request_at(self, stamp_us: int) -> FrameRequest:
        """A sample's labels where one is due and all sensors fire."""
        fire = all((stamp_us - spec.phase_us) % spec.period_us == 0 for spec in self._specs)
        return self._sample if fire and (self._next_us is None or stamp_us >= self._next_us) else self._sweeps

    def add(self, frame: SensorFrame) -> None:
        """A tick: its files, and its labels if it is a sample."""
        records = {name: record for name, record in frame.records.items() if name in self._names}
        whole = records.keys() == self._names and all(r.stamp_us == frame.stamp_us for r in records.values())
        key = frame.occupancy is not None and whole
        self._poses[frame.stamp_us] = self._global(frame.layout.ego_pose)
        for name, record in records.items():
            channel, folder = self._channel(name), "samples" if key else "sweeps"
            kind = "pcd.bin" if isinstance(record, LidarSweep) else "jpg"
            file = f"{folder}/{channel}/{self._tables.name}__{channel}__{record.stamp_us:016}.{kind}"
            (self._root / file).parent.mkdir(parents=True, exist_ok=True)
            size = (0, 0)
            if isinstance(record, LidarSweep):
                (self._root / file).write_bytes(_points(record))
            else:
                Image.fromarray(record.rgb).save(self._root / file, quality=_JPEG)
                size = record.rgb.shape[1], record.rgb.shape[0]
            ego = self._poses.get(record.stamp_us, self._poses[frame.stamp_us])
            self._tables.add_data(channel, record.stamp_us, file, ego, key=key, size=size)
        if key:
            self._add_sample(frame)

    def _add_sample(self, frame: SensorFrame) -> None:
        sample = self._tables.add_sample(frame.stamp_us)
        assert frame.annotations is not None and frame.annotations.boxes is not None
        for box in frame.annotations.boxes:
            seen = box["num_lidar_pts"] > 0 or box["visibility"] > 0
            if seen and AgentClass(int(box["cls"])) in CATEGORIES:
                self._tables.add_annotation(sample, box, self._poses[frame.stamp_us])
        labels = self._root / "gts" / self._tables.name / sample / "labels.npz"
        write_labels(labels, frame, self._map, self._cameras, self._lidars)
        self._next_us = frame.stamp_us + _SAMPLE_US
        self.samples += 1

    def close(self) -> None:
        """Write map and tables.

        Raises:
            InputError: there is no sample.
        """
        if not self.samples:
            why = "its sensors never fire together, expected a rig of one period and phase"
            raise InputError(why, argument="simulator")
        mask = f"maps/{self._tables.key[:32]}.png"
        for folder in ("maps", VERSION):
            (self._root / folder).mkdir()
        self._mask.picture.save(self._root / mask)
        for name, rows in self._tables.finished(mask, self._mask.origin).items():
            (self._root / VERSION / f"{name}.json").write_text(json.dumps(rows, indent=0), encoding="utf-8")

    def _channel(self, name: str) -> str:
        return self._channels.get(name, name)

    def _global(self, pose: Pose) -> Pose:
        return replace(pose, x=pose.x - self._mask.origin[0], y=pose.y - self._mask.origin[1])


def _points(sweep: LidarSweep) -> bytes:
    """x to the right, y ahead, z up, m; intensity 0 to 255; ring."""
    right, ahead, up = -sweep.xyz[:, 1], sweep.xyz[:, 0], sweep.xyz[:, 2]
    return np.stack([right, ahead, up, 255 * sweep.intensity, sweep.ring], axis=1).astype("<f4").tobytes()
