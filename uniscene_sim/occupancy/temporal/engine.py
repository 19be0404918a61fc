"""`occdit` and `occ-uniscene` in the loop: each tick, the window around the ego generated from layout and history.

A model draws on a canvas, somewhat larger than the window, that stays where it is in the world: it moves with the ego
by whole tokens, and turns only when the ego has turned by some degrees. So latents of the past move along without being
resampled, and what stands does not creep with the ego. Noise belongs to places of the canvas: a thing that history has
forgotten still grows from the same noise.

History is the frames of the last seconds, half a second apart, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import binary_dilation

from uniscene_sim.engine_support.options import named_option
from uniscene_sim.errors import InputError
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_CHANNELS, CONDITION_CHANNELS, LayoutFrame, without_plan
from uniscene_sim.maps.edited_map import edited_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.dense_labels import condition_layout
from uniscene_sim.occupancy.learned.tile_latents import world_noise
from uniscene_sim.occupancy.procedural.plan import PLAN_DTYPE
from uniscene_sim.occupancy.temporal.canvas import CANVAS, Canvas, columns_at
from uniscene_sim.occupancy.temporal.instances import find_instances
from uniscene_sim.occupancy.temporal.interface import ClipModel, Held, Past
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.zoo.models import require_learned

__all__ = ["CLIP_WINDOWS", "OccDiTWindow", "OccUniSceneWindow"]

_KEY_US = 500_000  # between frames of the history
_CELLS = CANVAS.shape[0]
_REACH_M = 40.0


@dataclass(frozen=True)
class _History:
    """The frames that a world goes on from, oldest first, on its canvas."""

    canvas: Canvas
    z: float  # m, of the ego when the canvas was there
    latents: np.ndarray  # float32 (P, c, x, y)
    known: np.ndarray  # bool (P, x, y)
    layout: np.ndarray  # uint32 (P, X, Y): bit k is channel k of the model
    stamp_us: np.ndarray  # int64 (P,)


class _ClipWindow:
    """A `WindowEngine` of a model over clips. See the module.

    Args:
        static_map: the map.
        seed: of the noise.
        model: overrides the model that the options name.
        options: which model, and how it is used.

    Raises:
        InputError: torch is not installed, or the model is missing, damaged or of another kind.
    """

    name: ClassVar[str]
    chunk = 1
    latency_ticks = 0

    @dataclass(frozen=True)
    class Options:
        """`model`: name of a model of the zoo, or a folder that `train` wrote; that of the engine's name if empty.
        `steps`: of the flow; 0 for those that the model was made for. `told`: whether the decoder sees the layout, if
        the model's can; otherwise latents alone carry the world. `held`: whether what stands stays as it was generated
        first, as when AnyScene edits; otherwise all is generated again each tick, and drifts."""

        model: str = ""
        steps: int = 0
        told: bool = True
        held: bool = True

    def __init__(
        self, static_map: StaticMap, seed: int, model: ClipModel | None = None, *, options: Options = Options()
    ):
        if options.steps < 0:
            raise InputError(f"option 'steps': expected at least 0, got {options.steps}")
        if model is None:
            require_learned()
            from uniscene_sim.occupancy.temporal.model import ClipOccupancy  # imports torch

            with named_option("model"):
                model = ClipOccupancy.load(options.model or self.name, self.name)
        if model.height != CANVAS.shape[2] or _CELLS % (model.patch * model.token):
            raise InputError(f"expected a model of {CANVAS.shape[2]} layers whose tokens divide {_CELLS} cells, got "
                             f"{model.height} layers and tokens of {model.patch * model.token} cells")  # fmt: skip
        self.map, self.seed, self.model, self.steps = static_map, seed, model, options.steps or None
        self.told, self.held = options.told, options.held
        self._agents = [model.channels.index(name) for name in AGENT_CHANNELS if name in model.channels]
        self._token_m = model.patch * model.token * CANVAS.voxel_m
        self._bits = np.arange(len(model.channels), dtype=np.uint32)[:, None, None]

    def step(
        self, state: Sequence[Any], views: Sequence[WorldView], grid: GridSpec
    ) -> tuple[Sequence[Any], list[OccupancyGrid]]:
        """The window of each world, one world after the other: no world depends on the others of a batch."""
        _check(grid)
        stepped = [self._step(history, view.frame, grid) for history, view in zip(state, views, strict=True)]
        return [history for history, _ in stepped], [window for _, window in stepped]

    def given(self, layouts: Sequence[LayoutFrame], windows: Sequence[OccupancyGrid]) -> _History:
        """The state after windows that are known, recorded or edited ones, to go on from.

        Args:
            layouts: of each moment, oldest first.
            windows: of each moment; the last ones count.

        Raises:
            InputError: not a window for each layout, or windows of an unsupported grid.
        """
        if len(layouts) != len(windows) or not layouts:
            raise InputError(f"expected a window for each layout, got {len(windows)} for {len(layouts)}",
                             field="windows")  # fmt: skip
        history = self._begin(layouts[0].ego_pose)
        for frame, window in zip(layouts, windows, strict=True):
            _check(window.grid)
            history = self._moved(history, frame.ego_pose)
            pose = history.canvas.pose(self._token_m, frame.ego_pose.z)
            at = columns_at(pose, CANVAS, window.pose, window.grid)
            labels = np.full((_CELLS, _CELLS, CANVAS.shape[2]), OccClass.FREE, np.uint8)
            labels[:, :, : window.grid.shape[2]] = at.of(window.labels, int(OccClass.FREE))
            (latents,) = self.model.encode(labels[None])
            history = self._kept(history, latents, self._known(at.inside), self._layout(frame, pose), frame.stamp_us)
        return history

    def edited(self, state: _History | None, before: LayoutFrame, after: LayoutFrame, grid: GridSpec) -> OccupancyGrid:
        """The window of a moment whose layout was edited: that without the edit, generated again where the layouts
        differ and a little around, with all else held (AnyScene's editing).

        Args:
            state: before that moment.
            before: the layout without the edit.
            after: with it, at the same place and time.
            grid: the requested voxels.

        Raises:
            InputError: the layouts are of two places or times, or the grid is not supported.
        """
        _check(grid)
        if (before.stamp_us, before.ego_pose) != (after.stamp_us, after.ego_pose):
            raise InputError("expected two layouts of one place and time", field="after")
        history = self._moved(state or self._begin(after.ego_pose), after.ego_pose)
        pose = history.canvas.pose(self._token_m, after.ego_pose.z)
        past, noise = self._past(history, after.stamp_us), self._noise(history.canvas)
        was, now = self._layout(before, pose), self._layout(after, pose)
        latents = self.model.generate(past, was, noise, self.steps, held=self._standing(history, was))
        held = Held(latents, self._away_from((was != now).any(axis=0)))
        latents = self.model.generate(past, now, noise, self.steps, held=held)
        return self._window(latents, past, now, after, pose, grid)

    def state_arrays(self, state: _History) -> dict[str, np.ndarray]:
        """The history as arrays, for recordings."""
        c = state.canvas
        return {
            "canvas": np.array([c.x, c.y, c.yaw, state.z]), "moved": np.array([c.i, c.j, c.number], np.int64),
            "latents": state.latents, "known": state.known, "layout": state.layout, "stamp_us": state.stamp_us,
        }  # fmt: skip

    def state_of(self, arrays: dict[str, np.ndarray]) -> _History:
        """The history that was written as `arrays`.

        Raises:
            InputError: it is of another model or canvas.
        """
        x, y, yaw, z = arrays["canvas"].tolist()
        i, j, number = arrays["moved"].tolist()
        size = _CELLS // self.model.patch
        if (got := arrays["latents"].shape[1:]) != (expected := (self.model.latent_channels, size, size)):
            raise InputError(f"{self.name}: expected a history of latents {expected}, got {got}", field="latents")
        return _History(Canvas(x, y, yaw, i, j, number), z, arrays["latents"], arrays["known"].astype(np.bool_),
                        arrays["layout"], arrays["stamp_us"])  # fmt: skip

    def _step(self, history: _History | None, frame: LayoutFrame, grid: GridSpec) -> tuple[_History, OccupancyGrid]:
        ego = frame.ego_pose
        if history is None or (len(history.stamp_us) and frame.stamp_us <= history.stamp_us[-1]):
            history = self._begin(ego)
        history = self._moved(history, ego)
        pose = history.canvas.pose(self._token_m, ego.z)
        layout = self._layout(frame, pose)
        past = self._past(history, frame.stamp_us)
        latents = self.model.generate(past, layout, self._noise(history.canvas), self.steps,
                                      held=self._standing(history, layout))  # fmt: skip
        made = self._window(latents, past, layout, frame, pose, grid)
        if len(history.stamp_us) and frame.stamp_us - history.stamp_us[-1] < _KEY_US:
            return history, made
        everywhere = np.ones(latents.shape[1:], np.bool_)
        return self._kept(history, latents, everywhere, layout, frame.stamp_us), made

    def _standing(self, history: _History, layout: np.ndarray) -> Held | None:
        """What the last frame knows, if that shall stay: where neither it nor this one has an agent nearby, and the
        layout is as it was."""
        if not self.held or not len(history.stamp_us):
            return None
        before = self._unpacked(history.layout[-1])
        moves = (before[self._agents] | layout[self._agents]).any(axis=0) | (before != layout).any(axis=0)
        return Held(history.latents[-1], history.known[-1] & self._away_from(moves))

    def _away_from(self, cells: np.ndarray) -> np.ndarray:
        """Latent cells (x, y) that are not near any of some cells (X, Y)."""
        return self._known(~binary_dilation(cells, iterations=self.model.patch))

    def _window(
        self, latents: np.ndarray, past: Past | None, layout: np.ndarray, frame: LayoutFrame, pose: Pose, grid: GridSpec
    ) -> OccupancyGrid:
        """The window around the ego, of latents and the layout of the canvas."""
        (labels,) = self.model.decode(latents[None], past, layout[None] if self.told else None)
        level = Pose(frame.ego_pose.x, frame.ego_pose.y, frame.ego_pose.z, yaw=frame.ego_pose.yaw)
        whole = columns_at(level, grid, pose, CANVAS).of(labels, int(OccClass.FREE))
        window = np.ascontiguousarray(whole[:, :, : grid.shape[2]])
        instances = find_instances(window, frame.agents, level, grid)
        return OccupancyGrid(window, instances, grid, level, frame.stamp_us)

    def _begin(self, ego: Pose) -> _History:
        size, c = _CELLS // self.model.patch, self.model.latent_channels
        return _History(
            Canvas.around(ego), ego.z, np.zeros((0, c, size, size), np.float32),
            np.zeros((0, size, size), np.bool_), np.zeros((0, _CELLS, _CELLS), np.uint32), np.zeros(0, np.int64),
        )  # fmt: skip

    def _moved(self, history: _History, ego: Pose) -> _History:
        """The history on the canvas where the ego is now."""
        before, now = history.canvas, history.canvas.following(ego, self._token_m)
        if now.number != before.number:
            return self._turned(history, now, ego.z)
        token, patch = self.model.token, self.model.patch
        di, dj = token * (now.i - before.i), token * (now.j - before.j)
        return replace(
            history, canvas=now, z=ego.z,
            latents=_shifted(history.latents, di, dj), known=_shifted(history.known, di, dj),
            layout=_shifted(history.layout, patch * di, patch * dj),
        )  # fmt: skip

    def _turned(self, history: _History, now: Canvas, z: float) -> _History:
        """The history on a canvas of other axes: its frames as labels, drawn anew and encoded again."""
        at = columns_at(now.pose(self._token_m, z), CANVAS, history.canvas.pose(self._token_m, history.z), CANVAS)
        patch = self.model.patch
        latents, known, layouts = [], [], []
        for one, where, bits in zip(history.latents, history.known, history.layout, strict=True):
            layout = self._unpacked(bits)[None] if self.told else None
            (labels,) = self.model.decode(one[None], layout=layout)
            seen = at.of(where.repeat(patch, axis=0).repeat(patch, axis=1))
            labels = np.where(seen[:, :, None], at.of(labels), np.uint8(OccClass.FREE))
            latents.append(self.model.encode(labels[None])[0])
            known.append(self._known(seen))
            layouts.append(at.of(bits))
        if not latents:
            return replace(history, canvas=now, z=z)
        return replace(history, canvas=now, z=z, latents=np.stack(latents), known=np.stack(known),
                       layout=np.stack(layouts))  # fmt: skip

    def _layout(self, frame: LayoutFrame, pose: Pose) -> np.ndarray:
        """The condition of the canvas, uint8 (C, X, Y), in the channels of the model; of houses it is told nothing."""
        static_map = edited_map(self.map, frame.edits).map
        drawn = condition_layout(static_map, np.zeros(0, PLAN_DTYPE), pose, CANVAS, frame.agents)
        rows = [CONDITION_CHANNELS.index(channel) for channel in self.model.channels]
        layout: np.ndarray = without_plan(drawn.data)[rows]
        return layout

    def _past(self, history: _History, stamp_us: int) -> Past | None:
        if not len(history.stamp_us):
            return None
        seconds = ((history.stamp_us - stamp_us) * 1e-6).astype(np.float32)
        return Past(history.latents, history.known, self._unpacked(history.layout[:, None]), seconds)

    def _unpacked(self, bits: np.ndarray) -> np.ndarray:
        """Layouts uint8 (..., C, X, Y) of bits (..., 1, X, Y) or, of one, (X, Y)."""
        layout: np.ndarray = ((bits >> self._bits) & 1).astype(np.uint8)
        return layout

    def _known(self, seen: np.ndarray) -> np.ndarray:
        """Latent cells (x, y) of which at least half of the columns (X, Y) are known."""
        patch, side = self.model.patch, _CELLS // self.model.patch
        known: np.ndarray = seen.reshape(side, patch, side, patch).mean(axis=(1, 3)) >= 0.5
        return known

    def _kept(
        self, history: _History, latents: np.ndarray, known: np.ndarray, layout: np.ndarray, stamp_us: int
    ) -> _History:
        """The history with a frame, without those that are too old."""
        bits = (layout.astype(np.uint32) << self._bits).sum(axis=0, dtype=np.uint32)
        since = max(len(history.stamp_us) + 1 - self.model.past, 0)
        return replace(
            history,
            latents=np.concatenate([history.latents, latents[None]])[since:],
            known=np.concatenate([history.known, known[None]])[since:],
            layout=np.concatenate([history.layout, bits[None]])[since:],
            stamp_us=np.append(history.stamp_us, stamp_us)[since:],
        )

    def _noise(self, canvas: Canvas) -> np.ndarray:
        """Noise of the places of a canvas, a function of the seed, the axes' number and the place."""
        side, token = _CELLS // self.model.patch, self.model.token
        seed = self.seed * 1009 + canvas.number
        noise: np.ndarray = world_noise(seed, self.model.latent_channels, token * canvas.i, token * canvas.j, side)
        return noise


class OccDiTWindow(_ClipWindow):
    """AnyScene's causal transformer, `occupancy.temporal.occdit`."""

    name = "occdit"


class OccUniSceneWindow(_ClipWindow):
    """UniScene's transformer in its variant for forecasting, `occupancy.temporal.occ_uniscene`."""

    name = "occ-uniscene"


#: Engines by name, which is the kind of model that each takes.
CLIP_WINDOWS: dict[str, type[OccDiTWindow] | type[OccUniSceneWindow]] = {
    engine.name: engine for engine in (OccDiTWindow, OccUniSceneWindow)
}


def _shifted(frames: np.ndarray, di: int, dj: int) -> np.ndarray:
    """Frames (..., X, Y) whose cell (i, j) was at (i + di, j + dj); 0 where nothing was."""
    if not di and not dj:
        return frames
    out = np.zeros_like(frames)
    nx, ny = frames.shape[-2:]
    here_x, here_y = slice(max(-di, 0), nx - max(di, 0)), slice(max(-dj, 0), ny - max(dj, 0))
    there_x, there_y = slice(max(di, 0), nx - max(-di, 0)), slice(max(dj, 0), ny - max(-dj, 0))
    if abs(di) < nx and abs(dj) < ny:
        out[..., here_x, here_y] = frames[..., there_x, there_y]
    return out


def _check(grid: GridSpec) -> None:
    x0, y0, z0, x1, y1, _ = grid.extent
    within = max(-x0, -y0, x1, y1) <= _REACH_M and grid.shape[2] <= CANVAS.shape[2]
    if grid.voxel_m != CANVAS.voxel_m or z0 != CANVAS.origin[2] or not within:
        raise InputError(f"expected voxels of {CANVAS.voxel_m} m within {_REACH_M} m along x and y, from "
                         f"{CANVAS.origin[2]} m up to {CANVAS.extent[5]:.1f} m, got {grid.voxel_m} m in "
                         f"{tuple(round(v, 2) for v in grid.extent)}", field="grid")  # fmt: skip
