"""A scenario of ours happens on a server; through the client, with sensors on, it is the world that we know."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.carla_bridge.serving import ROOT, CarlaServer

pytest.importorskip("carla")
from tests.carla_bridge.test_source import opened
from uniscene_carla import messages
from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.recording.capture import capture
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.wire.messages import layout_of
from uniscene_sim.wire.uniscene.v1.layout_pb2 import LayoutFrame as LayoutMessage
from uniscene_sim.world.scenario_source import ScenarioSource

pytestmark = pytest.mark.filterwarnings("ignore:.* was spawned at spawn point")
MOST_CELLS = 1e-4  # share that may differ, each on an edge


@contextmanager
def serving(scenario: str, truth: Path | str = "") -> Iterator[CarlaServer]:
    """A server on which a scenario happens; `truth` receives the scenario's own layouts."""
    xodr = Path(load_scenario(find_scenario(scenario)).map).with_suffix(".xodr")
    values = json.dumps({"scenario": scenario, "truth": str(truth)})
    world = "tests.carla_bridge.scenario_world:ScenarioWorld"
    with CarlaServer(sync=True, world=world, world_values=values, map=xodr, town=xodr.stem) as server:
        yield server


def layouts_in(path: Path) -> list[LayoutFrame]:
    found = []
    with path.open("rb") as file:
        while True:
            try:
                found.append(layout_of(LayoutMessage.FromString(messages.take(file)[1])))
            except EOFError:
                return found


def differing(ours: LayoutFrame, theirs: LayoutFrame, ours_map: Any, theirs_map: Any) -> np.ndarray:
    """Cells (C, X, Y) of the layouts around the same pose that differ."""
    at = theirs.ego_pose
    pose = (at.x, at.y, at.yaw)
    a, b = (
        rasterise(one, pose, (200, 200), 0.4, at.z, agents=layout.agents).data
        for one, layout in ((ours_map, ours), (theirs_map, theirs))
    )
    return a != b


def on_edges(cells: np.ndarray, layout: LayoutFrame, static_map: Any) -> bool:
    """Whether each differing cell has a neighbour that is otherwise."""
    at = layout.ego_pose
    data = rasterise(static_map, (at.x, at.y, at.yaw), (200, 200), 0.4, at.z, agents=layout.agents).data
    for channel, x, y in np.argwhere(cells):
        around = data[channel, max(x - 1, 0) : x + 2, max(y - 1, 0) : y + 2]
        if around.min() == around.max():
            return False
    return True


@pytest.mark.parametrize("scenario", ["roundabout_entry", "motorway_merge"])
def test_layouts_are_those_of_our_own_world_with_sensors_on(scenario, tmp_path):
    """That frames, classes, ids and times come through; the server moves its ego by our own model."""
    truth_file = tmp_path / "truth.bin"
    with serving(scenario, truth_file) as server, opened(server) as source:
        simulator = assemble(source, load_rig("rl"), window_grid=None)
        frames = [simulator.reset(), *(simulator.step() for _ in range(40))]
    truth = layouts_in(truth_file)
    own_map = ScenarioSource.open(scenario).map
    assert source.map.ref == own_map.ref
    places = np.array([one.ego_pose.position for one in truth])
    moved = 0.0
    begin = int(np.linalg.norm(places - frames[0].layout.ego_pose.position, axis=1).argmin())
    for k, frame in enumerate(frames):
        layout, near = frame.layout, truth[begin + 2 * k]  # two ticks of the server for each of ours
        assert np.linalg.norm(near.ego_pose.position - layout.ego_pose.position) < 1e-4
        assert np.abs(layout.ego_velocity - near.ego_velocity).max() < 1e-4
        assert layout.ego_yaw_rate == pytest.approx(near.ego_yaw_rate, abs=1e-5)
        assert layout.ego_accel == pytest.approx(near.ego_accel, abs=1e-4)
        assert np.array_equal(layout.signals, near.signals)
        cells = differing(layout, near, source.map, own_map)
        assert cells.mean() <= MOST_CELLS and on_edges(cells, near, own_map)
        moved = max(moved, float(np.linalg.norm(near.ego_pose.position - places[0])))
        assert all(record.rgb.any() for record in frame.cameras.values()) and len(frame.sweeps) == 1
    assert moved > 8.0, "the ego was driven"
    assert not any(name.startswith("contact") for frame in frames for name in frame.layout.events)


def test_wrong_layouts_would_be_seen():
    """The comparison can fail: eight cars that are a metre off change more cells than may differ."""
    source = ScenarioSource.open("cut_in")
    layout = source.reset()
    agents = layout.agents.copy()
    ahead = np.argsort(np.linalg.norm(agents["pos"][:, :2] - layout.ego_pose.position[:2], axis=1))
    cars = [k for k in ahead if agents["cls"][k] == 0][:8]
    agents["pos"][cars, 1] += 1.0
    moved = LayoutFrame(**{**vars(layout), "agents": agents})
    assert differing(moved, layout, source.map, source.map).mean() > MOST_CELLS


def test_run_writes_what_the_sensors_saw(tmp_path, capsys):
    with serving("lane_following") as server:
        address = f"carla://127.0.0.1:{server.port}?ego=hero&surroundings=ours"
        assert main(["run", address, "--rig", "rl", "--ticks", "5", "--out", str(tmp_path / "out"), "--record"]) == 0
        assert f"127.0.0.1:{server.port}: RUNNING" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["ticks"] == 6 and {row["name"] for row in report["outcome"]["criteria"]} == {"collision", "red_light"}
    assert main(["replay", str(tmp_path / "out" / "run.mcap")]) == 0
    assert "all equal" in capsys.readouterr().out


def test_a_tick_in_which_the_server_cannot_step_is_told(server_of_vehicles):
    with opened(server_of_vehicles) as source:
        rig = load_rig("rl")
        with pytest.raises(InputError, match="tick: expected a multiple of the 50,000 us in which the source 'carla'"):
            assemble(source, rig, tick_us=20_000)


@pytest.fixture
def server_of_vehicles() -> Iterator[CarlaServer]:
    with CarlaServer(vehicles=20) as server:
        yield server


def test_capture_stores_layouts_that_replay(server_of_vehicles, tmp_path, capsys):
    file = tmp_path / "layouts.mcap"
    address = f"carla://127.0.0.1:{server_of_vehicles.port}?surroundings=ours&control=none"
    assert main(["capture", address, "--out", str(file), "--seconds", "3", "--rig", "rl"]) == 0
    assert "301 layouts, 3.00 s at" in capsys.readouterr().out
    recording = Recording.open(file)
    stamps = [one.stamp_us for one in recording.messages("/uniscene/layout")]
    assert stamps == list(range(0, 3_000_001, 10_000)) and not list(recording.messages("/uniscene/control"))
    source = RecordedSource.open(str(file))
    first, last = source.reset(), source.step(source.driver_control(), 3_000_000)[-1]
    moving = first.agents[np.linalg.norm(first.agents["vel"], axis=1) > 1.0]
    assert len(moving) == 20
    for agent in moving:
        [later] = last.agents[last.agents["id"] == agent["id"]]
        assert np.linalg.norm(later["pos"] - agent["pos"]) == pytest.approx(24.0, abs=0.2)
    assert main(["run", str(file), "--rig", "rl", "--ticks", "3", "--out", str(tmp_path / "out"), "--no-preview"]) == 0
    assert main(["replay", str(file), "--rig", "rl", "--to", "0.2", "--out", str(tmp_path / "again")]) == 0
    data = tmp_path / "data"
    assert main(["train", "data", "--from", "recording", str(file), "--data", str(data), "--every", "2"]) == 0
    windows = read_town(data / "train" / "recording_layouts.npz")
    assert len(windows.labels) == 4 and windows.maker.startswith("recording of UrbanGrid of 127.0.0.1")
    assert windows.pose[0][:2] == pytest.approx([first.ego_pose.x, first.ego_pose.y])
    near = np.linalg.norm(moving["pos"][:, :2] - first.ego_pose.position[:2], axis=1) < 30.0
    cars = windows.agents_label[windows.agents_window == 0] == OccClass.CAR
    assert cars.sum() > 100 * near.sum() > 0  # voxels of 0.4 m


def test_a_capture_ends_at_its_limit_and_its_time_is_not_cut(tmp_path):
    file = tmp_path / "layouts.mcap"
    with pytest.raises(InputError, match="GiB"):
        capture(ScenarioSource.open("cut_in"), file, load_rig("rl"), most_gib=1e-4)
    done = capture(ScenarioSource.open("cut_in"), file, load_rig("rl"), seconds=4.1)
    assert (done.layouts, done.world_s) == (411, pytest.approx(4.1))


def test_a_capture_that_is_cut_short_keeps_what_it_has(server_of_vehicles, tmp_path):
    file = tmp_path / "layouts.mcap"
    with opened(server_of_vehicles, control="none", timeout_s=1) as source:
        step = source.step

        def dies(control: Any, dt_us: int) -> Any:
            if source._stamp_us == 1_000_000:
                server_of_vehicles.kill()
            return step(control, dt_us)

        source.step = dies
        with pytest.raises(InputError, match=r"no answer from .* s into the run"):
            capture(source, file, load_rig("rl"), seconds=5.0)
    kept = [one.stamp_us for one in Recording.open(file).messages("/uniscene/layout")]
    assert 1_000_000 <= kept[-1] <= 1_200_000 and kept == list(range(0, kept[-1] + 1, 10_000))


def test_an_environment_drives_on_a_server(server_of_vehicles):
    gymnasium = pytest.importorskip("gymnasium")
    import uniscene_sim  # noqa: F401 - registers the ids
    from uniscene_sim.env.vector import UniSceneVectorEnv

    address = f"carla://127.0.0.1:{server_of_vehicles.port}?surroundings=ours"
    env = gymnasium.make("UniScene-v0", source=address, observations=("ego", "range"), rig="rl")
    try:
        for _ in range(2):  # the second episode begins on the same server
            observation, info = env.reset(seed=3)
            assert info["route_completion"] < 0.05
            for _ in range(10):
                observation, _, terminated, truncated, info = env.step(env.action_space.sample() * 0.0 + 0.5)
            assert not terminated and not truncated and info["driven_m"] > 0.3
            assert env.observation_space.contains(observation)
        assert server_of_vehicles.state()["settings"][0] is True
        with pytest.raises(ValueError, match=r"num_envs: .* is one world that goes on"):
            UniSceneVectorEnv(num_envs=2, source=address, rig="rl")
    finally:
        env.close()
    assert server_of_vehicles.state()["settings"][0] is False


def test_a_ros_node_drives_on_a_server(server_of_vehicles, tmp_path):
    """In lockstep with the stack of the examples, and with the server's own map on its topic."""
    pytest.importorskip("rclpy")
    address = f"carla://127.0.0.1:{server_of_vehicles.port}?surroundings=ours&duration_s=4"
    node = subprocess.Popen(
        [sys.executable, "-m", "uniscene_ros2.cli", "--source", address, "--rig", "rl", "--driver", "builtin",
         "--exit-at-end"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        said, _ = node.communicate(timeout=180)
    finally:
        node.kill()
    assert node.returncode == 0, said
    state = server_of_vehicles.state()
    assert state["calls"]["tick_cue"] > 80 and state["calls"]["apply_control_to_vehicle"] > 10
    assert state["settings"][0] is False
