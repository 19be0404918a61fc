"""Camera engines against exact buffers, in towns that no training saw.

Geometry and classes are those of the ray through each pixel's centre. Consistency is that of static surfaces from one
moment to the next, half a second later: each image is looked up where exact motion says that its surfaces were in the
one before. A loop ends where it began, with the same bytes or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy.ndimage import map_coordinates
from tqdm import tqdm

from uniscene_sim.annotations.flow import camera_flow
from uniscene_sim.assembly import tile_store
from uniscene_sim.datasets.drives import SEQUENCE, SPLITS, moment_layout, plan_seed, sample_drives
from uniscene_sim.frames import CameraBuffers, CameraFrame
from uniscene_sim.interfaces import CameraEngine, WorldView
from uniscene_sim.layout import LayoutFrame, Style
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.metrics.occupancy import Confusion
from uniscene_sim.plugins import construct, load_plugin
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.tracing.buffers import camera_buffers

__all__ = ["CameraScores", "evaluate_cameras"]

_NEAR_M = 40.0
_LINES = (int(OccClass.LANE_DIVIDER), int(OccClass.ROAD_DIVIDER))


@dataclass(frozen=True)
class CameraScores:
    """What an engine reaches over all images."""

    name: str
    images: int
    depth_m: float  # median difference from exact depth within 40 m
    depth_within: float  # share within 0.4 m
    miou: float  # of the classes that occur
    miou_but_lines: float  # without lines between lanes, which are a pixel wide
    warped_db: float  # PSNR of static surfaces against the moment before
    loop_equal: bool  # whether the first image of each drive has the same bytes at its end


def evaluate_cameras(engines: Sequence[str], towns: int = 4, rig: str = "nuscenes-small") -> list[CameraScores]:
    """Scores of some engines in seeded towns, one drive of six moments through each, by day in clear weather.

    Args:
        engines: names of camera engines, with options.
        towns: how many.
        rig: whose cameras.

    Raises:
        InputError: no such engine or rig.
    """
    cameras = load_rig(rig).cameras
    made: dict[str, CameraEngine] = {
        name: construct("camera", load_plugin("camera", name, "engines")) for name in engines
    }
    tallies = {name: _Tally() for name in engines}
    reach = max(spec.max_range_m for spec in cameras)
    for seed in tqdm(
        range(SPLITS["test"].start, SPLITS["test"].start + towns), desc="towns", unit="town", disable=None
    ):
        town = make_town(seed)
        for drive, moments in groupby(sample_drives(town, seed, SEQUENCE, signal_heads=True), key=lambda m: m.sequence):
            atlas = TileAtlas(tile_store("procedural", town, plan_seed(seed, drive)))
            before: dict[str, tuple[LayoutFrame, CameraBuffers, dict[str, CameraFrame]]] = {}
            first: WorldView | None = None
            begun: dict[str, dict[str, CameraFrame]] = {}
            for moment in moments:
                layout = moment_layout(moment.stamp_us, moment.pose, moment.agents, seed, Style())
                atlas.update(moment.pose.x, moment.pose.y, reach)
                view = WorldView(layout, (), atlas)
                images = {name: engine.step([None], [view], cameras)[1][0] for name, engine in made.items()}
                for spec in cameras:
                    exact = camera_buffers(view, spec)
                    of_spec = {name: images[name][spec.name] for name in engines}
                    flow, occluded = None, None
                    if spec.name in before:
                        flow, _, occluded = camera_flow(layout, exact, before[spec.name][:2], spec)
                    for name, image in of_spec.items():
                        tallies[name].add(exact, image)
                        if flow is not None and occluded is not None:
                            still = (exact.instance == 0) & np.isfinite(exact.depth) & ~occluded
                            tallies[name].warp(image.rgb, before[spec.name][2][name].rgb, flow, still)
                    before[spec.name] = layout, exact, of_spec
                if first is None:
                    first, begun = view, images
            if first is not None:
                atlas.update(first.frame.ego_pose.x, first.frame.ego_pose.y, reach)
                for name, engine in made.items():
                    again = engine.step([None], [first], cameras)[1][0]
                    tallies[name].equal &= all(
                        np.array_equal(again[c.name].rgb, begun[name][c.name].rgb) for c in cameras
                    )
    return [tally.scores(name) for name, tally in tallies.items()]


class _Tally:
    def __init__(self) -> None:
        self.labels, self.off, self.warped, self.images, self.equal = Confusion(), [np.zeros(0)], [0.0], 0, True

    def add(self, exact: CameraBuffers, image: CameraFrame) -> None:
        self.images += 1
        self.labels.add(exact.semantic, image.semantic)
        near = (exact.depth < _NEAR_M) & np.isfinite(image.depth)
        self.off.append(np.abs(exact.depth[near] - image.depth[near])[::7])

    def warp(self, now: np.ndarray, before: np.ndarray, flow: np.ndarray, still: np.ndarray) -> None:
        v, u = np.nonzero(still & np.isfinite(flow[..., 0]))
        if len(v) < 500:
            return
        at = np.array([v + flow[v, u, 1], u + flow[v, u, 0]], np.float64)
        there = np.stack(
            [map_coordinates(before[..., c].astype(float), at, order=1, mode="nearest") for c in range(3)], 1
        )
        self.warped.append(float(np.mean((there - now[v, u]) ** 2)))

    def scores(self, name: str) -> CameraScores:
        off = np.concatenate(self.off)
        classes = [k for k in range(int(OccClass.FREE)) if self.labels.counts[k].sum()]
        squares = float(np.mean(self.warped[1:])) if len(self.warped) > 1 else float("nan")
        return CameraScores(
            name, self.images, float(np.median(off)), float((off < 0.4).mean()), self.labels.miou_of(classes),
            self.labels.miou_of([k for k in classes if k not in _LINES]),
            float(10.0 * np.log10(255.0**2 / squares)) if squares else float("inf"), self.equal,
        )  # fmt: skip
