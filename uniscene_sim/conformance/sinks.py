"""Rules of sinks, tested with a few ticks of a street."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from uniscene_sim.assembly import assemble
from uniscene_sim.conformance.rules import Rules, refused_with_input_error, require
from uniscene_sim.frames import SensorFrame, digest
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.output_file import scratch_folder
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["sink_rules"]

_TILES = TileStats(made=9)
_OUTCOME = Outcome(Status.SUCCESS)


def sink_rules(sink: Any) -> Rules:
    """Rules of a sink."""

    def attributes() -> None:
        require(isinstance(getattr(sink, "name", None), str), "name must be a string")

    def takes_a_run() -> None:
        with scratch_folder() as folder:
            out = folder / "new" / "out"
            _check_files(_record(sink, out, _facts()), out)

    def no_sensors() -> None:
        bare = [replace(f, cameras={}, sweeps={}, occupancy=None, bev=None, digests={}) for f, _ in _short_run()]
        with scratch_folder() as folder:
            out = folder / "out"
            with sink.open(out, _facts()) as one:
                for frame in bare:
                    one.add(frame, StageTimes())
                _check_files(one.close(_OUTCOME, _TILES), out)

    def untouched() -> None:
        before = _digests()
        with scratch_folder() as folder:
            _record(sink, folder, _facts())
        require(_digests() == before, "add() must not change the frame that it is given")

    def abandoned() -> None:
        with scratch_folder() as folder:
            out = folder / "out"
            with sink.open(out, _facts()) as one:
                for frame, stages in _short_run():
                    one.add(frame, stages)
            left = sorted(p.name for p in out.rglob("*") if p.is_file()) if out.is_dir() else []
            if getattr(sink, "streams", False):
                require(bool(left), "left without close(), a sink that streams must keep what it has")
            else:
                require(not left, f"left without close(), a sink must leave nothing behind, left {', '.join(left)}")

    def errors() -> None:
        with scratch_folder() as folder:
            (folder / "file").write_text("not a folder", encoding="utf-8")
            refused = refused_with_input_error("a file in the place of the folder",
                                               lambda: _record(sink, folder / "file", _facts()))  # fmt: skip
            require(refused, "a file in the place of the folder must raise InputError")
            kept = (folder / "file").read_text(encoding="utf-8") == "not a folder"
            require(kept, "a file in the place of the folder was changed")

    return [
        ("declares its attributes", attributes), ("takes a run", takes_a_run),
        ("takes frames without sensors", no_sensors), ("leaves its input alone", untouched),
        ("left without close, leaves nothing", abandoned), ("errors", errors),
    ]  # fmt: skip


@cache
def _facts() -> RunFacts:
    static_map = ScenarioSource.open("cut_in").map
    return RunFacts("cut_in", 7, load_rig("rl"), {"camera": "raycast"}, 100_000, static_map=static_map)


@cache
def _short_run() -> list[tuple[SensorFrame, StageTimes]]:
    simulator = assemble(ScenarioSource.open("cut_in"), _facts().rig)
    frames = [(simulator.reset(), simulator.stages_ms)]
    for _ in range(3):
        frames.append((simulator.step(), simulator.stages_ms))
    return frames


def _digests() -> list[str]:
    records = [
        r for f, _ in _short_run() for r in (*f.cameras.values(), *f.sweeps.values(), f.occupancy) if r is not None
    ]
    return [digest(r) for r in records] + [repr(f.layout.agents.tobytes()) for f, _ in _short_run()]


def _record(sink: Any, out: Path, facts: RunFacts) -> list[Path]:
    with sink.open(out, facts) as one:
        for frame, stages in _short_run():
            one.add(frame, stages)
        written: list[Path] = one.close(_OUTCOME, _TILES)
        return written


def _check_files(written: Any, out: Path) -> None:
    require(isinstance(written, list), f"close() must return a list of paths, returned {type(written).__name__}")
    for path in written:
        require(Path(path).is_file(), f"close() names {path}, which is not there")
        require(out in Path(path).parents, f"close() names {path}, which is not in the folder that open() was given")
