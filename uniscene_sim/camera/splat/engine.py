"""`SplatCameras`: images by splatting the world's surfaces, relit each tick."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import local
from weakref import WeakKeyDictionary

import numpy as np

from uniscene_sim.camera.raycast.engine import RaycastCameras, RenderJob
from uniscene_sim.camera.splat.appearance import DESCRIPTION, Appearance, TileColours
from uniscene_sim.camera.splat.assets import body_patch, place_agent, template_patch
from uniscene_sim.camera.splat.blend import SQUARE_PX, blend_squares, new_blended, scratch
from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.camera.splat.project import Placement
from uniscene_sim.camera.splat.relight import relight_rows
from uniscene_sim.camera.splat.seen import SeenSplats, eye_of
from uniscene_sim.camera.splat.world import SplatWorld
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.engine_support.options import named_option
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import CameraFrame
from uniscene_sim.interfaces import WorldView
from uniscene_sim.rig import CameraSpec
from uniscene_sim.storage.disk_cache import user_cache
from uniscene_sim.tile import TileSource
from uniscene_sim.tracing.agents import TemplateSource
from uniscene_sim.zoo.models import require_learned

__all__ = ["SplatCameras"]


class SplatCameras(RaycastCameras):
    """Cameras by 3D Gaussian splatting, in the colours of materials or of an appearance.

    Depth is that of the splat in which half of the light is gone, semantics are those of most weight (UniScene,
    equation 4). Light is that of ray casting, with shadows of the static world by splat. Where an appearance has no
    colours for a tile, those of materials are shown, which is warned of once.

    Args:
        templates: shapes of agents, by default the built-in ones.
        options: see `Options`.

    Raises:
        InputError: the appearance cannot be read.
    """

    name = "splat"
    traces_windows = False
    level_px = 6.0  # splats may be this large in the image before a finer level is taken

    @dataclass(frozen=True)
    class Options:
        """`appearance`: folder of colours, such as `lift` writes, or a painter: a model of the zoo, or a folder that
        `train appearance` wrote. `unseen`: a painter for what pictures did not show. `noise`: seed of painters, 0 to
        2147483647."""

        appearance: str = ""
        unseen: str = ""
        noise: int = 0

    def __init__(self, templates: TemplateSource | None = None, options: Options | None = None):
        super().__init__(templates, smooth_edges=False)
        options = options or SplatCameras.Options()
        self._appearance, self._colours = _opened(options)
        self._bodies: dict[int, Patch] = {}
        self._told = False
        self._worlds: WeakKeyDictionary[TileSource, SplatWorld] = WeakKeyDictionary()
        self._assets: dict[int, Patch] = {}
        self._local = local()

    def _render_world(self, view: WorldView, specs: Sequence[CameraSpec]) -> dict[str, CameraFrame]:
        jobs = self._render_jobs(view, specs)
        if not jobs:
            return {}
        world = self._worlds.get(view.atlas.store)
        if world is None:
            world = self._worlds.setdefault(view.atlas.store, SplatWorld(view.atlas.store, self._colours))
        centre = view.frame.ego_pose.position
        reach = max(float(np.linalg.norm(job.camera.position - centre)) for job in jobs)
        patches = world.patches(
            view.atlas, jobs[0].scene.sky.sun, centre, reach, max(s.max_range_m for s in specs), self.level_px,
            max(float(s.lens[1]) for s in specs),
        )  # fmt: skip
        if self._appearance and world.unpainted and not self._told:
            self._told = True
            missing = f"has no colours for {len(world.unpainted)} tiles here, which are shown in those of materials"
            warnings.warn(f"{self._appearance.folder}: {missing}", InputWarning, stacklevel=2)
        map_threads(lambda k: self._splat(jobs[k], specs[k], patches), range(len(jobs)))
        return self._camera_frames(view, specs, jobs)

    def _splat(self, job: RenderJob, spec: CameraSpec, patches: list[tuple[Patch, Placement]]) -> None:
        """Fill an image."""
        eye = eye_of(spec, job.camera.rotation, job.camera.position, float(spec.max_range_m), self.level_px)
        height, width = job.image.depth.shape
        agents = job.scene.agents
        spans = job.camera.spans
        seen = [self._agent(job, n) for n in range(len(agents.id)) if spans[n, 0] <= spans[n, 1]]
        splats = self._seen(width, height)
        splats.look([*patches, *seen], eye)
        blended = new_blended(height, width)
        squares = row_ranges(-(-height // SQUARE_PX))
        map_threads(lambda rows: blend_squares(splats.projected, splats.bins, self._sums(), *rows, blended), squares)
        candidates = np.arange(len(agents.id))
        map_threads(
            lambda rows: relight_rows(job.scene, job.camera, splats.projected, blended, job.image, candidates, *rows),
            row_ranges(height),
        )

    def _agent(self, job: RenderJob, n: int) -> tuple[Patch, Placement]:
        """The splats of an agent: a recorded body where the appearance has one, else its template."""
        agents, rgb = job.scene.agents, job.scene.agent_rgb[n]
        body = self._appearance.body_of(int(agents.cls[n]), agents.size[n]) if self._appearance else -1
        if self._appearance is None or body < 0:
            return self._asset(int(agents.template[n])), place_agent(agents, rgb, self._template_set, n)
        if body not in self._bodies:
            self._bodies[body] = body_patch(self._template_set, self._appearance.bodies[body])
        template = self._appearance.bodies[body].template
        return self._bodies[body], place_agent(agents, rgb, self._template_set, n, template)

    def _asset(self, template: int) -> Patch:
        if template not in self._assets:
            self._assets[template] = template_patch(self._template_set, template)
        return self._assets[template]

    def _sums(self) -> np.ndarray:
        if not hasattr(self._local, "sums"):
            self._local.sums = scratch()
        sums: np.ndarray = self._local.sums
        return sums

    def _seen(self, width: int, height: int) -> SeenSplats:
        """This thread's arrays for images of some size."""
        known: dict[tuple[int, int], SeenSplats] = self._local.__dict__.setdefault("seen", {})
        if (width, height) not in known:
            known[width, height] = SeenSplats(width, height)
        return known[width, height]


def _opened(options: SplatCameras.Options) -> tuple[Appearance | None, TileColours | None]:
    """The appearance that options name, and where the colours of tiles come from.

    Raises:
        InputError: there is none, or torch is not installed for a painter.
    """
    pictured: Appearance | None = None
    option, name = "appearance", options.appearance
    if not 0 <= options.noise < 2**31:
        raise InputError(f"expected a number from 0 to 2147483647, got {options.noise}", field="noise")
    if name and os.path.exists(Path(name) / DESCRIPTION):
        with named_option(option):
            pictured = Appearance.load(name)
        option, name = "unseen", options.unseen
    elif options.unseen:
        raise InputError("paints what pictures did not show, expected an appearance of pictures too", field="unseen")
    if not name:
        return pictured, pictured
    require_learned()
    from uniscene_sim.camera.splat.learned.model import PainterModel  # imports torch
    from uniscene_sim.camera.splat.learned.painted import PaintedTiles

    with named_option(option):
        model = PainterModel.load(name)
        if pictured is not None and not model.recorded:
            raise InputError("paints colours without light, expected a painter that learned from pictures", file=name)
    return pictured, PaintedTiles(model, options.noise, pictured, user_cache("painted"))
