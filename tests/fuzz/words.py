"""Readers of words: names and addresses, options, styles, environment variables, command lines."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.fuzz.case import Bases
from tests.fuzz.oracle import Told
from uniscene_sim import plugins
from uniscene_sim.compute.environment import check_environment
from uniscene_sim.engine_support.options import option_text
from uniscene_sim.errors import InputError
from uniscene_sim.limits.memory import memory_bytes
from uniscene_sim.maps.load import load_map
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.scenario_files.style_text import style_of_text
from uniscene_sim.storage.data_folders import scenario_names
from uniscene_sim.storage.disk_cache import user_cache
from uniscene_sim.zoo.models import load_model, model_names

__all__ = [
    "COMMANDS", "ENVIRONMENTS", "NAMES", "OPTIONS", "STYLES", "each_read", "read_command", "read_environment",
    "read_names", "read_options", "read_style",
]  # fmt: skip


def _texts(*texts: str) -> Callable[[], Bases]:
    return lambda: {str(k): {"text": text.encode()} for k, text in enumerate(texts)}


def _text(folder: Path) -> str:
    try:
        return (folder / "text").read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""  # it stands for a word, not for a file


STYLES = _texts("rainy dusk in a suburb", "a snowy night, cloudless morning")


def read_style(folder: Path) -> None:
    style_of_text(_text(folder))


# --- options of engines, names and addresses --------------------------------------------------------------------------

OPTIONS = _texts(
    "camera=raycast", "lidar=raycast:rig", "lidar=raycast:effects=none", "occupancy=occflow-tiles:occupancy",
    "lidar=sparse-sdf:lidar,device=cpu", "occupancy=procedural", "window=exact", "source=scenario", "sink=report",
)  # fmt: skip


def read_options(folder: Path) -> None:
    slot, _, text = _text(folder).partition("=")
    engine = plugins.load_plugin(slot if slot in plugins.SLOTS else "lidar", text)
    options = getattr(engine, "Options", None)
    if options is not None:
        option_text(options())


NAMES = _texts("cut_in", "scenario/s.yaml", "a.xodr", "nuscenes-small", "carla://town", "maps/urban_grid.npz", "lidar")


def read_names(folder: Path) -> None:
    """A text wherever a name, a path or an address is read; all of them get a say."""
    text, home = _text(folder), os.getcwd()
    os.chdir(folder)
    reads: tuple[Callable[[], Any], ...] = (
        lambda: load_rig(text), lambda: load_scenario(find_scenario(text)), lambda: load_map(text),
        lambda: load_model(text), lambda: plugins.find_source(text), lambda: plugins.find_source(None, text),
        lambda: plugins.find_source("cut_in", text), lambda: plugins.load_plugin("camera", text),
        lambda: plugins.open_source(text) if text not in scenario_names() else None,
    )  # fmt: skip
    try:
        each_read(*reads)
    finally:
        os.chdir(home)


def each_read(*reads: Callable[[], Any]) -> None:
    """Call all; raise the last refusal, or the longest of their messages."""
    refused: list[InputError] = []
    for read in reads:
        try:
            read()
        except InputError as error:
            if not str(error).isprintable():
                raise
            refused.append(error)
    if refused:
        raise max(refused, key=lambda e: len(str(e)))


# --- environment variables --------------------------------------------------------------------------------------------

_VARIABLES = (
    "UNISCENE_SIM_DATA", "UNISCENE_CACHE", "UNISCENE_CACHE_GB", "UNISCENE_MEMORY_GB", "NUMBA_NUM_THREADS",
    "XDG_CACHE_HOME", "HOME",
)  # fmt: skip
ENVIRONMENTS = _texts(
    "UNISCENE_CACHE_GB=4", "UNISCENE_CACHE_GB=0.5\nXDG_CACHE_HOME=cache", "UNISCENE_SIM_DATA=data", "UNISCENE_CACHE=c",
    "HOME=home\nUNISCENE_CACHE=", "UNISCENE_MEMORY_GB=16", "NUMBA_NUM_THREADS=2",
)  # fmt: skip


def read_environment(folder: Path) -> None:
    lines = _text(folder).replace("\0", "").split("\n")
    given = {key: value for key, _, value in (line.partition("=") for line in lines) if key in _VARIABLES}
    home = os.getcwd()
    os.chdir(folder)
    try:
        with patch.dict(os.environ, given):
            each_read(
                lambda: user_cache("tiles").read("0" * 64), lambda: user_cache("tiles").write("0" * 64, b"x"),
                scenario_names, model_names, check_environment, memory_bytes, lambda: load_rig("none"),
            )  # fmt: skip
    finally:
        os.chdir(home)


# --- command line -----------------------------------------------------------------------------------------------------

COMMANDS = _texts(
    "run\ncut_in\n--rig\nrl\n--ticks\n3\n--seed\n5\n--out\no", "run\n--source\nscenario\ncut_in\n--lidar\nraycast:rig",
    "run\ncut_in\n--trace\nwindow\n--annotations\nflow,boxes\n--sink\nreport\n--no-preview",
    "bake\nrural\n--jobs\n2", "validate\ns.yaml\nm.xodr\n--strict", "check\nraycast\n--slot\ncamera\n--on\ncut_in",
    "bench\ncameras\n--json\nb.json", "train\noccupancy\n--recipe\nr.yaml\n--device\ncpu\n--data\nd",
    "eval\nlidar\n--model\nlidar\n--towns\n2\n--real\nx", "info", "--version", "validate\n--schema",
    "train\ndata\n--towns\n2", "train\ndata\n--images\n--rig\nrl", "eval\nsweeps\n--json\nj",
)  # fmt: skip
#: What costs minutes and is not reading; where it begins, all words were read.
_WORK = (
    "uniscene_sim.run.prepare", "uniscene_sim.run.run", "uniscene_sim.cli.bake.bake",
    "uniscene_sim.cli.bake.tiles_to_bake", "uniscene_sim.conformance.check",
    "uniscene_sim.bench.run_bench.run_bench", "uniscene_sim.cli.warmup.compile_kernels",
    "uniscene_sim.datasets.make_datasets.train_data", "uniscene_sim.cli.train.train_data",
    "uniscene_sim.datasets.make_datasets.image_data",
    "uniscene_sim.cli.train.make_all_sweeps", "uniscene_sim.cli.train.train_vae", "uniscene_sim.cli.train.train_sdf",
    "uniscene_sim.cli.models._require_data", "uniscene_sim.cli.models._eval_sweeps",
)  # fmt: skip


class _Works(InputError):
    """In place of what costs minutes."""


def read_command(folder: Path) -> None:
    """Exit code and what is printed, of words one a line."""
    from uniscene_sim.cli.main import main

    def work(*_: Any, **__: Any) -> Any:
        raise _Works("the words are read, and the work would begin")

    words = [line for line in _text(folder).replace("\0", "").split("\n") if line]
    out, err, home = io.StringIO(), io.StringIO(), os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.ExitStack() as stack:
            for name in _WORK:
                stack.enter_context(patch(name, work))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            try:
                code: Any = main(words)
            except SystemExit as end:
                code = end.code
    finally:
        os.chdir(home)
    assert code in (0, 1, 2), f"exit code {code!r}"
    assert (code == 2) <= bool(err.getvalue()), "nothing said why"
    if code == 2:  # told as all refusals are; warnings may go before it
        *warnings, last = err.getvalue().rstrip("\n").split("\n")
        assert all(line.startswith("uniscene-sim:") for line in warnings), f"beside warnings: {warnings!r}"
        raise Told(last)
