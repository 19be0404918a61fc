"""`SplatCameras`: images by splatting the world's surfaces, relit each tick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import local
from weakref import WeakKeyDictionary

import numpy as np

from uniscene_sim.camera.raycast.engine import RaycastCameras, RenderJob
from uniscene_sim.camera.splat.assets import place_agent, template_patch
from uniscene_sim.camera.splat.blend import Bins, bin_splats, blend_squares, new_bins, new_blended, scratch
from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.camera.splat.project import FIELDS, Eye, Placement, project_patch
from uniscene_sim.camera.splat.relight import relight_rows
from uniscene_sim.camera.splat.world import SplatWorld
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.frames import CameraFrame
from uniscene_sim.interfaces import WorldView
from uniscene_sim.rig import CameraSpec
from uniscene_sim.tile import TileSource
from uniscene_sim.tracing.agents import TemplateSource

__all__ = ["SplatCameras"]

_LEVEL_PX = 6.0  # splats may be this large in the image before a finer level is taken


@dataclass
class _Buffers:
    """Arrays of a thread, which grow as images need them."""

    projected: np.ndarray
    numbers: np.ndarray
    bins: Bins
    sums: np.ndarray


class SplatCameras(RaycastCameras):
    """Cameras by 3D Gaussian splatting. Depth is the expected one, semantics are those of most weight (UniScene,
    equations 3 and 4). Light is that of ray casting, with shadows of the static world by splat.

    Args:
        templates: shapes of agents, by default the built-in ones.
    """

    name = "splat"
    traces_windows = False

    def __init__(self, templates: TemplateSource | None = None):
        super().__init__(templates, smooth_edges=False)
        self._worlds: WeakKeyDictionary[TileSource, SplatWorld] = WeakKeyDictionary()
        self._assets: dict[int, Patch] = {}
        self._local = local()

    def _render_world(self, view: WorldView, specs: Sequence[CameraSpec]) -> dict[str, CameraFrame]:
        jobs = self._render_jobs(view, specs)
        if not jobs:
            return {}
        world = self._worlds.get(view.atlas.store)
        if world is None:
            world = self._worlds.setdefault(view.atlas.store, SplatWorld(view.atlas.store))
        centre = view.frame.ego_pose.position
        reach = max(float(np.linalg.norm(job.camera.position - centre)) for job in jobs)
        patches = world.patches(
            view.atlas, jobs[0].scene.sky.sun, centre, max(s.max_range_m for s in specs) + reach, _LEVEL_PX,
            max(float(s.lens[1]) for s in specs),
        )  # fmt: skip
        map_threads(lambda k: self._splat(jobs[k], specs[k], patches), range(len(jobs)))
        return self._camera_frames(view, specs, jobs)

    def _splat(self, job: RenderJob, spec: CameraSpec, patches: list[tuple[Patch, Placement]]) -> None:
        """Fill an image."""
        eye = _eye(job, spec)
        height, width = job.image.depth.shape
        agents = job.scene.agents
        spans = job.camera.spans
        seen = [
            (self._asset(int(agents.template[n])),
             place_agent(agents, job.scene.agent_rgb[n], self._template_set, n))
            for n in range(len(agents.id)) if spans[n, 0] <= spans[n, 1]
        ]  # fmt: skip
        buffers = self._buffers(width, height)
        while True:
            count = 0
            for patch, placement in [*patches, *seen]:
                count = project_patch(patch, placement, eye, buffers.projected, buffers.numbers, count)
            if count <= len(buffers.projected):
                break
            buffers = self._buffers(width, height, splats=count)
        bits = buffers.projected.view(np.int32)
        pairs = bin_splats(buffers.projected, bits, count, width, height, buffers.bins)
        if pairs > len(buffers.bins.rows):
            buffers = self._buffers(width, height, pairs=pairs, keep=True)
            bin_splats(buffers.projected, bits, count, width, height, buffers.bins)
        blended = new_blended(height, width)
        squares = row_ranges(-(-height // 16))
        map_threads(
            lambda rows: blend_squares(buffers.projected, buffers.bins, self._sums(), *rows, blended), squares
        )
        candidates = np.arange(len(agents.id))
        map_threads(
            lambda rows: relight_rows(job.scene, job.camera, buffers.projected, blended, job.image, candidates, *rows),
            row_ranges(height),
        )

    def _asset(self, template: int) -> Patch:
        if template not in self._assets:
            self._assets[template] = template_patch(self._template_set, template)
        return self._assets[template]

    def _sums(self) -> np.ndarray:
        if not hasattr(self._local, "sums"):
            self._local.sums = scratch()
        sums: np.ndarray = self._local.sums
        return sums

    def _buffers(self, width: int, height: int, splats: int = 0, pairs: int = 0, keep: bool = False) -> _Buffers:
        """This thread's buffers for an image of some size, with room for so many splats and pairs at least."""
        known: dict[tuple[int, int], _Buffers] = self._local.__dict__.setdefault("buffers", {})
        old = known.get((width, height))
        room = len(old.projected) if old else 1 << 16
        if splats > room:
            room = splats + splats // 4
        rows = len(old.bins.rows) if old else 1 << 18
        if pairs > rows:
            rows = pairs + pairs // 4
        if old is None or room > len(old.projected) or rows > len(old.bins.rows):
            projected = old.projected if old and keep else np.empty((room, len(FIELDS)), np.float32)
            numbers = np.empty(len(projected), np.int32)
            known[width, height] = _Buffers(projected, numbers, new_bins(room, width, height, rows), self._sums())
        return known[width, height]


def _eye(job: RenderJob, spec: CameraSpec) -> Eye:
    w, h = float(spec.width), float(spec.height)
    rim = np.array([(0, 0), (w, 0), (0, h), (w, h), (0.5 * w, 0), (0.5 * w, h), (0, 0.5 * h), (w, 0.5 * h)])
    rays, found = spec.unproject(rim)
    half = float(np.arccos(np.clip(rays[:, 2].min(), -1.0, 1.0))) + 1e-6 if found.all() else np.pi
    return Eye(job.camera.rotation, job.camera.position, spec.lens, spec.width, spec.height, spec.max_range_m, half,
               _LEVEL_PX)  # fmt: skip
