"""Recordings of our own as streets to lift: the world is known, and colours are found from the recorded pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from uniscene_sim.assembly import tile_store
from uniscene_sim.camera.splat.appearance import linear_colours
from uniscene_sim.datasets.lift.appearance import Kind, Stand, StreetCanvas
from uniscene_sim.datasets.lift.colours import ROUNDS, lift_colours
from uniscene_sim.datasets.lift.drive import View
from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.pictures import pictures
from uniscene_sim.storage.output_file import Outputs
from uniscene_sim.tracing.agents import PosedAgents, agent_motion, pose_agents
from uniscene_sim.tracing.camera_rays import camera_pose
from uniscene_sim.tracing.templates.template_set import built_in_templates
from uniscene_sim.wire.messages import layout_of

__all__ = ["OwnDrive", "lift_recording"]


@dataclass(frozen=True)
class OwnDrive:
    """The pictures of a recording and the layouts that they show.

    Args:
        recording: with pictures.

    Raises:
        InputError: it has none, or is damaged.
    """

    recording: Recording

    @cached_property
    def views(self) -> tuple[View, ...]:
        """All pictures, by camera; `frame` counts those of each."""
        found = []
        for spec in self.recording.rig.cameras:
            stamps = [stamp for name, stamp in self._images if name == spec.name]
            for frame, stamp in enumerate(sorted(stamps)):
                rotation, position = camera_pose(self._layouts[stamp].ego_pose, spec)
                pose = np.eye(4)
                pose[:3, :3], pose[:3, 3] = rotation, position
                found.append(View(spec, frame, stamp * 1e-6, pose, self.recording.path))
        if not found:
            raise InputError("holds no pictures, expected those of a camera", file=self.recording.path)
        return tuple(found)

    def image(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """A picture, linear float32 (H, W, 3), and which pixels count, float32 (H, W): all."""
        coded = self._images[view.camera.name, round(view.time_s * 1e6)]
        return linear_colours(coded), np.ones(coded.shape[:2], np.float32)

    def canvas(self) -> StreetCanvas:
        """The splats of the world that was recorded."""
        run = self.recording.run
        store = tile_store(run.engines["occupancy"], self.recording.map, int(run.seed))
        posed = {stamp: self._posed(layout) for stamp, layout in self._layouts.items()}
        sizes = {(int(p.id[n]), int(p.template[n])): (int(p.cls[n]), p.size[n])
                 for p in posed.values() for n in range(len(p.id))}  # fmt: skip
        numbers = {key: k for k, key in enumerate(sizes)}
        kinds = [Kind(cls, template, tuple(size.tolist())) for (_, template), (cls, size) in sizes.items()]

        def stands(view: View) -> dict[int, Stand]:
            p = posed[round(view.time_s * 1e6)]
            return {numbers[int(p.id[n]), int(p.template[n])]: Stand(p.position[n], p.rotation[n], p.size[n])
                    for n in range(len(p.id))}  # fmt: skip

        path = np.array([(layout.ego_pose.x, layout.ego_pose.y) for layout in self._layouts.values()])
        return StreetCanvas(path, store.get, kinds, stands, built_in_templates())

    @cached_property
    def _images(self) -> dict[tuple[str, int], np.ndarray]:
        """uint8 (H, W, 3) by camera and stamp."""
        return {(spec.name, picture.stamp_us): picture.rgb
                for spec in self.recording.rig.cameras for picture in pictures(self.recording, spec.name)}  # fmt: skip

    @cached_property
    def _layouts(self) -> dict[int, LayoutFrame]:
        wanted = {stamp for _, stamp in self._images}
        try:
            return {one.stamp_us: layout_of(one.message) for one in self.recording.messages("/uniscene/layout")
                    if one.stamp_us in wanted}  # fmt: skip
        except InputError as error:
            raise error.within(self.recording.path) from None

    def _posed(self, layout: LayoutFrame) -> PosedAgents:
        return pose_agents(layout, agent_motion(layout, (), 0.0), built_in_templates())


def lift_recording(path: str | Path, out: str | Path, rounds: int = ROUNDS) -> Path:
    """Write the appearance of a recorded run to a folder; returns it.

    Args:
        path: the recording.
        out: the folder.
        rounds: see `lift_colours`.

    Raises:
        InputError: the recording cannot be read or has no pictures, or the folder not be written.
    """
    out = Path(out)
    with Outputs() as outputs:
        part = outputs.folder(out, (), "out")
        drive = OwnDrive(Recording.open(path))
        views, street = drive.views, drive.canvas()
        colours, seen, _ = lift_colours(street.canvas, views, drive.image, rounds)
        street.write(part, colours, seen)
        outputs.publish()
    return out
