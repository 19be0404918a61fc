"""The edits of a recording, judged: what they change elsewhere, and whether what was asked for is there."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.occupancy.temporal.small import SMALL, SMALL_VAE, drawn, small_model
from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.evaluation.over_time.editing import Done, EditedMoment
from uniscene_sim.evaluation.over_time.recorded_edits import judge_edits, means_of, recorded_moments
from uniscene_sim.evaluation.over_time.rows import WindowRow
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.learned.vae import OccupancyVae
from uniscene_sim.occupancy.temporal.engine import CLIP_WINDOWS
from uniscene_sim.occupancy.temporal.occdit import OccDiT
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.rig import SensorRig
from uniscene_sim.run import run
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.clip_flow import ClipFlowRecipe, save_clip_flow
from uniscene_sim.world.scenario_source import ScenarioSource

STREET = """map: urban_grid
seed: 5
duration_s: 1.2
ego: {spawn: {x: 91.75, y: 40, yaw_deg: 90}, speed_mps: 7}
traffic: {vehicles_per_km: 6, pedestrians: 12}
"""
EDITS = """events:
  - trigger: {kind: time, value: 0.3}
    edits:
      - {kind: add, agent: {name: van, class: truck, behaviour: parked, spawn: {relative_to: ego, ahead_m: 14}}}
  - {trigger: {kind: time, value: 0.6}, edits: [{kind: move_crossing, x: 90, y: 72, by: [0, -9]}]}
  - {trigger: {kind: time, value: 0.7}, edits: [{kind: style, weather: rain}]}
  - {trigger: {kind: time, value: 0.9}, edits: [{kind: move, name: van, to: {relative_to: ego, ahead_m: 26}}]}
  - {trigger: {kind: time, value: 1}, edits: [{kind: remove, name: van}]}
"""


def recorded(folder, edits=""):
    """A drive without sensors as a recording."""
    (folder / "street.yaml").write_text(STREET + edits)
    source = ScenarioSource.open(str(folder / "street.yaml"))
    simulator = assemble(source, SensorRig("blind"), window_grid=None, bev_schema=None, tick_us=100_000)
    (path,) = run(simulator, [RecordTo()], folder).written
    return Recording.open(path)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("edited"), EDITS)


@pytest.fixture(scope="module")
def moments(recording):
    with pytest.warns(InputWarning, match=r"run.mcap: 0.70 s: style: changes no layout around the ego"):
        return recorded_moments(recording)


def drawn_as(moment, layout):
    """Labels in which the trucks and crossings of a layout stand, and nothing else."""
    labels = np.full((200, 200, 16), OccClass.FREE, np.uint8)
    labels[layout[CONDITION_CHANNELS.index("ped_crossing")] > 0, 2] = OccClass.PED_CROSSING
    labels[layout[CONDITION_CHANNELS.index("truck")] > 0, 3:8] = OccClass.TRUCK
    return labels


def test_edits_are_found_where_they_begin_and_end(moments):
    edits = [one for one in moments if isinstance(one, EditedMoment)]
    assert [one.name for one in edits] == [
        "0.30 s: add van", "0.60 s: move_crossing", "0.90 s: move van", "1.00 s: end of add van, end of move van",
    ]  # fmt: skip
    keys = [one.stamp_us for one in moments if not isinstance(one, EditedMoment)]
    assert keys == [0, 500_000]
    van = edits[0]
    assert len(van.after.agents) == len(van.before.agents) + 1 and not van.before.edits
    assert (van.before.stamp_us, van.before.ego_pose) == (van.after.stamp_us, van.after.ego_pose)
    assert 0.0 < van.region.mean() < 0.1
    moved = edits[2]
    assert set(moved.before.agents["id"]) == set(moved.after.agents["id"])


def test_what_is_drawn_as_told_is_done(moments):
    van, crossing, moved, gone = (one for one in moments if isinstance(one, EditedMoment))
    for moment, kinds in ((van, "added"), (moved, "added gone"), (gone, "gone"), (crossing, "ground")):
        asked = kinds.split()
        for layout, share in zip(moment.layouts, (0.0, 1.0), strict=True):
            done = moment.done(drawn_as(moment, layout))
            assert [getattr(done, kind) for kind in asked] == [pytest.approx(share, abs=0.05)] * len(asked)
        assert all(getattr(done, kind) is None for kind in vars(Done(None, None, None)) if kind not in asked)


def test_only_what_is_outside_counts_as_changed(moments):
    van = next(one for one in moments if isinstance(one, EditedMoment))
    was, now = (drawn_as(van, layout) for layout in van.layouts)
    assert (was != now).any() and van.changed(was, now) == 0.0
    far = now.copy()
    i, j = np.argwhere(~van.region)[0]
    far[i, j, :4] = OccClass.MANMADE
    outside = (far[~van.region] != OccClass.FREE).sum()
    assert van.changed(was, far) == pytest.approx(4 / outside)


@pytest.mark.parametrize("kind", CLIP_WINDOWS)
def test_edits_go_through_an_engine(kind, recording, moments):
    torch.set_num_threads(1)
    model = small_model(kind)
    model.steps = 1
    row = WindowRow(kind, lambda static_map, seed: CLIP_WINDOWS[kind](static_map, seed, model))
    judged = judge_edits(row, recording, moments[:2])
    (van,) = judged
    without, plain, held = scores = van.scores()
    assert [one.name for one in scores] == [f"{kind}, {way}" for way in ("without the edit", "plain", "rest held")]
    assert without.changed is None and 0.0 <= held.changed < plain.changed < 1.0
    assert (van.windows.plain.labels != van.windows.without.labels).any()
    twice = [*scores, *(replace(one, data="another", added=None) for one in scores)]
    means = means_of(twice)
    assert [one.data for one in means] == ["all edits (2)"] * 3
    assert means[1].changed == pytest.approx(plain.changed) and means[1].added == plain.added


@pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")  # of an edit that changes no layout
def test_the_command_writes_table_rows_and_picture(recording, tmp_path, capsys, monkeypatch):
    torch.manual_seed(3)
    recipe = ClipFlowRecipe()
    recipe = replace(recipe, still=replace(recipe.still, vae=SMALL_VAE), net=SMALL["occdit"], steps=1)
    save_clip_flow(tmp_path / "small", recipe, drawn(OccupancyVae(SMALL_VAE)), drawn(OccDiT(SMALL["occdit"])), {}, "#")
    monkeypatch.setattr("uniscene_sim.cli.over_time.model_names", lambda: ())  # the shipped ones take minutes
    outputs = ["--json", str(tmp_path / "edits.json"), "--picture", str(tmp_path / "edits.png")]
    also = ["--also", str(tmp_path / "small"), "--device", "cpu"]
    arguments = ["eval", "occupancy", "--edits", str(recording.path), *also]
    assert main([*arguments, *outputs]) == 0
    told = capsys.readouterr()
    assert "| small, rest held | 0.30 s: add van |" in told.out and "| small, plain | all edits (4) |" in told.out
    rows = json.loads((tmp_path / "edits.json").read_text())["rows"]
    assert rows["0.60 s: move_crossing"]["small, plain"].keys() == {"changed", "ground"}
    assert np.asarray(Image.open(tmp_path / "edits.png")).std() > 10
    assert main([*arguments, "--json", str(recording.path)]) == 2
    assert "cannot be written: it is read" in capsys.readouterr().err


def test_a_recording_without_edits_around_the_ego_is_refused(tmp_path):
    (tmp_path / "rain").mkdir()
    with pytest.raises(InputError, match=r"run.mcap: LayoutFrame.edits: none begins; expected a recording in which an"):
        recorded_moments(recorded(tmp_path))
    rain = "events: [{trigger: {kind: time, value: 0.5}, edits: [{kind: style, weather: rain}]}]"
    with pytest.warns(InputWarning), pytest.raises(InputError, match="1 begin, none of which changes the layout"):
        recorded_moments(recorded(tmp_path / "rain", rain))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--over-time --windows 32", "--windows: is not of --over-time, expected some of --model, --also, --towns"),
        ("--over-time --steps 2", "--steps: is not of --over-time"),
        ("--over-time --data .", "--data: is not of --over-time"),
        ("--over-time --picture a.png", "--picture: is not of --over-time"),
        ("--over-time --guidance 0", "--guidance: is not of --over-time"),
        ("--edits a.mcap --towns 2", "--towns: is not of --edits, expected some of --model, --also, --picture"),
        ("--edits a.mcap --engine-towns 2", "--engine-towns: is not of --edits"),
        ("--edits a.mcap --over-time", "--edits: is another question than --over-time"),
        ("--also other", "--also: is of --over-time or --edits, expected one of them too"),
        ("--towns 2", "--towns: is of --over-time, expected it too"),
        ("--drive-s 60", "--drive-s: is of --over-time, expected it too"),
        ("--edits a.mcap", "a.mcap: cannot be read"),
        ("--edits a.mcap --maps town.osm", "--maps: is not of --edits"),
        ("--from pandaset .", "--from: is of --over-time, expected it too"),
        ("--over-time --from pandaset no_such", "no_such: --from: is no folder, expected that of a recording"),
    ],
)
def test_options_that_a_question_does_not_use_are_refused(options, message, capsys):
    assert main(["eval", "occupancy", *options.split()]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"uniscene-sim: {message}") and told.count("\n") == 1
