"""`page_of`: a batch as one HTML page that needs no network. Template, style and scripts lie beside this file, what
the page of a recording has too is in `recording.page`.

The table of cases is plain JSON; drives and maps are deflated, and unpacked when a case is opened.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from uniscene_sim.layout import EgoVehicle
from uniscene_sim.limits.bounds import Bound
from uniscene_sim.outcome import Status
from uniscene_sim.recording import page as drive_page
from uniscene_sim.recording.page.ground import ground_of
from uniscene_sim.recording.page.template import filled, text_of
from uniscene_sim.recording.versions import package_versions
from uniscene_sim.regression.report.drives import NEAR_M, drive_of
from uniscene_sim.regression.report.plain import plain
from uniscene_sim.regression.report.scenes import Scene, scenes_of
from uniscene_sim.regression.results import Batch, CaseResult

__all__ = ["case_names", "page_of"]

_SHARED = drive_page.__name__
_STYLES, _SCRIPTS = ("base.css",), ("elements.js", "above.js", "charts.js", "playback.js")
_OWN_SCRIPTS = ("case.js", "page.js")
_MIB = Bound(0.1, 1024.0, "MiB")


def page_of(
    batch: Batch,
    scenes: Mapping[Path, Scene] | None = None,
    videos: Mapping[str, bytes] | None = None,
    *,
    most_mib: float = 10.0,
    progress: bool = False,
) -> bytes:
    """The page of a batch.

    Args:
        batch: its results; one without a series is shown without pictures.
        scenes: maps and egos by scenario file; None reads them from the files.
        videos: MP4 by the name of its case, see `case_names`.
        most_mib: weight that the page is kept to; drives and videos of failed cases come first.
        progress: whether to show a progress bar.

    Raises:
        InputError: `most_mib` is none.
    """
    left = _Weight(_MIB.number(most_mib, "most_mib") * 2**20)
    scenes = scenes_of(batch) if scenes is None else scenes
    names = case_names(batch.results)
    cases = [{**_case(result), "name": name} for result, name in zip(batch.results, names, strict=True)]
    left.take(json.dumps(cases))
    failed_first = sorted(range(len(cases)), key=lambda k: batch.results[k].passed)
    grounds = _grounds(batch.results, scenes)
    shown = {name for name, ground in grounds.items() if left.take(ground)}
    for k in tqdm(failed_first, desc="page", unit="case", disable=None if progress else True):
        result, scene = batch.results[k], scenes.get(batch.results[k].case.file)
        drive = drive_of(result, scene.vehicle if scene else EgoVehicle())
        if drive is not None and left.take(packed := _packed(drive)):
            cases[k]["drive"] = packed
            cases[k]["ground"] = scene.static_map.ref if scene and scene.static_map.ref in shown else None
    for k in failed_first:
        video = (videos or {}).get(names[k])
        if video is not None and left.take(encoded := base64.b64encode(video).decode()):
            cases[k]["video"] = encoded
    data = {
        **_summary(batch),
        "cases": cases,
        "grounds": {name: grounds[name] for name in sorted(shown)},
        "notes": left.notes(most_mib),
    }
    own = __package__
    (template,) = text_of(own, "page.html")
    styles = [*text_of(_SHARED, *_STYLES), *text_of(own, "page.css")]
    return filled(template, styles, [*text_of(_SHARED, *_SCRIPTS), *text_of(own, *_OWN_SCRIPTS)], data)


def case_names(results: Sequence[CaseResult]) -> list[str]:
    """What each case is called on the page, and in its address: its title; of several that share one, with the folders
    that tell their files apart, and a number where nothing else does."""
    titles, told = [result.case.title for result in results], list[str]()
    for result, title in zip(results, titles, strict=True):
        folders = [other.case.file.absolute().parent for other in results if other.case.title == title]
        folder = result.case.file.absolute().parent.relative_to(os.path.commonpath(folders))
        told.append((folder / title).as_posix())
    return [name if told.count(name) == 1 else f"{name} #{told[: k + 1].count(name)}" for k, name in enumerate(told)]


class _Weight:
    """What a page may still weigh, bytes, and how many parts were too heavy for it."""

    def __init__(self, most: float):
        self._left, self._refused = most, 0

    def take(self, part: str) -> bool:
        fits = len(part) <= self._left
        self._left -= len(part) if fits else 0
        self._refused += not fits
        return fits

    def notes(self, most_mib: float) -> list[str]:
        if not self._refused:
            return []
        what = "1 drive, map or video is" if self._refused == 1 else f"{self._refused} drives, maps or videos are"
        return [f"{what} left out, so that this page weighs {most_mib:g} MiB at most."]


def _summary(batch: Batch) -> dict[str, Any]:
    counts = {str(status): sum(result.status == status for result in batch.results) for status in Status}
    summary = {
        "driver": batch.driver,
        "passed": sum(result.passed for result in batch.results),
        "statuses": {name: count for name, count in counts.items() if count},
        "simulated_s": sum(result.simulated_s for result in batch.results),
        "wall_s": sum(result.wall_s for result in batch.results),
        "version": package_versions("uniscene_sim").get("uniscene_sim", ""),
    }
    told: dict[str, Any] = plain(summary)
    return told


def _case(result: CaseResult) -> dict[str, Any]:
    """What the table tells of a case, and all of it that is text."""
    case = result.case
    least_ttc_s = next((row.bound for row in result.criteria if row.name == "min_ttc"), None)
    accepts = case.accepts(result.driver)
    more = {"tags": case.plan.tags, "why": result.why, "accepts": accepts, "least_ttc_s": least_ttc_s}
    told: dict[str, Any] = plain({**result.as_dict(), **more})
    del told["video"]  # the page has the video itself under this name, where there is room
    return told


def _grounds(results: Sequence[CaseResult], scenes: Mapping[Path, Scene]) -> dict[str, str]:
    """Each map around all the ways that were driven on it, packed, by its reference."""
    maps = {scene.static_map.ref: scene.static_map for scene in scenes.values()}
    ways: dict[str, list[np.ndarray]] = {}
    for result in results:
        if (scene := scenes.get(result.case.file)) is not None and len(result.series):
            way = np.stack([result.series["x"], result.series["y"]], axis=1)
            ways.setdefault(scene.static_map.ref, []).append(way[np.isfinite(way).all(axis=1)])
    grounds = {}
    for ref, parts in ways.items():
        if len(way := np.concatenate(parts)):
            grounds[ref] = _packed({**ground_of(maps[ref], way, NEAR_M), "signals": []})  # their states are not kept
    return grounds


def _packed(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()
