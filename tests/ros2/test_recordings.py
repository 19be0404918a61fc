"""Each run of a node in a file of its own, whole after a signal, and replayed with equal digests."""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock

from uniscene_ros2.recordings import NodeRecordings
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.recording.pictures import pictures
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.world.scenario_source import ScenarioSource


def test_every_run_of_a_node_is_recorded_and_replayed(start, domain, client, tmp_path, capsys):
    """In real time, with a reset; nobody listens to the sensors."""
    (tmp_path / "kept").mkdir()
    before = tmp_path / "kept" / "world0_episode000.mcap"
    before.write_bytes(b"of an earlier start")
    node = start(
        "node", domain, driver="builtin", mode="realtime", realtime_factor="0.5", record=tmp_path / "kept",
        record_images="h264",
    )  # fmt: skip
    clock = client.listen(Clock, "/clock", qos_profile_sensor_data)
    client.until(lambda: len(clock) > 40, what="the first ticks")
    assert client.trigger("reset").success
    clock.clear()
    client.until(lambda: len(clock) > 40, what="the ticks of the second run")
    node.child.send_signal(signal.SIGTERM)
    assert node.wait() == 0
    assert before.read_bytes() == b"of an earlier start"
    files = sorted((tmp_path / "kept").glob("*.mcap"))[1:]
    assert [file.name for file in files] == [f"world0_episode{k:03}.mcap" for k in (1, 2)]
    assert main(["replay", str(files[1])]) == 0
    assert "all equal" in capsys.readouterr().out
    for file in files:
        recording = Recording.open(file)
        [camera] = recording.rig.cameras
        assert len(list(pictures(recording, camera.name))) == len(list(recording.messages("/uniscene/frame"))) > 2
        stamps = [one.stamp_us for one in recording.messages("/uniscene/layout")]
        assert stamps == list(range(0, stamps[-1] + 1, 10_000))
        controls = [one.stamp_us for one in recording.messages("/uniscene/control")]
        assert controls == stamps[:-1]  # in real time one for each step
        assert recording.outcome is not None


def test_a_file_in_place_of_a_folder_is_told():
    with pytest.raises(InputError, match=r"run\.mcap: record: expected a folder"):
        NodeRecordings(Path("run.mcap"), RecordOptions(), print)


def test_a_recording_that_cannot_go_on_is_told_and_the_run_goes_on(tmp_path):
    told = []
    (tmp_path / "world0_episode000.mcap").symlink_to("nowhere")
    recordings = NodeRecordings(tmp_path, RecordOptions(), lambda *words: told.append(words))
    source = ScenarioSource.open("cut_in")
    run = SimpleNamespace(
        source=source, rig=load_rig("rl"), engines={}, tick_us=100_000, simulator=SimpleNamespace(trace="tiles")
    )
    recordings.begin(run)
    assert not recordings.needs(run)
    recordings.advanced(run)
    [(about, what)] = told
    assert about == "record" and "cannot be written" in what and what.endswith("the run goes on")
