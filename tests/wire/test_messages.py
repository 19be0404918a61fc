"""Messages: the same values to the last bit, of any age, and no damage that is not told."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.edit import AddAgent, ChangeStyle, CloseLane, MoveAgent, MoveCrossing, RemoveAgent, Undo
from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame, digest
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame, Style
from uniscene_sim.outcome import CriterionResult, Outcome, Status
from uniscene_sim.rig import BodyPart, GnssSpec, ImuSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.scenario import AgentSpec, Spawn
from uniscene_sim.wire import generate, messages
from uniscene_sim.wire.by_name import parse
from uniscene_sim.wire.edits import edit_of
from uniscene_sim.wire.uniscene.v1.control_pb2 import Control as ControlMessage
from uniscene_sim.wire.uniscene.v1.edit_pb2 import Edit as EditMessage
from uniscene_sim.wire.uniscene.v1.layout_pb2 import LayoutFrame as LayoutMessage
from uniscene_sim.wire.uniscene.v1.rig_pb2 import Rig as RigMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import Outcome as OutcomeMessage
from uniscene_sim.wire.uniscene.v1.run_pb2 import SensorFrame as FrameMessage

OLD = Path(__file__).parent / "old"
FINITE = st.floats(-1e4, 1e4)
EDITS = (
    AddAgent(AgentSpec("a", "car", Spawn(relative_to="ego", ahead_m=-0.0, lanes_left=-1), 3.5, goal=(1.0, 2.0))),
    AddAgent(
        AgentSpec("b", "barrier", Spawn(1.5, 2.5, yaw_deg=0.0, free=True), behaviour="parked", size=(1.0, 2.0, 3.0))
    ),
    RemoveAgent("#17"),
    MoveAgent("a", Spawn(1.0, -2.0)),
    CloseLane(Spawn(3.0, 4.0, yaw_deg=10.0), 50.0, "works"),
    MoveCrossing(1.0, 2.0, (3.0, -4.0)),
    ChangeStyle("fog"),
    ChangeStyle(time_of_day_h=0.0),
    Undo(),
)


def layout(rng: np.random.Generator, agents: int = 3, points: int = 5) -> LayoutFrame:
    some = np.zeros(agents, AGENT_DTYPE)
    for name in AGENT_DTYPE.names:
        kind, shape = AGENT_DTYPE[name].base, (agents, *AGENT_DTYPE[name].shape)
        some[name] = rng.normal(0, 1e3, shape) if kind.kind == "f" else rng.integers(0, np.iinfo(kind).max, shape)
    return LayoutFrame(
        stamp_us=int(rng.integers(2**40)),
        ego_pose=Pose(*rng.normal(0, 100, 6).tolist()),
        ego_velocity=rng.normal(0, 10, 3),
        ego_yaw_rate=float(rng.normal()),
        ego_accel=-0.0,
        ego_steer=float(rng.normal()),
        ego_vehicle=EgoVehicle(name="bus", length_m=12.0, max_steer_rad=0.25),
        agents=some,
        signals=rng.integers(0, 4, 6).astype(np.uint8),
        route=rng.normal(0, 100, (points, 3)),
        map_ref="ab" * 32,
        seed=2**63 + 1,
        style=Style("rain", 0.0, "späte Nacht"),
        events=("contact:17", "off_road"),
        edits=EDITS,
    )


def same(a: object, b: object) -> bool:
    """Whether two nouns hold the same bits, types and shapes."""
    for field in fields(a):  # type: ignore[arg-type]
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            if x.dtype != y.dtype or x.shape != y.shape or x.tobytes() != y.tobytes():
                return False
        elif repr(x) != repr(y):  # tells -0.0 from 0.0
            return False
    return True


@pytest.mark.parametrize("agents, points", [(0, 0), (1, 2), (40, 80)])
def test_a_layout_comes_back_to_the_last_bit(agents, points):
    before = layout(np.random.default_rng(agents), agents, points)
    data = messages.layout_message(before).SerializeToString()
    after = messages.layout_of(parse(LayoutMessage, data, "layout"))
    assert same(before, after)


@pytest.mark.parametrize(
    "message, says",
    [
        (EditMessage(), "Edit.kind: expected one of add,"),
        (EditMessage(add={}), "Edit.add: lacks a field"),
        (EditMessage(move_crossing={"x": 1, "by": [1]}), "Edit.move_crossing.by: expected 2 numbers"),
        (EditMessage(style={"weather": "hail"}), "Edit.style.weather: expected one of clear"),
        (EditMessage(close_lane={"at": {"x": float("nan")}}), "Edit.close_lane.x: expected a number"),
    ],
)
def test_an_edit_that_is_none_is_refused(message, says):
    with pytest.raises(InputError) as error:
        edit_of(message)
    assert str(error.value).startswith(says)


@given(st.tuples(*[FINITE] * 6), FINITE, st.integers(0, 2**64 - 1))
def test_any_finite_numbers_come_back(pose, steer, seed):
    before = replace(layout(np.random.default_rng(0)), ego_pose=Pose(*pose), ego_steer=steer, seed=seed)
    assert same(before, messages.layout_of(messages.layout_message(before)))


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_comes_back(name):
    rig = PRESETS[name]()
    assert messages.rig_of(messages.rig_message(rig)) == rig


def test_a_rig_with_all_fields_set_comes_back():
    lidar = LidarSpec(
        "top", Pose(1, 2, 3, 0.1, 0.2, 0.3), (-0.1, 0.1), 100, 50_000, 10_000, 0.0, 70.0, False, (0.1, -0.1),
        (0.0, 9.0), 0.02, 40.0, 0.003, "dual", False, True, (BodyPart(0, 0, 1, 1, 1, 1),), 0.1, 0.2, 0.01, 2.0, True,
        True, 0.3, 0.5, True,
    )  # fmt: skip
    assert all(getattr(lidar, f.name) != f.default for f in fields(lidar))
    imu = ImuSpec(Pose(1, 0, 0.5), 1e-3, (0.1, 0.2, 0.3), 1e-4, 1e-2, (0.3, 0.2, 0.1), 1e-5, 0.01)
    rig = SensorRig("all", (), (lidar,), imu=imu, gnss=GnssSpec(Pose(0, 0, 2), 0.5, 1.0, (1.0, 2.0, 3.0)))
    assert messages.rig_of(messages.rig_message(rig)) == rig


def test_every_field_of_a_noun_is_in_its_message():
    whole = LayoutMessage()
    for kind, message in (
        (LayoutFrame, whole),
        (EgoVehicle, whole.ego_vehicle),
        (Style, whole.style),
        (CriterionResult, OutcomeMessage().criteria.add()),
    ):
        assert {f.name for f in fields(kind)} <= set(message.DESCRIPTOR.fields_by_name), kind.__name__
    assert {f.name for f in fields(SensorRig) if f.name != "_"} <= set(RigMessage.DESCRIPTOR.fields_by_name)
    for kind, message in ((ImuSpec, RigMessage().imu), (GnssSpec, RigMessage().gnss)):
        assert {f.name for f in fields(kind)} <= set(message.DESCRIPTOR.fields_by_name), kind.__name__
    for name in ("cameras", "lidars"):
        spec = getattr(PRESETS["nuscenes"](), name)[0]
        sent = getattr(RigMessage(), name).add().DESCRIPTOR.fields_by_name
        assert {f.name for f in fields(spec)} <= set(sent), name


@pytest.mark.parametrize("control", [Control(-0.0, 1.5), Trajectory(np.array([[0.0, 1, 2], [1, 2, 3.5]]))])
def test_controls_come_back(control):
    message = messages.control_message(control, 20_000)
    assert message.stamp_us == 20_000
    assert same(control, messages.control_of(message))


def test_an_outcome_comes_back():
    met = CriterionResult("collision", "<= 0", 0.0, True, bound=0.0)
    rows = (met, CriterionResult("ttc", ">= 1", None, False, "ego", True))
    outcome = Outcome(Status.ACCEPTABLE, rows, {"a": [1, 2.5, None]})
    assert messages.outcome_of(messages.outcome_message(outcome)) == outcome


def test_records_come_back_with_equal_digests():
    rng = np.random.default_rng(1)
    camera = CameraFrame(
        rng.integers(0, 255, (4, 6, 3)).astype(np.uint8), np.full((4, 6), np.inf, np.float32),
        np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.uint16), 7,
    )  # fmt: skip
    n = 5
    sweep = LidarSweep(
        rng.normal(size=(n, 3)).astype(np.float32), np.ones(n, np.float32), np.arange(n, dtype=np.uint16),
        np.zeros(n, np.float32), np.zeros(n, np.uint8), np.zeros(n, np.uint16), 9, cause=np.zeros(n, np.uint8),
    )  # fmt: skip
    frame = SensorFrame(layout(rng), {"front": camera}, {"top": sweep}, digests={"front": "x"})
    sent = messages.frame_message(frame, {"camera": 1.5})
    back = messages.records_of(parse(FrameMessage, sent.SerializeToString(), "frame"))
    assert {name: digest(record) for name, record in back.items()} == {"front": digest(camera), "top": digest(sweep)}
    assert not messages.frame_message(frame, {}, records=False).records


# --- ages ---------------------------------------------------------------------------------------------------------


def test_a_stored_message_of_the_first_version_is_read():
    """`old/layout.bin` was written by the first version of the format. Never write it again."""
    after = messages.layout_of(parse(LayoutMessage, (OLD / "layout.bin").read_bytes(), "layout"))
    assert same(after, replace(layout(np.random.default_rng(18)), edits=()))
    rig = messages.rig_of(parse(RigMessage, (OLD / "rig.bin").read_bytes(), "rig"))
    assert [c.name for c in rig.cameras] == ["front"] and rig.lidars[0].elevation_rad == (-0.2, 0.0, 0.1)


def test_what_an_older_writer_lacks_has_our_default():
    message = messages.layout_message(layout(np.random.default_rng(0)))
    message.ego_vehicle.ClearField("wheelbase_m")
    message.ClearField("style")
    after = messages.layout_of(message)
    assert after.ego_vehicle.wheelbase_m == EgoVehicle().wheelbase_m and after.style == Style()
    assert after.ego_vehicle.length_m == 12.0 and after.ego_vehicle.max_steer_rad == 0.25


def test_what_a_newer_writer_adds_is_passed_over():
    before = layout(np.random.default_rng(0))
    unknown = b"\xfa\xff\x01\x03abc"  # field 4095, three bytes
    data = messages.layout_message(before).SerializeToString() + unknown
    assert same(before, messages.layout_of(parse(LayoutMessage, data, "layout")))


def test_generated_code_is_that_of_the_messages(tmp_path):
    pytest.importorskip("grpc_tools", reason="the compiler of messages (grpcio-tools) is not installed")
    generate.generate(tmp_path)
    for path in sorted(tmp_path.rglob("*_pb2.py*")):
        kept = generate.HERE / path.relative_to(tmp_path)
        assert kept.read_text() == path.read_text(), f"{kept.name} is old: make wire"


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil, field",
    [
        (lambda m: m.agents.id.append(1), "agents"),
        (lambda m: m.agents.cls.__setitem__(0, 300), "agents.cls"),
        (lambda m: m.agents.pos.__setitem__(0, float("nan")), "agents.pos"),
        (lambda m: m.route.append(1.0), "route"),
        (lambda m: m.route.__setitem__(0, float("inf")), "route"),
        (lambda m: m.ego_velocity.pop(), "ego_velocity"),
        (lambda m: setattr(m.ego_pose, "x", float("nan")), "ego_pose"),
        (lambda m: setattr(m, "ego_accel", float("inf")), "ego_pose"),
    ],
)
def test_parts_that_do_not_fit_together_are_named(spoil, field):
    message = messages.layout_message(layout(np.random.default_rng(0)))
    spoil(message)
    with pytest.raises(InputError, match=f"LayoutFrame.{field}"):
        messages.layout_of(message)


def test_damaged_bytes_are_told_or_read():
    rng = np.random.default_rng(4)
    rig = messages.rig_message(PRESETS["rl"]()).SerializeToString()
    whole = messages.layout_message(layout(rng, 4, 10)).SerializeToString()
    frame = SensorFrame(layout(rng), sweeps={"top": LidarSweep(*[np.zeros((2, 3), np.float32)] * 1, *[
        np.zeros(2, t) for t in (np.float32, np.uint16, np.float32, np.uint8, np.uint16)], 3)})  # fmt: skip
    cases = (
        (LayoutMessage, messages.layout_of, whole),
        (RigMessage, messages.rig_of, rig),
        (FrameMessage, messages.records_of, messages.frame_message(frame, {}).SerializeToString()),
        (ControlMessage, messages.control_of, messages.control_message(Control(0.1, 1), 3).SerializeToString()),
        (OutcomeMessage, messages.outcome_of, messages.outcome_message(Outcome(Status.RUNNING)).SerializeToString()),
    )
    told = 0
    for kind, build, data in cases:
        for _ in range(400):
            body = bytearray(data)
            for at in rng.integers(0, len(body), rng.integers(1, 4)):
                body[at] = rng.integers(256)
            del body[rng.integers(1, len(body) + 1) :]
            try:
                build(parse(kind, bytes(body), "message"))
            except InputError as error:
                told += 1
                assert str(error).isprintable() and len(str(error)) <= 280
    assert told > 500
