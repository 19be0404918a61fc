"""`Recorder`: preview, contact sheet and report of a run."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from contextlib import suppress
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import Any

import av
import numpy as np
from PIL import Image

from uniscene_sim import plugins
from uniscene_sim.errors import InputError
from uniscene_sim.frames import SensorFrame
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.metrics.consistency import Consistency, consistency, summarise_consistency
from uniscene_sim.outcome import Outcome
from uniscene_sim.recording.generated_windows import GeneratedWindows
from uniscene_sim.recording.preview import compose_preview
from uniscene_sim.recording.versions import package_versions
from uniscene_sim.storage.output_file import told

__all__ = ["VIDEO", "Recorder"]

VIDEO, _SHEET, _REPORT = "preview.mp4", "contact_sheet.png", "report.json"
_SHEET_MOMENTS = 2


class Recorder:
    """A `FrameSink` that writes `preview.mp4`, `contact_sheet.png` and `report.json`.

    Args:
        out: folder of this run, created if missing; `run` publishes what lies in it.
        facts: description of the run.
        stride: frames per preview image; the video still plays in real time.
        compare: whether to measure the consistency of sensors, which takes about 2 ms a tick with six cameras.

    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """

    name = "report"
    files = (VIDEO, _SHEET, _REPORT)

    def __init__(self, out: Path, facts: RunFacts, *, stride: int = 1, compare: bool = True):
        if stride < 1:
            raise InputError(f"expected a positive integer, got {stride}", field="stride")
        self.out, self.facts = Path(out), facts
        self._stages: dict[str, list[float]] = {}
        self._compare, self._agreement = compare, list[Consistency]()
        exact = plugins.DEFAULTS["window"]
        self._windows = GeneratedWindows(facts) if facts.engines.get("window", exact) != exact else None
        self._sha = hashlib.sha256()
        self._ticks, self._seconds = 0, 0.0
        self._stamp_us: int | None = None  # of the last frame
        self._every = stride
        self._pictures = 0
        self._rate = Fraction(1_000_000, facts.tick_us * stride)
        self._video: Any = None
        self._moments: list[np.ndarray] = []
        self._stride = 1
        self._whole = False
        with told(self.out, "out"):
            self.out.mkdir(parents=True, exist_ok=True)

    @classmethod
    def open(cls, out: Path, facts: RunFacts) -> Recorder:
        return cls(out, facts)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove incomplete files."""
        if not self._whole:
            if self._video is not None:
                with suppress(Exception):
                    self._video.close()
            for name in self.files:
                (self.out / name).unlink(missing_ok=True)

    def add(self, frame: SensorFrame, stages_ms: StageTimes) -> None:
        """Add a tick's frame and the durations of its stages."""
        for stage, milliseconds in stages_ms.items():
            self._stages.setdefault(stage, []).append(milliseconds)
        for name in sorted(frame.digests):
            self._sha.update(f"{frame.stamp_us}{name}{frame.digests[name]}".encode())
        if self._ticks:  # the first frame includes tiles and start-up
            self._seconds += 1e-3 * stages_ms.total_ms
        if self._compare and frame.cameras and frame.sweeps:
            start = perf_counter()
            if (found := consistency(frame, self.facts.rig)) is not None:
                self._agreement.append(found)
            self._stages.setdefault("consistency", []).append(1e3 * (perf_counter() - start))
        if self._windows is not None and frame.occupancy is not None:
            self._windows.add(frame.occupancy, frame.layout)
        if self.facts.preview and self._ticks % self._every == 0:
            start = perf_counter()
            picture = compose_preview(frame, self.facts.rig, f"{self.facts.title}, seed {self.facts.seed}")
            self._keep(picture)
            with told(VIDEO, "out"):
                self._encode(picture)
            self._stages.setdefault("preview", []).append(1e3 * (perf_counter() - start))
        self._ticks += frame.stamp_us != self._stamp_us  # delayed frames after the end repeat the last stamp
        self._stamp_us = frame.stamp_us

    def close(self, outcome: Outcome, tiles: TileStats) -> list[Path]:
        """Complete all files and return their paths."""
        written = []
        if self.facts.preview and self._video is not None:
            with told(VIDEO, "out"):
                for packet in self._stream.encode():
                    self._video.mux(packet)
                self._video.close()
            with told(_SHEET, "out"):
                Image.fromarray(self._sheet()).save(self.out / _SHEET, format="PNG")
            written += [VIDEO, _SHEET]
        text = json.dumps(self._report(outcome, tiles), indent=2) + "\n"
        with told(_REPORT, "out"):
            (self.out / _REPORT).write_text(text, encoding="utf-8")
        self._whole = True
        return [self.out / name for name in (*written, _REPORT)]

    def _keep(self, picture: np.ndarray) -> None:
        """Keep up to 16 images, evenly spread over a run of any length."""
        if self._pictures % self._stride == 0:
            self._moments.append(picture)
            if len(self._moments) > 16:
                self._moments = self._moments[::2]
                self._stride *= 2
        self._pictures += 1

    def _sheet(self) -> np.ndarray:
        at = np.linspace(0, len(self._moments) - 1, _SHEET_MOMENTS + 1).round().astype(int)[1:]
        return np.concatenate([self._moments[i] for i in sorted(set(at.tolist()))])

    def _encode(self, picture: np.ndarray) -> None:
        if self._video is None:
            self._video = av.open(str(self.out / VIDEO), "w", format="mp4")
            self._stream = self._video.add_stream("libx264", rate=self._rate)
            self._stream.height, self._stream.width = picture.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "22", "preset": "veryfast"}
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")):
            self._video.mux(packet)

    def _report(self, outcome: Outcome, tiles: TileStats) -> dict[str, Any]:
        stages = {
            name: {"p50": round(float(np.percentile(v, 50)), 3), "p95": round(float(np.percentile(v, 95)), 3)}
            for name, v in self._stages.items()
        }
        return {
            "scenario": self.facts.title,
            "seed": self.facts.seed,
            "drawn": dict(self.facts.drawn),
            "rig": self.facts.rig.name,
            "sensors": [s.name for s in self.facts.rig.sensors],
            "engines": self.facts.engines,
            "versions": package_versions("uniscene_sim", "numpy", "numba", "scipy", "carla"),
            "ticks": self._ticks,
            "stages_ms": stages,
            "ticks_per_s": round((self._ticks - 1) / self._seconds, 3) if self._seconds else None,
            "peak_memory_mib": round(_peak_memory_mib()),
            "tiles": asdict(tiles),
            "window": None if self._windows is None else self._windows.as_dict(),
            "consistency": summarise_consistency(self._agreement),
            "digest": self._sha.hexdigest(),
            "outcome": outcome.as_dict(),
        }


def _peak_memory_mib() -> float:
    """Peak resident memory of this process."""
    if (status := Path("/proc/self/status")).is_file():
        # On Linux `ru_maxrss` includes the parent's memory at the fork.
        return int(status.read_text(encoding="ascii").split("VmHWM:")[1].split()[0]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
