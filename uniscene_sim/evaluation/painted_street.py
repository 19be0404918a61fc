"""Whether a street looks real: patches of rendered images against patches of photographs of the same street.

What is compared are sets, in the features of a network that was trained on photographs (EfficientNet-Lite0 on
ImageNet) by kernel distance, and in small patches of colours by sliced Wasserstein distance. Photographs that were
lifted or learned from are a row of their own: how far apart pictures of one drive are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from uniscene_sim.assembly import tile_store
from uniscene_sim.datasets.lift.drive import HELD_OUT_CAMERA, RecordedDrive, View, read_recorded
from uniscene_sim.datasets.logs.layouts import Alignment, LogLayouts
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.photo_features import PhotoFeatures
from uniscene_sim.interfaces import CameraEngine, WorldView
from uniscene_sim.layout import LayoutFrame, Style
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.metrics.feature_sets import kernel_distance, sliced_wasserstein
from uniscene_sim.plugins import construct, load_plugin
from uniscene_sim.tracing.atlas import TileAtlas

__all__ = ["StreetScore", "judge_street", "render_views"]

_PATCH, _PATCHES = 96, 6  # pixels along a side, and how many of an image
_TOP, _BOTTOM = 0.08, 0.78  # of an image's height: below is the car itself
_SMALL = 7  # pixels along a side of the patches that colours are compared in
_HELD_OUT, _MOVES_FROM = 60, 25
_RANGE_M = 90.0
_LATE_S = 0.2  # of the last moment of a drive, after which a picture may have been taken


@dataclass(frozen=True)
class StreetScore:
    """Distances of a set of patches to those of held-out photographs."""

    name: str
    patches: int
    kernel: float  # in a network's features
    wasserstein: float  # in patches of 7 pixels at three sizes, 8-bit codes
    of_raycast: float  # kernel distance over that of `raycast`; NaN without it


def judge_street(folder: Path, lifted: Path, engines: Sequence[str], every: int = 3) -> list[StreetScore]:
    """Scores of camera engines at the places of photographs that nothing was lifted or learned from: frames from 60 on,
    and the left camera from frame 25 on.

    Args:
        folder: sequence 002 of PandaSet.
        lifted: what `lift` made of its other pictures.
        engines: camera engines with options.
        every: of the photographs to judge by, one is.

    Raises:
        InputError: no such sequence, lifted street or engine, or what judges is not installed.
    """
    features = PhotoFeatures()
    made = {name: construct("camera", load_plugin("camera", name, "engines")) for name in engines}
    static_map = load_map(lifted / "map.npz")  # what can be refused is refused before a drive is read
    drive = read_recorded(folder, frames=range(80))
    judged = [view for view in drive.views if _held_out(view)][::every]
    learned = [view for view in drive.views if not _held_out(view) and view.camera.name != HELD_OUT_CAMERA]
    if not judged or not learned:
        raise InputError("expected a sequence with frames from 60 on", file=folder)
    truth = _patches([(view, _photograph(view)) for view in judged])
    sets = {
        "photographs learned from": _patches(
            [(v, _photograph(v)) for v in learned[:: max(len(learned) // len(judged), 1)]]
        )
    }
    for name, images in render_views(drive, static_map, made, judged).items():
        sets[name] = _patches(list(zip(judged, images, strict=True)))
    true_features = features(truth)
    kernels = {name: kernel_distance(true_features, features(patches)) for name, patches in sets.items()}
    base = kernels.get("raycast", float("nan"))
    base = base if base > 0.0 else float("nan")  # it has no bias, so it may be below zero
    true_small = _small(truth)
    return [
        StreetScore(name, len(patches), kernels[name], sliced_wasserstein(true_small, _small(patches)),
                    kernels[name] / base)
        for name, patches in sets.items()
    ]  # fmt: skip


def _held_out(view: View) -> bool:
    return view.frame >= (_MOVES_FROM if view.camera.name == HELD_OUT_CAMERA else _HELD_OUT)


def _photograph(view: View) -> np.ndarray:
    try:
        with Image.open(view.file) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise InputError("expected a picture", file=view.file) from error


def render_views(
    drive: RecordedDrive, static_map: StaticMap, engines: dict[str, CameraEngine], judged: Sequence[View]
) -> dict[str, list[np.ndarray]]:
    """Images of engines at the places and times of photographs, uint8 (H, W, 3), in their order.

    Args:
        drive: that took them.
        static_map: that `lift` made of it.
        engines: by name.
        judged: the photographs.
    """
    atlas = TileAtlas(tile_store("procedural", static_map, 0))
    wanted = sorted(range(len(judged)), key=lambda n: judged[n].time_s)
    images: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] * len(judged) for name in engines}
    moments = _moments(LogLayouts(drive.log, static_map, Alignment(), Style()), [judged[n].time_s for n in wanted])
    for n, layout in zip(tqdm(wanted, desc="rendered", unit="view", disable=None), moments, strict=True):
        spec = next(c for c in drive.log.rig.cameras if c.name == judged[n].camera.name)
        spec = spec.scaled(judged[n].camera.width / spec.width)
        atlas.update(layout.ego_pose.x, layout.ego_pose.y, _RANGE_M)
        for name, engine in engines.items():
            images[name][n] = engine.step([None], [WorldView(layout, (), atlas)], [spec])[1][0][spec.name].rgb
    return images


def _moments(layouts: LogLayouts, times_s: Sequence[float]) -> Iterator[LayoutFrame]:
    """The layouts next to times, which rise."""
    ahead, at = iter(layouts), None
    for time_s in times_s:
        while at is None or at.stamp_us < 1e6 * time_s:
            following = next(ahead, None)
            if following is None:
                break
            at = following
        if at is None or at.stamp_us < 1e6 * (time_s - _LATE_S):
            raise InputError(f"ends before its picture at {time_s:.1f} s", field="drive")
        yield at


def _patches(images: Sequence[tuple[View, np.ndarray]]) -> np.ndarray:
    """Patches uint8 (N, 96, 96, 3) at places that depend on camera and frame alone."""
    out = []
    for view, image in images:
        random = np.random.default_rng([view.frame, *view.camera.name.encode()])
        height, width = image.shape[:2]
        if height * _BOTTOM < _PATCH or width < _PATCH:
            raise InputError(f"expected {_PATCH} pixels or more above the car itself", file=view.file)
        for _ in range(_PATCHES):
            v = int(random.integers(int(_TOP * height), max(int(_BOTTOM * height) - _PATCH, 1) + 1))
            u = int(random.integers(0, width - _PATCH + 1))
            out.append(image[v : v + _PATCH, u : u + _PATCH])
    return np.array(out)


def _small(patches: np.ndarray) -> list[np.ndarray]:
    """Patches of 7 pixels, float (N, 147), of patches at full, half and quarter size."""
    out, level = [], patches.astype(np.float32)
    for _ in range(3):
        side = level.shape[1]
        random = np.random.default_rng(side)
        rows = []
        for patch in level:
            v, u = random.integers(0, side - _SMALL + 1, (2, 12))
            rows += [patch[a : a + _SMALL, b : b + _SMALL].reshape(-1) for a, b in zip(v, u, strict=True)]
        out.append(np.array(rows))
        level = level.reshape(len(level), side // 2, 2, side // 2, 2, 3).mean(axis=(2, 4))
    return out
