"""Golden digests: short runs of all scenarios of the library through the analytic engines, and what they hash to.

python tests/golden/make.py                   write tests/golden/digests.json anew
python tests/golden/make.py --out FILE        write them elsewhere
python tests/golden/make.py --arrays FOLDER   keep the arrays too, to see what differs between two machines
python tests/golden/make.py --replay FOLDER   of sensors on layouts recorded there; the world's own must equal them
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim.assembly import assemble
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run as run_world
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

HERE = Path(__file__).resolve().parent
DIGESTS = HERE / "digests.json"
SECONDS = 4.0


def scenarios() -> list[str]:
    """Names of the scenarios of the library."""
    return sorted(path.stem for path in data_dir("scenarios").glob("*.yaml"))


def run(scenario: str, recorded: Path | None = None) -> dict[str, np.ndarray]:
    """All arrays and numbers that come out of a short run, by `part/tick/field`.

    Args:
        scenario: its name.
        recorded: a recording of it whose layouts the sensors get; None for those of the world.
    """
    source = ScenarioSource.open(scenario)
    played = source if recorded is None else RecordedSource.open(str(recorded))
    simulator = assemble(played, load_rig(str(HERE / "rig.yaml")))
    arrays: dict[str, np.ndarray] = {"map": np.array(played.map.ref)}
    frame = simulator.reset()
    layout = frame.layout
    if recorded is not None:
        source.solid = simulator.store.solid
        layout = source.reset()
    for tick in range(int(min(SECONDS, source.duration_s) * 1e6) // simulator.tick_us + 1):
        if tick:
            frame = simulator.step()
            layout = frame.layout
            if recorded is not None:
                layout = source.step(source.driver_control(), simulator.tick_us)[-1]
                assert layouts_equal(layout, frame.layout), f"{scenario}, tick {tick}: another world than recorded"
        parts = {"layout": layout, "occupancy": frame.occupancy, "bev": frame.bev}
        parts |= frame.cameras | frame.sweeps
        for part, record in parts.items():
            arrays |= {f"{part}/{tick}/{name}": value for name, value in _fields(record).items()}
    return arrays


def record(scenario: str, folder: Path) -> Path:
    """The layouts of a short run, recorded without its sensors."""
    source, rig = ScenarioSource.open(scenario), load_rig(str(HERE / "rig.yaml"))
    tick_us = assemble(source, rig).tick_us
    simulator = assemble(source, SensorRig(rig.name), window_grid=None, bev_schema=None, tick_us=tick_us)
    ticks = int(SECONDS * 1e6) // tick_us
    run_world(simulator, [RecordTo(folder / f"{scenario}.mcap")], folder, ticks=ticks)
    return folder / f"{scenario}.mcap"


def layouts_equal(one: LayoutFrame, other: LayoutFrame) -> bool:
    """Whether all values are equal, be they whole numbers or not."""
    a, b = _fields(one), _fields(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def digests(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """SHA-256 of each part of a run."""
    parts: dict[str, Any] = {}
    for name, array in arrays.items():
        sha = parts.setdefault(name.split("/")[0], hashlib.sha256())
        sha.update(f"{name}{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return {part: sha.hexdigest() for part, sha in parts.items()}


def _fields(record: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """The fields of a record as arrays; what kind of map it was is said elsewhere, and nothing is edited."""
    out: dict[str, np.ndarray] = {}
    for f in fields(record):
        value = getattr(record, f.name)
        if is_dataclass(value):
            out |= _fields(value, f"{prefix}{f.name}.")
        elif value is not None and f.name not in ("map_ref", "edits"):
            array = np.asarray(value)
            names = array.dtype.names or ()
            out |= {f"{prefix}{f.name}.{n}": array[n] for n in names} if names else {f"{prefix}{f.name}": array}
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DIGESTS)
    parser.add_argument("--arrays", type=Path, metavar="FOLDER")
    parser.add_argument("--replay", type=Path, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help="default: all")
    asked = parser.parse_args(arguments)
    made = {}
    for name in asked.names or scenarios():
        arrays = run(name, asked.replay and asked.replay / f"{name}.mcap")
        made[name] = digests(arrays)
        if asked.arrays:
            asked.arrays.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(asked.arrays / f"{name}.npz", **{k.replace("/", "|"): v for k, v in arrays.items()})
    asked.out.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
