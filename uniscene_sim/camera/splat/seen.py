"""`SeenSplats`: what an eye sees of some patches, projected and binned, for images and for finding colours alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uniscene_sim.camera.splat.blend import bin_splats, new_bins
from uniscene_sim.camera.splat.patch import Patch
from uniscene_sim.camera.splat.project import FIELDS, Eye, Placement, project_patch
from uniscene_sim.rig import CameraSpec

__all__ = ["SeenSplats", "eye_of"]

_SPLATS, _PAIRS = 1 << 16, 1 << 18  # room at first


class SeenSplats:
    """Arrays that are kept from image to image and grow as images need them.

    Args:
        width, height: of the images, px.

    Attributes:
        projected: float32 (M, 22), columns `project.FIELDS`; rows in use come first.
        numbers: int32 (M,), which splat each row is.
        bins: which rows each square of the image may show.
    """

    def __init__(self, width: int, height: int):
        self._size = width, height
        self.projected, self.numbers = np.empty((_SPLATS, len(FIELDS)), np.float32), np.empty(_SPLATS, np.int32)
        self.bins = new_bins(_SPLATS, width, height, _PAIRS)

    def look(self, patches: Sequence[tuple[Patch, Placement]], eye: Eye) -> None:
        """Fill the arrays with what an eye sees of patches."""
        while (count := self._project(patches, eye)) > len(self.projected):
            room = count + count // 4
            self.projected, self.numbers = np.empty((room, len(FIELDS)), np.float32), np.empty(room, np.int32)
            self.bins = new_bins(room, *self._size, len(self.bins.rows))
        bits = self.projected.view(np.int32)
        while (pairs := bin_splats(self.projected, bits, count, *self._size, self.bins)) > len(self.bins.rows):
            self.bins = new_bins(len(self.projected), *self._size, pairs + pairs // 4)

    def _project(self, patches: Sequence[tuple[Patch, Placement]], eye: Eye) -> int:
        count = 0
        for patch, placement in patches:
            count = project_patch(patch, placement, eye, self.projected, self.numbers, count)
        return count


def eye_of(spec: CameraSpec, rotation: np.ndarray, position: np.ndarray, far_m: float, level_px: float) -> Eye:
    """The eye of a camera.

    Args:
        spec: lens and size.
        rotation: float64 (3, 3), map <- optical.
        position: float64 (3,) m.
        far_m: range.
        level_px: size of splats that is fine enough.
    """
    w, h = float(spec.width), float(spec.height)
    rim = np.array([(0, 0), (w, 0), (0, h), (w, h), (0.5 * w, 0), (0.5 * w, h), (0, 0.5 * h), (w, 0.5 * h)])
    rays, found = spec.unproject(rim)
    half = float(np.arccos(np.clip(rays[:, 2].min(), -1.0, 1.0))) + 1e-6 if found.all() else np.pi
    return Eye(rotation, position, spec.lens, spec.width, spec.height, far_m, half, level_px)
