"""Generated windows in runs: named as occupancy, traced, reported, kept in recordings."""

import json
from dataclasses import replace

import gymnasium
import pytest
import torch

from tests.occupancy.temporal.small import SMALL, SMALL_VAE, drawn
from uniscene_sim import plugins
from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.occupancy.learned.vae import OccupancyVae
from uniscene_sim.occupancy.temporal.occdit import OccDiT
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.recording.replay import replay
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run
from uniscene_sim.simulator import Simulator
from uniscene_sim.training.clip_flow import ClipFlowRecipe, save_clip_flow
from uniscene_sim.world.scenario_source import ScenarioSource


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a small model whose weights are drawn."""
    folder = tmp_path_factory.mktemp("model") / "small"
    torch.manual_seed(3)
    recipe = ClipFlowRecipe()
    recipe = replace(recipe, still=replace(recipe.still, vae=SMALL_VAE), net=SMALL["occdit"], steps=1)
    vae, net = drawn(OccupancyVae(SMALL_VAE)), drawn(OccDiT(SMALL["occdit"]))
    save_clip_flow(folder, recipe, vae, net, {}, "# small\n")
    return folder


@pytest.fixture(scope="module")
def rig():
    return SensorRig("near", lidars=tuple(replace(lidar, max_range_m=15.0) for lidar in load_rig("rl").lidars))


def test_windows_may_be_named_as_occupancy():
    chosen = plugins.choose_engines({"occupancy": "occdit:steps=2", "camera": "splat"})
    assert chosen.names == plugins.DEFAULTS | {"window": "occdit:steps=2", "camera": "splat"}
    assert chosen.trace == "window+tiles"
    assert plugins.choose_engines({"occupancy": "occdit"}, "window").trace == "window"
    tiles = plugins.choose_engines({"occupancy": "occflow-tiles", "window": "occdit"})
    assert (tiles.names["occupancy"], tiles.names["window"], tiles.trace) == ("occflow-tiles", "occdit", "tiles")
    unknown = plugins.choose_engines({"occupancy": "moat"})
    assert unknown.names["occupancy"] == "moat"  # refused where it is loaded
    with pytest.raises(InputError, match=r"occupancy: occdit and occ-uniscene both make windows; expected one of them"):
        plugins.choose_engines({"occupancy": "occdit", "window": "occ-uniscene"})


def test_a_run_reports_what_was_generated_and_what_lies_beyond(model, tmp_path, capsys):
    arguments = ["run", "cut_in", "--occupancy", f"occdit:{model}", "--rig", "rl", "--ticks", "2", "--no-preview"]
    assert main([*arguments, "--out", str(tmp_path)]) in (0, 1)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    window = report["window"]
    assert window["beyond"] == "tiles of procedural" and window["windows"] == 3
    assert 0 < window["voxels"]["least"] <= window["voxels"]["median"] <= window["voxels"]["most"] <= 640_000
    assert 0 <= window["agents_not_found"] <= window["agents"] and window["agents"] > 0
    assert report["engines"]["window"].startswith("occdit")
    assert main(["run", "cut_in", "--rig", "rl", "--ticks", "1", "--no-preview", "--out", str(tmp_path)]) in (0, 1)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["window"] is None


def test_sensors_trace_the_generated_window(model, rig):
    def sweep(**engines):
        simulator = assemble(ScenarioSource.open("cut_in"), rig, bev_schema=None, **engines)
        simulator.prepare(simulator.source.route_path)
        return simulator.reset()

    generated, usual = sweep(occupancy=f"occdit:{model}"), sweep()
    assert generated.occupancy is not None and generated.occupancy.labels.shape == DEFAULT_GRID.shape
    (name,) = generated.sweeps
    assert generated.sweeps[name].xyz.shape != usual.sweeps[name].xyz.shape or (
        generated.sweeps[name].xyz != usual.sweeps[name].xyz
    ).any()


def test_a_recording_keeps_the_history_and_goes_on_in_the_middle(model, rig, tmp_path):
    made = assemble(ScenarioSource.open("cut_in"), rig, window_grid=None, bev_schema=None, occupancy=f"occdit:{model}")
    names = plugins.choose_engines({"occupancy": f"occdit:{model}"}).names
    run(made, [RecordTo(options=RecordOptions(states_s=0.2))], tmp_path, ticks=8, engines=names)
    recording = Recording.open(tmp_path / "run.mcap")
    simulator = Simulator(RecordedSource(recording), rig, made.store, made.engines, trace="window+tiles",
                          request=FrameRequest(window_grid=None, bev_schema=None))  # fmt: skip
    found = replay(recording, simulator, from_s=0.6)
    assert found.records >= 2 and not found.differences


def test_it_keeps_the_rules_of_its_slot(model, capsys):
    assert main(["check", f"occdit:{model}"]) == 0, capsys.readouterr().out


def test_a_model_that_is_missing_is_told_in_one_line(tmp_path, capsys):
    arguments = ["run", "cut_in", "--ticks", "1", "--out", str(tmp_path / "out"), "--occupancy"]
    assert main([*arguments, f"occdit:{tmp_path / 'none'}"]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--occupancy: occdit: option 'model': " in message and "no such model; the zoo has " in message


@pytest.mark.parametrize(("slot", "name"), [("occupancy", "occdit"), ("window", "occ-uniscene")])
def test_a_bad_option_is_told_of_the_option_that_named_the_engine(slot, name, tmp_path, capsys):
    arguments = ["run", "cut_in", "--ticks", "1", "--out", str(tmp_path / "out"), f"--{slot}"]
    assert main([*arguments, f"{name}:steps=-1"]) == 2
    assert f": --{slot}: {name}: option 'steps': expected at least 0, got -1" in capsys.readouterr().err
    assert main([*arguments, f"{name}:stps=1"]) == 2
    assert f": --{slot}: {name} has no option 'stps' (did you mean steps?)" in capsys.readouterr().err
    with pytest.raises(InputError, match=rf"^{slot}: {name}: option 'steps': expected at least 0"):
        assemble(ScenarioSource.open("cut_in"), SensorRig("blind"), tick_us=100_000, **{slot: f"{name}:steps=-1"})
    with pytest.raises(InputError, match=rf"^{slot}: {name} has no option 'stps'"):
        gymnasium.make("UniScene-v0", scenario="cut_in", **{slot: f"{name}:stps=1"})
