"""Sensors on a server: the same frames as here, whatever happens to the connection."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread

import gymnasium
import numpy as np
import pytest

from uniscene_sim import plugins
from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.control import Control
from uniscene_sim.edit import AddAgent, CloseLane, MoveCrossing, Undo
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.remote.address import Remote
from uniscene_sim.remote.library import METHOD, SERVICE
from uniscene_sim.remote.limits import ServerLimits
from uniscene_sim.remote.server import Server
from uniscene_sim.remote.session import Session
from uniscene_sim.remote.simulator import RemoteSimulator, assemble_remote
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario import AgentSpec, Spawn
from uniscene_sim.simulator import sense
from uniscene_sim.storage.disk_cache import user_cache
from uniscene_sim.wire.uniscene.v1 import service_pb2 as pb
from uniscene_sim.wire.uniscene.v1.edit_pb2 import Edit as EditMessage
from uniscene_sim.world.scenario_source import ScenarioSource

grpc = pytest.importorskip("grpc")
ROOT = Path(__file__).parents[2]
PLAIN = {"window_grid": None, "bev_schema": None}
#: A camera every 100 ms, another every 50 ms from 30 ms on, a LiDAR every 100 ms from 20 ms on.
RATES = SensorRig(
    "rates",
    (
        CameraSpec("slow", 48, 32, 30.0, 30.0, 24.0, 16.0, Pose(1.5, 0.0, 1.6), max_range_m=25.0),
        CameraSpec(
            "fast", 32, 24, 20.0, 20.0, 16.0, 12.0, Pose(1.5, 0.5, 1.6), 50_000, phase_us=30_000, max_range_m=25.0
        ),
    ),
    (LidarSpec("top", Pose(1.0, 0.0, 1.8), (-0.2, -0.1, 0.0), 90, phase_us=20_000, max_range_m=25.0),),
)
RL = load_rig("rl")
#: As `rl` is, but it sees 25 m.
RIG = replace(
    RL,
    cameras=tuple(replace(one, max_range_m=25.0) for one in RL.cameras),
    lidars=tuple(replace(one, max_range_m=25.0) for one in RL.lidars),
)
_AHEAD = Spawn(relative_to="ego", ahead_m=120)
WAIT = {"connect_s": 1.0, "reconnect_s": 10.0}


@pytest.fixture(scope="module")
def server():
    with Server(limits=ServerLimits(sessions=4), disk=user_cache("tiles")) as running:
        yield running


def at(server: Server, **options) -> Remote:
    return Remote(f"127.0.0.1:{server.port}", **{**WAIT, **options})


def both(server, rig, what="cut_in", **options):
    """The same simulator here and there."""
    return (
        assemble(ScenarioSource.open(what), rig, tile_cache=user_cache("tiles"), **options),
        assemble_remote(ScenarioSource.open(what), rig, at(server), **options),
    )


def assert_same(mine, theirs, rig=None):
    assert mine.digests == theirs.digests
    assert mine.records.keys() == theirs.records.keys() and [*mine.records] == [*theirs.records]
    assert mine.layout.stamp_us == theirs.layout.stamp_us and mine.layout.events == theirs.layout.events


def run_both(here, there, ticks, control=None):
    frames = [(here.reset(), there.reset())]
    frames += [(here.step(control), there.step(control)) for _ in range(ticks)]
    for mine, theirs in frames:
        assert_same(mine, theirs)
    return frames


def test_frames_are_the_same_as_here(server):
    here, there = both(server, RIG, annotations=["flow", "boxes"])
    there.prepare(there.source.route_path[:5])
    for mine, theirs in run_both(here, there, 3):
        assert mine.digests.keys() == {"front", "lidar"}
        for name in ("labels", "instances"):
            assert np.array_equal(getattr(mine.occupancy, name), getattr(theirs.occupancy, name))
        assert mine.occupancy.stamp_us == theirs.occupancy.stamp_us and mine.occupancy.pose == theirs.occupancy.pose
        assert np.array_equal(mine.bev.data, theirs.bev.data)
        ours, others = mine.annotations, theirs.annotations
        assert ours.boxes.tobytes() == others.boxes.tobytes()
        flows = (a.cameras["front"].optical_flow.tobytes() for a in (ours, others))
        assert next(flows) == next(flows)
    assert there.tiles.made + there.tiles.from_cache > 0
    assert there.stages_ms.keys() >= {"world", "camera", "lidar", "transfer"}
    there.close()


def test_buffers_are_refused_where_the_tiles_are_not(server):
    """Before the first frame, and of one frame alone."""
    source = ScenarioSource.open("cut_in")
    with pytest.raises(InputError, match="buffers are traced where the tiles are"):
        assemble_remote(source, RIG, at(server), annotations=["buffers"])
    there = assemble_remote(source, RIG, at(server))
    with pytest.raises(InputError, match="buffers are traced where the tiles are"):
        there.reset(replace(there.request, annotations=frozenset(["buffers"])))
    there.close()


def test_sensors_with_rates_of_their_own_and_partial_requests(server):
    here, there = both(server, RATES, **PLAIN)
    frames = run_both(here, there, 12)
    assert {name for mine, _ in frames for name in mine.records} == {"slow", "fast", "top"}
    one = FrameRequest(frozenset({"top"}), GridSpec(0.8, (20, 20, 8), (-8.0, -8.0, -1.0)), None)
    for _ in range(10):
        mine, theirs = here.step(request=one), there.step(request=one)
        assert_same(mine, theirs)
        assert np.array_equal(mine.occupancy.labels, theirs.occupancy.labels)
    # Advanced twice before the sensors are asked, and asked twice: as a node in real time does.
    for world in (here, there):
        world.advance()
        world.advance()
    for request in (one, None):
        [mine], [theirs] = sense([here], request), sense([there], request)
        assert_same(mine, theirs)
    there.close()


def test_driving_into_a_house_is_the_same_contact(server):
    here, there = both(server, SensorRig("none"), **PLAIN)
    asked = []
    there.store.engine.tile, tile = lambda *i: asked.append(i) or tile(*i), there.store.engine.tile
    frames = run_both(here, there, 55, Control(-0.15, 3.0))
    assert any(e.startswith("contact:") for mine, _ in frames for e in mine.layout.events)
    assert len(asked) == len(set(asked)) <= 4
    there.close()


def test_edits_of_the_world_and_of_its_map_are_followed(server):
    here, there = both(server, RIG, "crossing_pedestrian", **PLAIN)
    cone = AgentSpec("a cone", "traffic_cone", Spawn(relative_to="ego", ahead_m=9, lateral_m=3), behaviour="parked")
    edits = {0: AddAgent(cone), 1: MoveCrossing(90.0, 72.0, (0.0, -38.0)), 2: CloseLane(_AHEAD), 4: Undo(), 5: Undo()}
    frames = [(here.reset(), there.reset())]
    for k in range(7):
        for world in (here, there):
            if k in edits:
                world.edit(edits[k])
        frames.append((here.step(), there.step()))
        assert here.map.ref == there.map.ref and (here.store is here._unedited[0]) == (
            there.store is there._unedited[0]
        )
        points = np.add(here.source.route_path[:5], (0.0, 3.0, 0.5))
        assert np.array_equal(here.store.solid(points), there.store.solid(points))
        if k == 2:
            there.session.close()  # a new connection knows nothing of the edits
    for mine, theirs in frames:
        assert_same(mine, theirs)
    there.close()


def test_a_painted_map_travels(server, tmp_path):
    spec = spec_from_file_location("paint_a_map", ROOT / "examples" / "paint_a_map.py")
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    example.paint(tmp_path / "bend.npz")
    (tmp_path / "bend.yaml").write_text(json.dumps(example.scenario("bend.npz")))
    here, there = both(server, RATES, str(tmp_path / "bend.yaml"), **PLAIN)
    run_both(here, there, 4)
    there.close()


def test_a_server_that_starts_again_is_sent_all_again():
    with Server(disk=user_cache("tiles")) as first:
        here, there = both(first, RATES, **PLAIN)
        run_both(here, there, 2)
        port = first.port
    with Server(port=port, disk=user_cache("tiles")):
        for _ in range(2):
            assert_same(here.step(), there.step())
    there.session.remote = replace(there.session.remote, reconnect_s=0.2)
    with pytest.raises(InputError, match=r"127.0.0.1:\d+ is gone, and did not come back within 0.2 s"):
        there.step()


@pytest.fixture
def late_camera(monkeypatch):
    spec = spec_from_file_location("late_camera", ROOT / "tests" / "third_party" / "late_camera.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    installed = plugins.load_plugin
    late = {"late": module.LateCameras}
    monkeypatch.setattr(plugins, "load_plugin", lambda slot, name, *field: late.get(name) or installed(slot, name))


def test_engines_that_remember_come_into_their_state_again(late_camera):
    """After a restart, and in a world that goes on from a saved state."""
    with Server(disk=user_cache("tiles")) as first:
        here, there = both(first, RATES, camera="late", tick_us=50_000, **PLAIN)
        run_both(here, there, 7)
        port = first.port
    with Server(port=port, disk=user_cache("tiles")) as second:
        for _ in range(3):
            assert_same(here.step(), there.step())
        other = RemoteSimulator(ScenarioSource.open("cut_in"), there.session, request=there.request)
        other.begin()
        other.source.set_state(there.source.get_state())
        other.resume(tuple(there.recent_layouts), dict(there.memory))
        assert_same(sense([there])[0], sense([other])[0])
        assert_same(here.step(), other.step())
        mine = list(here.flush())
        assert len(mine) >= 2
        second.stop()
        with Server(port=port, disk=user_cache("tiles")):
            for ours, theirs in zip(mine, other.flush(), strict=True):
                assert_same(ours, theirs)


def test_environments_are_the_same(server):
    settings = {"scenario": "cut_in", "observations": ("rgb", "range", "ego"), "rig": RIG}
    here, there = (
        gymnasium.make_vec(
            "uniscene_sim:UniScene-v0",
            num_envs=2,
            vectorization_mode="vector_entry_point",
            remote=remote,
            **settings,
        )
        for remote in (None, f"127.0.0.1:{server.port}")
    )
    mine, theirs = here.reset(seed=3)[0], there.reset(seed=3)[0]
    for k in range(4):
        for key, values in mine.items():
            assert np.array_equal(values, theirs[key]), (k, key)
        if k == 1:
            saved = there.unwrapped.get_state()
        mine, theirs = (env.step(np.full((2, 2), 0.1, np.float32))[0] for env in (here, there))
    there.unwrapped.set_state(saved)
    for _ in range(3):
        theirs = there.step(np.full((2, 2), 0.1, np.float32))[0]
    assert all(np.array_equal(values, theirs[key]) for key, values in mine.items())
    here.close()
    there.close()


# --- what is refused --------------------------------------------------------------------------------------------------


def call(server, *requests: bytes):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        replies = channel.stream_stream(f"/{SERVICE}/{METHOD}")(iter(requests))
        with pytest.raises(grpc.RpcError) as told:
            list(replies)
    return told.value.code(), told.value.details()


def opening(**changes) -> bytes:
    from uniscene_sim.wire.messages import rig_message

    return pb.Request(open=pb.Open(rig=rig_message(RATES), **{"trace": "tiles", **changes})).SerializeToString()


def test_nothing_that_is_sent_ends_the_server(server):
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address) as raw:
        raw.sendall(b"\xff\x00garbage" * 1000)
    invalid, full = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
    assert call(server, b"\xff\xff garbage")[0] is invalid
    assert call(server, pb.Request(tick=pb.Tick()).SerializeToString())[0] is invalid  # before it is opened
    assert call(server, bytes(32 << 20))[0] is full
    assert call(server, opening(), opening())[0] is invalid
    code, told = call(server, opening(engines={"occupancy": "occflow-tiles:model=/etc"}))
    assert code is invalid and "no paths" in told
    code, told = call(server, opening(engines={"camera": "nothing"}))
    assert code is invalid and "no camera engine" in told and "\n" not in told
    huge = pb.Open(trace="tiles")
    huge.rig.CopyFrom(pb.Request.FromString(opening()).open.rig)
    huge.rig.cameras[0].width = 10**9
    assert call(server, pb.Request(open=huge).SerializeToString())[0] is invalid
    world = pb.Request(world=pb.OpenWorld(world=1, map_hash=b"x" * 32)).SerializeToString()
    piece = pb.MapPiece(last=True)
    piece.part.npz = b"PK no map"
    code, told = call(server, opening(), world, pb.Request(map=piece).SerializeToString())
    assert code is invalid and "hash" in told
    piece.last, piece.part.npz = False, bytes(8 << 20)
    code, told = call(server, opening(), world, *[pb.Request(map=piece).SerializeToString()] * 9)
    assert code is invalid and "at most 64 MiB" in told
    huge.rig.cameras[0].width = huge.rig.cameras[0].height = 16_000
    code, told = call(server, pb.Request(open=huge).SerializeToString())
    assert code is invalid and "expected at most 4 of a server" in told
    tile = pb.TileIndex(world=1, edits=[EditMessage()] * 501)
    code, told = call(server, opening(), pb.Request(solid=tile).SerializeToString())
    assert code is invalid and "TileIndex.edits: expected at most 500" in told
    here, there = both(server, RATES, **PLAIN)
    run_both(here, there, 1)
    for grid, told in (
        (GridSpec(0.1, (512, 512, 100)), "expected at most 16,000,000 voxels of a server"),
        (GridSpec(0.4, (9, 9, 9), (9000.0, 0.0, 0.0)), "expected a window within 500 m of the ego"),
    ):
        with pytest.raises(InputError, match=told):
            there.step(request=FrameRequest(None, grid, None))
    with pytest.raises(InputError, match="path through at most 2,000 tiles"):
        there.prepare(np.stack([np.arange(3000) * 100.0] * 3, axis=1))
    there.close()


def test_a_request_of_a_gibibyte_is_refused_at_its_head(server):
    """By the length that it announces."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\x00" + bytes(4)

    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    path = f"/{SERVICE}/{METHOD}".encode()
    head = b"\x83\x86" + b"\x04" + text(path) + b"\x01" + text(b"localhost") + b"\x0f\x10" + text(b"application/grpc")
    head += b"\x00" + text(b"te") + text(b"trailers")
    headers = struct.pack(">I", len(head))[1:] + b"\x01\x04" + struct.pack(">I", 1) + head
    body = b"\x00" + struct.pack(">I", 1 << 30) + bytes(1000)
    data = struct.pack(">I", len(body))[1:] + b"\x00\x00" + struct.pack(">I", 1) + body
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as raw:
        raw.sendall(preface + headers + data)
        got = b""
        while b"larger than max" not in got and (more := raw.recv(4096)):
            got += more
    assert b"larger than max" in got


def test_layouts_of_strangers_are_checked(server):
    source = ScenarioSource.open("cut_in")
    session = Session(at(server), RATES, {})
    world = RemoteSimulator(source, session, request=FrameRequest(None, None, None))
    first = world.begin() or world.recent_layouts[-1]
    for change, told in (
        ({"agents": _changed(first.agents, "cls", 99)}, "agents.cls"),
        ({"agents": _changed(first.agents, "size", 1e4)}, "agents.size"),
        ({"ego_pose": Pose(1e8, 0.0, 0.0)}, "ego_pose"),
        ({"stamp_us": -5}, "stamp_us"),
    ):
        world.resume([replace(first, **change)], {})
        with pytest.raises(InputError, match=told):
            sense([world])
    session.close()


def _changed(agents, name, value):
    agents = agents.copy()
    agents[name] = value
    return agents


def test_a_port_of_something_else_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer():
            with other.accept()[0] as caller:
                caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)

        answering = Thread(target=answer)
        answering.start()
        remote = Remote(f"127.0.0.1:{other.getsockname()[1]}", connect_s=60.0)
        with pytest.raises(InputError, match=r"cannot be reached \(no gRPC there\)"):
            Session(remote, RATES, {})
        answering.join()


def test_one_session_too_many_is_told(server):
    sessions = [Session(at(server), RATES, {}) for _ in range(4)]
    with pytest.raises(InputError, match="sessions: expected at most 4 at once"):
        Session(at(server), RATES, {})
    for session in sessions:
        session.close()


@pytest.mark.parametrize("text", ["nonsense", "host:", ":1", "host:0", "host:99999", "a b:1", "::1:50151", 7])
def test_addresses(text):
    with pytest.raises(InputError, match="expected HOST:PORT"):
        Remote.of(text)
    assert Remote.of("[::1]:50151").address == "[::1]:50151"


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    if not (openssl := shutil.which("openssl")):
        pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("tls")
    line = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    done = subprocess.run([*line.split(), "-addext", "subjectAltName=IP:127.0.0.1", *files], capture_output=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_command_serves_with_tls_until_it_is_told_to_stop(tls, tmp_path, capsys):
    words = ["serve", "--port", "0", "--tls-cert", str(tls / "cert.pem"), "--tls-key", str(tls / "key.pem")]
    line = [sys.executable, "-m", "uniscene_sim.cli", *words]
    (tmp_path / "rig.yaml").write_text(
        "cameras: [{name: front, width: 32, height: 24, fov_deg: 90, position: [1.7, 0, 1.5], max_range_m: 20}]"
    )
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split()[-1]
            run = ["run", "cut_in", "--rig", str(tmp_path / "rig.yaml"), "--ticks", "1", "--no-preview"]
            run += ["--remote", address]
            assert main([*run, "--out", str(tmp_path / "a"), "--tls-ca", str(tls / "cert.pem"), "--record"]) == 0
            assert main([*run, "--out", str(tmp_path / "b")]) == 2  # without TLS
            assert "--tls-ca if that has a certificate" in capsys.readouterr().err
            assert main([*run, "--out", str(tmp_path / "b"), "--tls-ca", str(tls / "key.pem")]) == 2
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert main(["replay", str(tmp_path / "a" / "run.mcap"), "--out", str(tmp_path)]) == 0
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("serve --tls-cert cert.pem", "--tls-cert and --tls-key together"),
        ("serve --tls-cert no.pem --tls-key no.pem --port 0", "no.pem"),
        ("serve --port 99999", "expected 0 to 65535"),
        ("serve --map-mib 5000", "--map-mib: expected"),
        ("run cut_in --tls-ca x.pem", "--remote"),
        ("run cut_in --remote 127.0.0.1:1 --rig rl", "cannot be reached (Connection refused)"),
    ],
)
def test_bad_words_are_one_line(words, told, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(words.split())
    except SystemExit as end:
        code = end.code
    error = capsys.readouterr().err
    assert code == 2 and told in error and len(error.splitlines()) == 1, error
    assert os.listdir(tmp_path) == []
