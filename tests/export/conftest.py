"""A recording to export: long enough for two samples, with the small rig. And others' readers, where they are."""

import json
import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from uniscene_sim.assembly import assemble
from uniscene_sim.control import Control
from uniscene_sim.frames import SensorFrame
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run
from uniscene_sim.world.scenario_source import ScenarioSource

#: Interpreter that has nuscenes-devkit 1.2 (it wants numpy < 2), and node's folder with the packages of read_mcap.cjs.
PYTHON, MODULES = "UNISCENE_NUSCENES_PYTHON", "UNISCENE_NODE_MODULES"


@dataclass(frozen=True)
class Recorded:
    path: Path
    frames: list[SensorFrame]


@pytest.fixture(scope="package")
def recorded(tmp_path_factory) -> Recorded:
    simulator, kept = assemble(ScenarioSource.open("cut_in"), load_rig("rl")), Kept()
    out = tmp_path_factory.mktemp("recorded")
    [path] = run(simulator, [RecordTo(), kept], out, driver=lambda _: Control(0.02, 0.5), ticks=6).written
    return Recorded(path, kept.frames)


class Kept(AbstractContextManager):
    """A sink that keeps all frames."""

    name = "kept"

    def __init__(self):
        self.frames = []

    def open(self, out, facts):
        return self

    def add(self, frame, stages_ms):
        self.frames.append(frame)

    def close(self, outcome, tiles):
        return []

    def __exit__(self, *_):
        return None


@pytest.fixture(scope="session")
def read_by_devkit() -> Callable[[str, Path], dict]:
    """What a script of this folder, run with nuscenes-devkit, says of a data set."""
    if PYTHON not in os.environ:
        pytest.skip(f"{PYTHON} names no interpreter with nuscenes-devkit")
    return lambda script, folder: said(os.environ[PYTHON], script, folder)


@pytest.fixture(scope="session")
def read_by_foxglove() -> Callable[[Path], dict]:
    """What Foxglove's library in TypeScript says of an MCAP file."""
    if MODULES not in os.environ:
        pytest.skip(f"{MODULES} names no folder with @mcap/core")
    return lambda path: said("node", "read_mcap.cjs", path)


def said(program: str, script: str, path: Path) -> dict:
    command = [program, str(Path(__file__).with_name(script)), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
