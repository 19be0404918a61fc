"""`Annotator`: the requested annotations of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from uniscene_sim.annotations.boxes import boxes_in, camera_boxes, posed_agents, set_visibility
from uniscene_sim.annotations.flow import camera_flow, point_velocity
from uniscene_sim.annotations.lanes import LaneLines
from uniscene_sim.errors import InputError
from uniscene_sim.frames import (
    ANNOTATION_KINDS,
    CameraAnnotations,
    CameraBuffers,
    CameraFrame,
    FrameAnnotations,
    LidarAnnotations,
    LidarSweep,
)
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.rig import SensorRig
from uniscene_sim.tracing.buffers import camera_buffers

__all__ = ["Annotator"]

_Image = TypeVar("_Image")
_Found = dict[str, dict[str, Any]]  # fields of annotations by name, of each sensor by name


class Annotator:
    """Annotates the frames of one world, in order.

    Args:
        rig: sensors of the frames.
        static_map: source of lanes.
        kinds: requested annotations, of `ANNOTATION_KINDS`.

    Raises:
        InputError: an unknown kind.
    """

    def __init__(self, rig: SensorRig, static_map: StaticMap, kinds: Sequence[str]):
        for kind in kinds:
            if kind not in ANNOTATION_KINDS:
                raise InputError(
                    f"no annotation {kind!r}; expected some of {', '.join(ANNOTATION_KINDS)}", field="annotations"
                )
        self._rig, self._kinds = rig, frozenset(kinds)
        self._lanes = LaneLines(static_map) if "lanes" in kinds else None
        self._before: dict[str, tuple[LayoutFrame, CameraFrame]] = {}
        self._buffers_before: dict[str, tuple[LayoutFrame, CameraBuffers]] = {}

    def annotate(
        self,
        view: WorldView,
        cameras: Mapping[str, CameraFrame],
        sweeps: Mapping[str, LidarSweep],
        layouts: Mapping[str, LayoutFrame] | None = None,
        views: Mapping[str, WorldView] | None = None,
    ) -> FrameAnnotations:
        """Annotations of the images and sweeps of a tick.

        Args:
            view: the world at the tick's stamp.
            cameras: images by sensor.
            sweeps: sweeps by sensor; those with another stamp are left out.
            layouts: by sensor, the layout of images with another stamp than `view`, such as those of cameras with
                latency; each image is annotated at its own stamp.
            views: by camera, the world that its rays are traced through, for buffers: those of the others are left out;
                None: `view`, for all.
        """
        layouts = {name: view.frame for name in cameras} | dict(layouts or {})
        sweeps = {name: s for name, s in sweeps.items() if s.stamp_us == view.frame.stamp_us}
        of_camera: _Found = {name: {} for name in cameras}
        of_sweep: _Found = {name: {} for name in sweeps}
        boxes = None
        if "flow" in self._kinds:
            self._flow(view, cameras, sweeps, layouts, of_camera, of_sweep)
        if "boxes" in self._kinds:
            boxes = self._boxes(view.frame, cameras, sweeps, layouts, of_camera, of_sweep)
        if self._lanes is not None:
            for spec in self._rig.cameras:
                if spec.name in cameras:
                    of_camera[spec.name]["lanes"] = self._lanes.visible_lines(
                        layouts[spec.name], spec, cameras[spec.name]
                    )
        if "buffers" in self._kinds:
            self._buffers(dict.fromkeys(cameras, view) if views is None else views, layouts, of_camera)
        return FrameAnnotations(
            boxes,
            {name: CameraAnnotations(**found) for name, found in of_camera.items()},
            {name: LidarAnnotations(**found) for name, found in of_sweep.items()},
        )

    def _flow(
        self,
        view: WorldView,
        cameras: Mapping[str, CameraFrame],
        sweeps: Mapping[str, LidarSweep],
        layouts: Mapping[str, LayoutFrame],
        of_camera: _Found,
        of_sweep: _Found,
    ) -> None:
        for spec in self._rig.cameras:
            if spec.name in cameras:
                layout = layouts[spec.name]
                before = _earlier(self._before.get(spec.name), layout)
                optical, scene, occluded = camera_flow(layout, cameras[spec.name], before, spec)
                of_camera[spec.name] |= {"optical_flow": optical, "scene_flow": scene, "occluded": occluded}
                self._before[spec.name] = (layout, cameras[spec.name])
        for lidar in self._rig.lidars:
            if lidar.name in sweeps:
                of_sweep[lidar.name]["scene_flow"] = point_velocity(view, lidar, sweeps[lidar.name])

    def _buffers(self, views: Mapping[str, WorldView], layouts: Mapping[str, LayoutFrame], of_camera: _Found) -> None:
        for spec in self._rig.cameras:
            if spec.name in of_camera and spec.name in views:
                found, layout = camera_buffers(views[spec.name], spec), layouts[spec.name]
                before = _earlier(self._buffers_before.get(spec.name), layout)
                motion = None if before is None else camera_flow(layout, found, before, spec)[0]
                of_camera[spec.name]["buffers"] = replace(found, motion=motion)
                self._buffers_before[spec.name] = (layout, found)

    def _boxes(
        self,
        frame: LayoutFrame,
        cameras: Mapping[str, CameraFrame],
        sweeps: Mapping[str, LidarSweep],
        layouts: Mapping[str, LayoutFrame],
        of_camera: _Found,
        of_sweep: _Found,
    ) -> np.ndarray:
        posed = posed_agents(frame)
        hits = {name: np.bincount(sweep.instance, minlength=1 << 16)[posed.id] for name, sweep in sweeps.items()}
        points = np.sum([np.zeros(len(posed.id), np.int64), *hits.values()], axis=0)
        visible, alone = np.zeros(len(posed.id), np.int64), np.zeros(len(posed.id), np.int64)
        for spec in self._rig.cameras:
            if spec.name in cameras:
                then = layouts[spec.name]
                if then.stamp_us == frame.stamp_us:
                    found = camera_boxes(frame, posed, points, spec, cameras[spec.name])
                    visible += found["num_pixels"]
                    alone += found["num_pixels_alone"]
                else:
                    others = posed_agents(then)
                    found = camera_boxes(then, others, np.zeros(len(others.id), np.int64), spec, cameras[spec.name])
                of_camera[spec.name]["boxes"] = found[~np.isnan(found["bbox_amodal"][:, 0])]
        for lidar in self._rig.lidars:
            if lidar.name in sweeps:
                sensor = frame.ego_pose.compose(lidar.pose)
                found = boxes_in(sensor.rotation, sensor.position, frame, posed)
                found["num_lidar_pts"] = hits[lidar.name]
                set_visibility(found, visible, alone)
                of_sweep[lidar.name]["boxes"] = _within(found, posed.radius, lidar.max_range_m)
        boxes = boxes_in(frame.ego_pose.rotation, frame.ego_pose.position, frame, posed)
        boxes["num_lidar_pts"] = points
        set_visibility(boxes, visible, alone)
        return _within(boxes, posed.radius, self._rig.max_range_m)


def _earlier(before: tuple[LayoutFrame, _Image] | None, layout: LayoutFrame) -> tuple[LayoutFrame, _Image] | None:
    """An image and its moment, unless that is not before `layout`: the source was reset."""
    return None if before is None or before[0].stamp_us >= layout.stamp_us else before


def _within(boxes: np.ndarray, radius: np.ndarray, range_m: float) -> np.ndarray:
    within: np.ndarray = boxes[np.linalg.norm(boxes["centre"], axis=1) - radius < range_m]
    return within
