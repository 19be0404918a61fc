"""The appearance of a lifted street: colours of its tiles and of bodies that stood or drove there, from pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from uniscene_sim.camera.splat.appearance import GAMMA, Body, ColouredTile, write_appearance
from uniscene_sim.camera.splat.assets import LEVELS_M, template_splats
from uniscene_sim.camera.splat.patch import Patch, chunk_of, pack_patch
from uniscene_sim.camera.splat.project import Placement
from uniscene_sim.camera.splat.splats import Splats
from uniscene_sim.camera.splat.surfaces import tile_splats
from uniscene_sim.datasets.lift.colours import Canvas, lift_colours, own_body
from uniscene_sim.datasets.lift.drive import RecordedDrive, View, boxes_at
from uniscene_sim.datasets.logs.drive import LoggedDrive, Track
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.maps.recorded.recorded_map import RecordedMap
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.tile import TILE_BLOCKS, TILE_M, Tile
from uniscene_sim.tracing.agents import TemplateSource
from uniscene_sim.tracing.atlas import BLOCK_M
from uniscene_sim.tracing.templates.template_set import built_in_templates

__all__ = ["Kind", "Stand", "StreetCanvas", "lift_appearance", "linear_image"]

_LEAST_SEEN = 20.0  # pixels of a body that is kept
_SEEN = 0.5  # pixels of a splat whose colour is its own
_FINE_M, _FAR_M = 30.0, 70.0  # from the ego's way: splats of 0.1 m, and any at all


@dataclass(frozen=True)
class Kind:
    """What a body is: its class, and the template whose splats it has."""

    cls: int
    template: int
    size: tuple[float, float, float]  # m


@dataclass(frozen=True)
class Stand:
    """Where a body is in a view, map frame."""

    position: np.ndarray  # float64 (3,) m, middle of its footprint
    rotation: np.ndarray  # float64 (3, 3), map <- body
    size: np.ndarray  # float64 (3,) m


class StreetCanvas:
    """The splats of a street.

    Args:
        path: float64 (P, 2) m, the ego's way.
        tile_of: the tile of an index.
        kinds: of the bodies.
        stands: which bodies, by their number, are where in a view.
        templates: shapes.
    """

    def __init__(
        self,
        path: np.ndarray,
        tile_of: Callable[[int, int], Tile],
        kinds: Sequence[Kind],
        stands: Callable[[View], dict[int, Stand]],
        templates: TemplateSource,
    ):
        self.kinds, self._stands, self._templates = kinds, stands, templates
        self.fine: dict[tuple[int, int], np.ndarray] = {}
        self.splats: dict[tuple[int, int], Splats] = {}
        patches: list[tuple[Patch, Placement]] = []
        count = 0
        for index in _tiles_near(path):
            self.fine[index] = _near(index, path)
            self.splats[index] = splats = tile_splats(tile_of(*index), self.fine[index])
            shift = np.array([index[0] * TILE_M, index[1] * TILE_M, 0.0])
            place = Placement(np.eye(3), shift, np.eye(3), -1, 0, np.eye(3), first=count)
            patches.append((pack_patch([splats], LEVELS_M[:1]), place))
            count += len(splats)
        self._order = [np.argsort(chunk_of(s), kind="stable") for s in self.splats.values()]
        standing = len(patches)
        for kind in kinds:
            body = template_splats(templates, kind.template)
            place = Placement(np.eye(3), np.zeros(3), np.eye(3), -1, 0, np.eye(3), first=count)
            patches.append((pack_patch([body], LEVELS_M[:1], chunk_m=None), place))
            count += len(body)
        self.canvas = Canvas(patches, standing, self._place)

    @classmethod
    def of_drive(cls, drive: RecordedDrive, made: RecordedMap) -> StreetCanvas:
        """That of a lifted drive: its bodies are the templates most like the boxes of its tracks."""
        templates = built_in_templates()
        kinds = [Kind(int(t.cls), _template_of(t, templates), t.size) for t in drive.tracks]

        def stands(view: View) -> dict[int, Stand]:
            found = {}
            for x, y, z, yaw, *size, number in boxes_at(drive.tracks, view.time_s):
                c, s = np.cos(yaw), np.sin(yaw)
                turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
                found[int(number)] = Stand(np.array([x, y, z]), turn, np.array(size))
            return found

        return cls(drive.log.poses[::2, :2], ProceduralOccupancy(made, 0).tile, kinds, stands, templates)

    def _place(self, number: int, view: View) -> Placement | None:
        if getattr(self, "_latest", None) is not view:
            self._latest, self._found = view, self._stands(view)
        body = number - self.canvas.standing
        stand = self._found.get(body)
        if stand is None:
            return None
        stretch = stand.size / np.asarray(self._templates.size_m)[self.kinds[body].template]
        first = self.canvas.patches[number][1].first
        return Placement(np.ascontiguousarray(stand.rotation * stretch), np.ascontiguousarray(stand.position),
                         np.ascontiguousarray(stand.rotation / stretch), -1, 0, np.eye(3), first=first)  # fmt: skip

    def write(self, folder: Path, colours: np.ndarray, seen: np.ndarray) -> list[Path]:
        """Write what was found as an appearance; bodies that no picture showed are left out."""
        tiles, at = {}, 0
        for (index, splats), order in zip(self.splats.items(), self._order, strict=True):
            albedo = np.empty_like(splats.albedo)
            albedo[order] = colours[at : at + len(splats)]
            shown = np.empty(len(splats), np.bool_)
            shown[order] = seen[at : at + len(splats)] > _SEEN
            tiles[index] = ColouredTile(self.fine[index], replace(splats, albedo=albedo), shown)
            at += len(splats)
        bodies = []
        for kind, (patch, _) in zip(self.kinds, self.canvas.patches[self.canvas.standing :], strict=True):
            rows = slice(at, at + len(patch.means))
            at = rows.stop
            if seen[rows].sum() > _LEAST_SEEN:
                bodies.append(Body(kind.cls, kind.template, np.array(kind.size, np.float64), colours[rows]))
        return write_appearance(folder, tiles, bodies)


def lift_appearance(
    drive: RecordedDrive, made: RecordedMap, folder: Path, views: Iterable[View], rounds: int = 4
) -> list[Path]:
    """Write the appearance of a lifted street to a folder that exists; returns its files.

    Args:
        drive: its tracks, poses and pictures.
        made: its map.
        folder: of the appearance.
        views: pictures that are used.
        rounds: see `lift_colours`.
    """
    street = StreetCanvas.of_drive(drive, made)
    colours, seen, _ = lift_colours(street.canvas, list(views), lambda view: linear_image(view, drive.log), rounds)
    return street.write(folder, colours, seen)


def linear_image(view: View, log: LoggedDrive) -> tuple[np.ndarray, np.ndarray]:
    """A picture, linear float32 (H, W, 3), and which pixels count, float32 (H, W): not those of the car itself.

    Raises:
        InputError: it cannot be read, or has another size than its camera.
    """
    try:
        with Image.open(view.file) as image:
            pixels = np.asarray(image.convert("RGB"), np.float32)
    except OSError as error:
        raise InputError("expected a picture", file=view.file) from error
    size = (view.camera.height, view.camera.width)
    if pixels.shape[:2] != size:
        raise InputError(
            f"expected {size[1]}x{size[0]} pixels, got {pixels.shape[1]}x{pixels.shape[0]}", file=view.file
        )
    place = [np.interp(view.time_s, log.times_s, log.poses[:, k]) for k in range(6)]
    return (pixels / 255.0) ** GAMMA, (~own_body(view, Pose(*place), log.vehicle)).astype(np.float32)


def _tiles_near(path: np.ndarray) -> list[tuple[int, int]]:
    low, high = np.floor((path.min(axis=0) - _FAR_M) / TILE_M), np.floor((path.max(axis=0) + _FAR_M) / TILE_M)
    return [(ix, iy) for ix in range(int(low[0]), int(high[0]) + 1) for iy in range(int(low[1]), int(high[1]) + 1)]


def _near(index: tuple[int, int], path: np.ndarray) -> np.ndarray:
    """Columns bool (20, 20) of a tile that are near the path."""
    at = (np.arange(TILE_BLOCKS) + 0.5) * BLOCK_M
    x, y = np.meshgrid(index[0] * TILE_M + at, index[1] * TILE_M + at, indexing="ij")
    away = np.min(np.hypot(x[..., None] - path[:, 0], y[..., None] - path[:, 1]), axis=-1)
    near: np.ndarray = away < _FINE_M
    return near


def _template_of(track: Track, templates: TemplateSource) -> int:
    """The template of the track's class whose proportions are most like its box."""
    first, count = np.asarray(templates.first)[track.cls]  # type: ignore[attr-defined]
    phases = int(np.asarray(templates.gaits)[track.cls])  # type: ignore[attr-defined]
    kinds = [int(first) + k * phases for k in range(int(count))]
    size = np.log(np.asarray(templates.size_m)[kinds]) - np.log(np.asarray(track.size))
    return kinds[int(np.abs(size - size[:, :1]).sum(axis=1).argmin())]
