"""A run that is edited is recorded with its edits and replays with equal digests."""

from mcap_protobuf.writer import Writer

from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.edit import AddAgent, ChangeStyle, MoveCrossing, Undo
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.recording.replay import replay, replayer
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run
from uniscene_sim.scenario import AgentSpec, Spawn
from uniscene_sim.storage.disk_cache import user_cache
from uniscene_sim.wire.messages import layout_of
from uniscene_sim.world.scenario_source import ScenarioSource

CONE = AddAgent(
    AgentSpec("cone", "traffic_cone", Spawn(relative_to="ego", ahead_m=12, lateral_m=2), behaviour="parked")
)


def test_an_edited_run_replays_with_equal_digests(tmp_path, capsys):
    tiles = user_cache("tiles")
    simulator = assemble(ScenarioSource.open("crossing_pedestrian"), load_rig("rl"), tile_cache=tiles)
    edits = {0: CONE, 1: MoveCrossing(90.0, 72.0, (0, -9)), 2: ChangeStyle("rain", 21.0), 3: Undo()}
    frames = []

    def drive(frame):
        simulator.edit(edits[len(frames)])
        frames.append(frame)

    [path] = run(simulator, [RecordTo()], tmp_path, driver=drive, ticks=4).written
    recording = Recording.open(path)
    layouts = [layout_of(m.message) for m in recording.messages("/uniscene/layout")]
    assert [len(layout.edits) for layout in layouts[::10]] == [0, 1, 2, 3, 2] and layouts[-1].edits[0] == CONE
    assert recording.map.ref == layouts[0].map_ref != layouts[-1].map_ref
    result = replay(recording, replayer(recording, tile_cache=tiles))
    assert result.differences == () and result.records >= 10
    assert len({frame.layout.map_ref for frame in frames}) == 2
    # Of an imported drive, which has layouts alone, there is nothing to compare.
    with open(tmp_path / "layouts.mcap", "wb") as file, Writer(file) as writer:
        for one in recording.messages(*(f"/uniscene/{name}" for name in ("run", "map", "rig", "layout"))):
            writer.write_message(one.topic, one.message, 1000 * one.stamp_us, 1000 * one.stamp_us)
    assert main(["replay", str(tmp_path / "layouts.mcap")]) == 2
    assert "holds no digests of sensors" in capsys.readouterr().err
