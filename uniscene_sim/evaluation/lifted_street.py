"""How well a lifted street shows what was recorded: pictures that were held out, beside plain guesses.

Colours are judged on pixels that have a recorded depth, show neither the recording car nor agents that moved, and are
covered by splats, in 8-bit sRGB. Pictures of one drive see the same street: this tells how well views are made between
and beside those of the drive, not how well streets are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from uniscene_sim.camera.splat.appearance import GAMMA
from uniscene_sim.camera.splat.blend import Blended
from uniscene_sim.datasets.lift.appearance import StreetCanvas, linear_image
from uniscene_sim.datasets.lift.colours import box_mask, lift_colours
from uniscene_sim.datasets.lift.drive import HELD_OUT_CAMERA, RecordedDrive, View, boxes_at, read_recorded
from uniscene_sim.datasets.lift.lift import lifted_map
from uniscene_sim.datasets.lift.own import OwnDrive
from uniscene_sim.errors import InputError
from uniscene_sim.lens import project_points
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.taxonomy import OccClass

__all__ = ["LiftScore", "OwnLiftScore", "evaluate_lift", "evaluate_own_lift"]

_HELD_OUT_FRAMES, _MOVES_FROM = range(60, 80), 25
_MOVED_M = 1.0
_COVERED = 0.5


@dataclass(frozen=True)
class LiftScore:
    """Means over the pictures of one camera."""

    camera: str
    pictures: int
    lifted_db: float  # PSNR
    label_db: float  # of the mean colour of each label
    nearest_db: float  # of the nearest picture that was trained on, warped by its depth; NaN where it shows nothing
    covered: float  # share of pixels with a recorded depth that splats cover
    depth_m: float  # median difference from the recorded depth
    depth_within: float  # share within 0.4 m


@dataclass(frozen=True)
class OwnLiftScore:
    """Means over pictures of a recording of ours."""

    views: str
    pictures: int
    lifted_db: float  # PSNR
    lifted_ssim: float
    label_db: float  # PSNR of the mean colour of each label


def evaluate_own_lift(path: str | Path, *, rounds: int = 4, pictures: Path | None = None) -> list[OwnLiftScore]:
    """Lift the colours of a recording of ours, and compare views that were held out: all of the rig's last camera, and
    each fourth moment of the others. Pixels of the sky are not judged.

    Args:
        path: the recording (.mcap).
        rounds: see `lift_colours`.
        pictures: as for `evaluate_lift`.

    Raises:
        InputError: it cannot be read, or has one camera alone.
    """
    drive = OwnDrive(Recording.open(path))
    street, unseen = drive.canvas(), drive.recording.rig.cameras[-1].name
    between = [v for v in drive.views if v.camera.name != unseen and v.frame % 4 == 3]
    trained = [v for v in drive.views if v.camera.name != unseen and v.frame % 4 != 3]
    if not trained:
        raise InputError("expected pictures of two cameras at least", file=path)
    lift_colours(street.canvas, trained, drive.image, rounds)
    labels = _label_colours(street, trained[:: max(len(trained) // 60, 1)], drive.image)
    rows = []
    beside = [v for v in drive.views if v.camera.name == unseen]
    for name, views in ((f"moments between, of {len(drive.recording.rig.cameras) - 1} cameras", between),
                        (f"{unseen}, never lifted from", beside)):  # fmt: skip
        scores = []
        for view in tqdm(views, desc="judged", unit="picture", disable=None):
            shown, (image, _) = street.canvas.show(view), drive.image(view)
            covered = shown.opacity > _COVERED
            scores.append((_psnr(shown.albedo, image, covered), _ssim(shown.albedo, image, covered),
                           _psnr(labels[shown.label], image, covered)))  # fmt: skip
            if pictures is not None:
                _save(pictures, view, image, shown, shown.albedo)
        rows.append(
            OwnLiftScore(name, len(views), *(float(np.nanmean(column)) for column in zip(*scores, strict=True)))
        )
    return rows


def evaluate_lift(
    folder: str | Path, *, validation: bool = False, every: int = 3, use_every: int = 1, rounds: int = 4,
    pictures: Path | None = None,
) -> list[LiftScore]:  # fmt: skip
    """Lift a sequence of PandaSet from its first frames, and compare it with the rest.

    Args:
        folder: the sequence, with `NN_depth5mm.png` beside its pictures.
        validation: lift frames 0 to 49 and judge 50 to 59, to choose settings by; else lift 0 to 59 without the left
            camera, and judge 60 to 79 and all of the left camera that was taken while the car moved.
        every: of the pictures to judge, one is.
        use_every: of the frames to lift from, one is.
        rounds: see `lift_colours`.
        pictures: where each judged picture is written, beside what was made; None for nowhere.

    Raises:
        InputError: no such sequence.
    """
    end = 50 if validation else _HELD_OUT_FRAMES.start
    made = lifted_map(read_recorded(folder, frames=range(end)))
    drive = read_recorded(folder, frames=range(80))
    if not any(_depth_file(view).exists() for view in drive.views):
        raise InputError("expected NN_depth5mm.png beside the pictures, which tell what is judged", file=folder)
    street = StreetCanvas.of_drive(drive, made)
    trained = [
        v for v in drive.views if v.camera.name != HELD_OUT_CAMERA and v.frame < end and v.frame % use_every == 0
    ]
    judged = [v for v in drive.views if _is_judged(v, validation)][::every]
    _, _, gains = lift_colours(street.canvas, trained, lambda view: linear_image(view, drive.log), rounds)
    labels = _label_colours(street, trained[:: max(len(trained) // 60, 1)], lambda view: linear_image(view, drive.log))
    rows: dict[str, list[tuple[float, ...]]] = {}
    for view in tqdm(judged, desc="judged", unit="picture", disable=None):
        shown = street.canvas.show(view)
        image, weight = linear_image(view, drive.log)
        depth = np.asarray(Image.open(_depth_file(view)), np.float64) * 0.005
        moved = box_mask(view, boxes_at(tuple(t for t in drive.tracks if _moved(t.places)), view.time_s))
        there = (weight > 0.0) & (depth > 0.0) & ~moved
        covered = there & (shown.opacity > _COVERED)
        gain = _gain_of(view, trained, gains)
        lifted, label = shown.albedo * gain, labels[shown.label] * gain
        nearest = _warped(view, trained, street, drive)
        seen = covered & np.isfinite(nearest[..., 0])
        off = np.abs(shown.depth - depth)[covered]
        rows.setdefault(view.camera.name, []).append(
            (_psnr(lifted, image, covered), _psnr(label, image, covered), _psnr(nearest, image, seen),
             covered.sum() / max(there.sum(), 1), float(np.median(off)), float((off < 0.4).mean()))
        )  # fmt: skip
        if pictures is not None:
            _save(pictures, view, image, shown, lifted)
    return [LiftScore(name, len(found), *(float(np.nanmean(c)) for c in zip(*found, strict=True)))
            for name, found in sorted(rows.items())]  # fmt: skip


def _is_judged(view: View, validation: bool) -> bool:
    if validation:
        return view.camera.name != HELD_OUT_CAMERA and 50 <= view.frame < _HELD_OUT_FRAMES.start
    return view.frame >= _MOVES_FROM if view.camera.name == HELD_OUT_CAMERA else view.frame in _HELD_OUT_FRAMES


def _moved(places: np.ndarray) -> bool:
    return float(np.ptp(places[:, :2], axis=0).max()) > _MOVED_M


def _depth_file(view: View) -> Path:
    return view.file.with_name(f"{view.file.stem}_depth5mm.png")


def _gain_of(view: View, trained: Sequence[View], gains: np.ndarray) -> np.ndarray:
    """The exposure of a picture, which nobody tells: that of its camera's latest picture before, else the mean."""
    before = [n for n, other in enumerate(trained) if other.camera.name == view.camera.name]
    found: np.ndarray = gains[max(before, key=lambda n: trained[n].frame)] if before else np.ones(3)
    return found


def _save(folder: Path, view: View, image: np.ndarray, shown: Blended, lifted: np.ndarray) -> None:
    """Write a picture with what was made beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    side = np.concatenate([image, np.where(shown.opacity[..., None] > _COVERED, lifted, 0.0)], axis=1)
    Image.fromarray(_coded(side).astype(np.uint8)).save(folder / f"{view.camera.name}_{view.frame:02d}.png")


def _label_colours(
    street: StreetCanvas, trained: Sequence[View], image_of: Callable[[View], tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Mean colour of each label (21, 3) over pictures that were trained on."""
    sums = np.zeros((len(OccClass), 4))
    for view in trained:
        shown, (image, weight) = street.canvas.show(view), image_of(view)
        use = (weight > 0.0) & (shown.opacity > _COVERED)
        for c in range(3):
            sums[:, c] += np.bincount(shown.label[use], image[..., c][use], len(OccClass))
        sums[:, 3] += np.bincount(shown.label[use], minlength=len(OccClass))
    colours: np.ndarray = sums[:, :3] / np.maximum(sums[:, 3:], 1.0)
    return colours


def _warped(view: View, trained: Sequence[View], street: StreetCanvas, drive: RecordedDrive) -> np.ndarray:
    """The trained picture whose place and direction are nearest, looked up where this view's surfaces are in it; NaN
    where it does not show them."""

    def away(other: View) -> float:
        turn = np.arccos(np.clip(other.pose[:3, 2] @ view.pose[:3, 2], -1.0, 1.0))
        return float(np.linalg.norm(other.pose[:3, 3] - view.pose[:3, 3]) + 5.0 * turn)

    other = min(trained, key=away)
    shown, there = street.canvas.show(view), street.canvas.show(other)
    h, w = shown.depth.shape
    v, u = np.indices((h, w)) + 0.5
    rays, _ = view.camera.unproject(np.column_stack([u.ravel(), v.ravel()]))
    points = rays / rays[:, 2:] * shown.depth.reshape(-1, 1) @ view.pose[:3, :3].T + view.pose[:3, 3]
    optical = np.ascontiguousarray((points - other.pose[:3, 3]) @ other.pose[:3, :3])
    pixels, imaged = project_points(other.camera.lens, optical)
    i, j = np.floor(pixels[:, 1]).astype(int), np.floor(pixels[:, 0]).astype(int)
    inside = imaged & (i >= 0) & (j >= 0) & (i < there.depth.shape[0]) & (j < there.depth.shape[1])
    out = np.full((h * w, 3), np.nan)
    rows = np.flatnonzero(inside & (shown.opacity.ravel() > _COVERED))
    same = np.abs(there.depth[i[rows], j[rows]] - optical[rows, 2]) < 0.03 * optical[rows, 2] + 0.2
    rows = rows[same]
    out[rows] = linear_image(other, drive.log)[0][i[rows], j[rows]]
    return out.reshape(h, w, 3)


def _coded(linear: np.ndarray) -> np.ndarray:
    coded: np.ndarray = np.rint(255.0 * np.clip(linear, 0.0, 1.0) ** (1.0 / GAMMA))
    return coded


def _psnr(made: np.ndarray, real: np.ndarray, where: np.ndarray) -> float:
    if where.sum() < 100:
        return float("nan")
    return float(10.0 * np.log10(255.0**2 / np.mean((_coded(made[where]) - _coded(real[where])) ** 2)))


def _ssim(made: np.ndarray, real: np.ndarray, where: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) of brightness, in windows of standard deviation 1.5 px, as a mean over
    some pixels."""
    one, other = (_coded(image).mean(axis=-1) for image in (made, real))
    one, other = np.where(where, one, 0.0), np.where(where, other, 0.0)
    m, n = gaussian_filter(one, 1.5), gaussian_filter(other, 1.5)
    mm, nn, mn = (gaussian_filter(a, 1.5) for a in (one * one, other * other, one * other))
    c, d = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    alike = (2 * m * n + c) * (2 * (mn - m * n) + d) / ((m * m + n * n + c) * (mm - m * m + nn - n * n + d))
    return float(alike[where].mean()) if where.any() else float("nan")
