"""Capture: a source's layouts as a recording, with no sensors simulated; they are rendered or trained on later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from tqdm import tqdm

from uniscene_sim.engine_support.others_code import others_code
from uniscene_sim.engine_support.source_steps import step_us_of, steps_of
from uniscene_sim.errors import InputError
from uniscene_sim.interfaces import LayoutSource, RunFacts, TileStats
from uniscene_sim.outcome import Outcome
from uniscene_sim.plugins import DEFAULTS
from uniscene_sim.recording.mcap_sink import McapSink
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.rig import SensorRig

__all__ = ["Captured", "capture"]

_STEP_US = 100_000  # for which a control is held, or a little more if the source steps otherwise


@dataclass(frozen=True)
class Captured:
    """What was captured.

    Attributes:
        layouts: their number, one every 10 ms.
        world_s: time in the world.
        wall_s: time that it took.
        outcome: that of the source.
    """

    layouts: int
    world_s: float
    wall_s: float
    outcome: Outcome


def capture(
    source: LayoutSource,
    out: str | Path,
    rig: SensorRig,
    *,
    seconds: float | None = None,
    most_gib: float = RecordOptions().most_gib,
    progress: bool = False,
) -> Captured:
    """Write a source's layouts as a recording; the built-in driver drives, unless the source is `open_loop`.

    What was written stays if the run is stopped or the source is lost.

    Args:
        source: the world.
        out: the file (.mcap).
        rig: sensors that a replay is to simulate.
        seconds: length; None for the whole run.
        most_gib: size at which it ends.
        progress: whether to show a progress bar.

    Raises:
        InputError: the file cannot be written, or the source is lost.
    """
    path = Path(out)
    if path.suffix != ".mcap":
        raise InputError("expected a name that ends with .mcap", file=path, field="out")
    step_us = step_us_of(source, _STEP_US)
    count = steps_of(source, step_us)
    if seconds is not None and seconds < source.duration_s:
        count = round(seconds * 1e6) // step_us
    facts = RunFacts(source.title, source.seed, rig, dict(DEFAULTS), step_us, False, source.map)
    options = RecordOptions(images="none", sweeps="none", most_gib=most_gib)
    began = perf_counter()
    with McapSink(path, facts, options) as sink, others_code(f"source {source.name!r} failed", "source", of=source):
        sink.add_steps(None, [source.reset()])
        layouts = 1
        for _ in tqdm(range(count), desc="capture", unit="step", disable=None if progress else True):
            if source.done:
                break
            control: Any = source.driver_control()
            moments = source.step(control, step_us)
            sink.add_steps(None if source.open_loop else control, moments)
            layouts += len(moments)
        outcome = source.outcome
        sink.close(outcome, TileStats())
    return Captured(layouts, 1e-2 * (layouts - 1), perf_counter() - began, outcome)
