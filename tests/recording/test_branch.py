"""A recording that goes on as a world that reacts."""

from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.plugins import open_source
from uniscene_sim.recording.branch import BranchedSource
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.rig import SensorRig
from uniscene_sim.run import prepare, run
from uniscene_sim.scenario_files.read import find_scenario, is_branch
from uniscene_sim.wire.messages import layout_message, layout_of

SCENARIO = """
map: {map}
seed: 4
duration_s: 6
ego: {{spawn: {spawn}, speed_mps: 8.0, target_speed_mps: 8.0}}
agents:
  - {{name: follower, class: car, speed_mps: 8.0, spawn: {{relative_to: ego, ahead_m: -16}}}}
  - {{name: leader, class: car, speed_mps: 8.0, spawn: {{relative_to: ego, ahead_m: 20}}}}
"""
BRANCH_S, AT = 2.0, 200


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """Six seconds of the ego between two cars."""
    folder = tmp_path_factory.mktemp("log")
    from uniscene_sim.scenario_files.read import load_scenario

    cut_in = load_scenario(find_scenario("cut_in"))
    at = cut_in.ego.spawn
    text = SCENARIO.format(map=cut_in.map.stem, spawn={"x": at.x, "y": at.y, "yaw_deg": at.yaw_deg})
    (folder / "between.yaml").write_text(text)
    simulator = prepare(str(folder / "between.yaml"), SensorRig("none", (), ()), tick_us=100_000)
    run(simulator, [RecordTo(folder / "run.mcap")], folder, preview=False)
    return folder / "run.mcap"


def layouts(source, control=None):
    out = [source.reset()]
    while not source.done:
        out += source.step(source.driver_control() if control is None else control, 100_000)
    return out


def bytes_of(layout) -> bytes:
    return layout_message(layout).SerializeToString(deterministic=True)


def test_before_the_branch_it_is_the_log_and_after_it_goes_on_smoothly(log):
    source = BranchedSource(Recording.open(log), BRANCH_S)
    free = layouts(source)
    logged = [layout_of(m.message) for m in Recording.open(log).messages("/uniscene/layout")]
    assert [bytes_of(a) for a in free[: AT + 1]] == [bytes_of(a) for a in logged[: AT + 1]]
    assert [a.stamp_us for a in free] == [a.stamp_us for a in logged]
    before, after = free[AT], free[AT + 1]
    step = before.ego_velocity * 0.01
    assert np.abs(after.ego_pose.position - before.ego_pose.position - step).max() < 0.002
    assert abs(after.ego_pose.yaw - before.ego_pose.yaw) < 0.002
    assert list(after.agents["id"]) == list(before.agents["id"])
    moved = after.agents["pos"] - before.agents["pos"] - 0.01 * before.agents["vel"]
    assert np.hypot(*moved[:, :2].T).max() < 0.02
    assert np.abs(after.agents["rpy"] - before.agents["rpy"]).max() < 0.02
    assert np.abs(after.agents["vel"] - before.agents["vel"]).max() < 0.1
    assert np.array_equal(after.agents["colour"], before.agents["colour"])
    assert source.outcome.criteria and source.outcome.status == "SUCCESS"


def test_agents_react_to_the_ego(log):
    """A replay of the log would drive the follower into an ego that brakes."""
    free = layouts(BranchedSource(Recording.open(log), BRANCH_S))
    braked = layouts(BranchedSource(Recording.open(log), BRANCH_S), Control(0.0, -8.0))
    cars = [a.agents[a.agents["cls"] == 0] for a in (free[-1], braked[-1])]
    follower = [rows[rows["id"] == rows["id"].min()][0] for rows in cars]
    assert np.hypot(*(follower[0]["pos"] - follower[1]["pos"])[:2]) > 5.0
    assert np.hypot(*follower[1]["vel"][:2]) < 3.0
    assert not any("contact" in event for layout in braked for event in layout.events)


def test_the_same_seed_gives_the_same_run(log):
    a, b = (layouts(BranchedSource(Recording.open(log), BRANCH_S), Control(0.0, -2.0)) for _ in range(2))
    assert [bytes_of(x) for x in a] == [bytes_of(x) for x in b]


def test_contacts_count_after_the_branch(log):
    source = BranchedSource(Recording.open(log), BRANCH_S, duration_s=12.0)
    free = layouts(source, Control(0.0, 3.5))
    assert any(event.startswith("contact:") for layout in free[AT + 1 :] for event in layout.events)
    assert source.outcome.status == "FAILURE"


def test_the_free_part_is_measured_for_who_asks(log):
    file = log.parent / "asks.yaml"
    criteria = "[{kind: collision, with: vehicle}, {kind: min_headway, value: 0.2}]"
    file.write_text(f"source: {log.name}\nbranch_at: {BRANCH_S}\ncriteria: {criteria}\n")
    source = BranchedSource.open(str(file))
    source.measures = ("speed_limit",)
    assert source.measured == {}
    layouts(source)
    assert [row.name for row in source.outcome.criteria] == ["collision_vehicle", "min_headway"]
    assert {"speed_limit", "over_limit_m", "min_headway"} <= set(source.measured) and "comfort" not in source.measured
    file.write_text(file.read_text().replace("vehicle", "cow"))
    with pytest.raises(InputError, match=r"criteria\[0\].with: "):
        BranchedSource.open(str(file))


def test_a_scenario_file_branches_off(log):
    file = log.parent / "free.yaml"
    file.write_text("source: run.mcap\nbranch_at: 2.0\nduration_s: 5\n")
    source = open_source(str(file))
    assert source.duration_s == 5.0
    assert bytes_of(layouts(source)[300]) == bytes_of(layouts(BranchedSource(Recording.open(log), 2.0))[300])
    file.write_text("source: run.mcap\nbranch_at: 9\n")
    with pytest.raises(InputError, match=r"free.yaml.*branch_at.*expected 0 to 6\.00 s"):
        open_source(str(file))
    file.write_text("source: run.mcap\nbranch_at: soon\n")
    with pytest.raises(InputError, match="branch_at"):
        open_source(str(file))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("branch_at: 1\nsource: a.mcap", True),
        ('{"branch_at": 1, "source": "a.mcap"}', True),
        ('{\n  "source": "a.mcap"\n}', True),
        ("map: town.xodr\n# a, source: of it\ndata_source: x\n", False),
        ("\n" * 100_000, False),
    ],
)
def test_a_branch_is_known_by_its_source_in_any_style(tmp_path, text, expected):
    (tmp_path / "any.yaml").write_text(text)
    assert is_branch(tmp_path / "any.yaml") == expected


def test_a_branch_beyond_the_end_is_refused(log):
    with pytest.raises(InputError, match=r"branch_at: expected 0 to 6\.00 s, which the recording lasts, got 6"):
        BranchedSource(Recording.open(log), 6.0)
