"""Real drives as recordings, from small data sets made on the spot."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uniscene_sim.datasets.logs.import_drive import import_drive
from uniscene_sim.datasets.logs.layouts import Alignment
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.load import load_map
from uniscene_sim.recording.branch import BranchedSource
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.source import RecordedSource
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.wire.messages import layout_of


def wxyz(yaw: float) -> list[float]:
    x, y, z, w = Rotation.from_euler("z", yaw).as_quat().tolist()
    return [w, x, y, z]


def nuscenes(folder: Path, gap: bool = False, category: str = "vehicle.car") -> Path:
    """Three seconds at 10 m/s along y = x of the world, a car 20 m ahead at 10 m/s, and a parked one."""
    folder = folder / "v1.0-mini"
    folder.mkdir(parents=True)
    along = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    when = [1_000_000 + 500_000 * k for k in range(7)]
    data = [1_000_000 + 100_000 * k for k in range(31)]
    centre = np.array([400.0, 1100.0, 0.0])
    tables = {
        "scene": [{"token": "s", "name": "scene-0001"}],
        "sample": [{"token": f"k{k}", "timestamp": t, "scene_token": "s"} for k, t in enumerate(when)],
        "sample_data": [
            {"token": f"d{t}", "timestamp": t, "sample_token": "k0", "ego_pose_token": f"p{t}", "width": 0, "height": 0,
             "calibrated_sensor_token": "c", "fileformat": "pcd", "filename": "none"} for t in data
        ],
        "ego_pose": [
            {"token": f"p{t}", "translation": (centre + along * 1e-5 * (t - when[0])).tolist(),
             "rotation": wxyz(np.pi / 4)} for t in data
        ],
        "category": [{"token": "car", "name": category}, {"token": "dog", "name": "animal"}],
        "instance": [{"token": "moves", "category_token": "car"}, {"token": "parked", "category_token": "car"},
                     {"token": "rex", "category_token": "dog"}],
        "sensor": [{"token": "l", "channel": "LIDAR_TOP", "modality": "lidar"}],
        "calibrated_sensor": [{"token": "c", "sensor_token": "l", "translation": [0.94, 0, 1.84],
                               "rotation": wxyz(-np.pi / 2), "camera_intrinsic": []}],
        "sample_annotation": [
            {"token": f"{who}{k}", "sample_token": f"k{k}", "instance_token": who, "size": [2.0, 4.5, 1.6],
             "rotation": wxyz(np.pi / 4), "translation": (centre + at + [0, 0, 0.9]).tolist()}
            for k, t in enumerate(when)
            for who, at in (("moves", along * (20 + 1e-5 * (t - when[0]))), ("parked", np.array([8.0, 0, 0])),
                            ("rex", np.array([0.0, 9.0, 0])))
            if not (gap and who == "moves" and 0 < k < 5)
        ],
    }  # fmt: skip
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    return folder


def imported(folder: Path, out: Path) -> list[str]:
    """What is warned of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        import_drive(folder, out)
    assert all(warning.category is InputWarning for warning in told)
    return [str(warning.message) for warning in told]


@pytest.fixture(scope="module")
def drive(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drive")
    told = imported(nuscenes(folder), folder / "drive.mcap")
    assert "1 objects 'animal' are left out" in told[0] and "painted flat" in told[1] and len(told) == 2
    return folder / "drive.mcap"


def test_poses_velocities_and_boxes_every_10_ms(drive):
    recording = Recording.open(drive)
    layouts = [layout_of(m.message) for m in recording.messages("/uniscene/layout")]
    assert [a.stamp_us for a in layouts] == list(range(0, 3_000_001, 10_000))
    origin = np.array([400.0, 1100.0]) - recording.map.frame_origin
    for k in (0, 37, 155, 300):
        a, gone = layouts[k], 0.1 * k / np.sqrt(2)
        assert np.allclose([a.ego_pose.x, a.ego_pose.y], origin + gone, atol=1e-6)
        assert np.hypot(*a.ego_velocity[:2]) == pytest.approx(10.0, abs=1e-6)
        assert a.ego_pose.yaw == pytest.approx(np.pi / 4) and a.ego_yaw_rate == pytest.approx(0.0, abs=1e-9)
        moves, parked = a.agents
        assert np.allclose(moves["pos"][:2], origin + gone + 20 / np.sqrt(2), atol=1e-6)
        assert np.allclose(moves["vel"][:2], 10 / np.sqrt(2), atol=1e-6)
        assert np.allclose(parked["pos"][:2], origin + np.array([8.0, 0.0])) and not parked["vel"].any()
        assert np.allclose(moves["size"], [4.5, 2.0, 1.6]) and moves["cls"] == AgentClass.CAR
        assert moves["pos"][2] == pytest.approx(0.0)  # on the ground, not where the box floats
    assert np.allclose(recording.rig.lidars[0].pose.rotation, np.eye(3), atol=1e-9)  # theirs has y ahead
    surface = recording.map.surface
    x, y = np.array([[a.ego_pose.x, a.ego_pose.y] for a in layouts]).T
    assert surface.drivable(x, y, np.zeros(len(x))).all()


def test_it_is_a_source_and_branches_off(drive):
    recording = Recording.open(drive)
    source = RecordedSource(recording, shift_m=(0.0, 3.5))
    assert source.reset().ego_pose.x == pytest.approx(400.0 - recording.map.frame_origin[0] - 3.5 / np.sqrt(2))
    free = BranchedSource(recording, 1.0)
    layouts = [free.reset()]
    while not free.done:
        layouts += free.step(free.driver_control(), 100_000)
    assert len(layouts) == 301 and free.outcome.status == "SUCCESS"
    assert layouts[-1].agents["pos"][0, 0] > layouts[100].agents["pos"][0, 0] + 10.0  # along its way, without lanes


def test_on_a_given_map_it_lies_where_it_is_aligned(tmp_path):
    file = load_scenario(find_scenario("cut_in")).map
    lanes = load_map(file)
    lane = max((lane for lane in lanes.lanes if lane.kind == "driving"), key=lambda lane: lane.length)
    x, y, _, yaw = lanes.lane_point(lane.index, 20.0)
    turn = yaw - np.pi / 4
    c, s = np.cos(turn), np.sin(turn)
    there = np.array([x - 400 * c + 1100 * s, y - 400 * s - 1100 * c]) + lanes.frame_origin
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_drive(nuscenes(tmp_path), tmp_path / "m.mcap", map_file=file, where=Alignment(*there, turn))
    recording = Recording.open(tmp_path / "m.mcap")
    first = RecordedSource(recording).reset()
    assert np.allclose([first.ego_pose.x, first.ego_pose.y, np.cos(first.ego_pose.yaw - yaw)], [x, y, 1.0], atol=1e-6)
    assert recording.map.ref == lanes.ref


def test_a_long_gap_is_said_and_the_object_is_away(tmp_path):
    told = imported(nuscenes(tmp_path, gap=True), tmp_path / "gap.mcap")
    assert any("1 gaps in tracks" in line for line in told)
    counts = [len(m.message.agents.id) for m in Recording.open(tmp_path / "gap.mcap").messages("/uniscene/layout")]
    assert counts[0] == 2 and counts[150] == 1 and counts[-1] == 2


def refused(folder: Path, tmp_path: Path, match: str, **options) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match=match) as error:
            import_drive(folder, tmp_path / "out.mcap", **options)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) <= 380
    assert not (tmp_path / "out.mcap").exists()


def test_bad_data_sets_are_refused_in_one_line(tmp_path):
    refused(tmp_path, tmp_path, "is no data set; expected a sequence of PandaSet")
    folder = nuscenes(tmp_path / "a", category="vehicle.hovercraft")
    refused(folder, tmp_path, "sample_annotation.json.*unknown category 'vehicle.hovercraft'")
    folder = nuscenes(tmp_path / "b")
    refused(folder, tmp_path, "no scene 'scene-2'.*expected one of scene-0001", scene="scene-2")
    (folder / "ego_pose.json").write_text("[]")
    refused(folder, tmp_path, "ego_pose.json.*has no row 'p1000000', which another table names")
    (folder / "ego_pose.json").unlink()
    refused(folder, tmp_path, "ego_pose.json.*cannot be read")


def pandaset(folder: Path) -> Path:
    """A second of a car that drives to the north, and one that is parked on its right, as PandaSet has them."""
    for name in ("cuboids", "lidar", "camera/front_camera"):
        (folder / name).mkdir(parents=True)
    times = [100.0 + 0.1 * k for k in range(11)]
    upright = {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}
    poses = [{"position": {"x": 0.0, "y": 0.5 * k, "z": 0.0}, "heading": upright} for k in range(11)]
    ahead = dict(zip("xyzw", Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]]).as_quat().tolist(), strict=True))
    seen = [{"position": {"x": 0.0, "y": 0.5 * k + 1.0, "z": 1.5}, "heading": ahead} for k in range(11)]
    box = {"uuid": "a", "label": "Car", "yaw": 0.0, "stationary": True, "cuboids.sensor_id": -1, "position.x": 4.0,
           "position.y": 12.0, "position.z": 0.5, "dimensions.x": 1.9, "dimensions.y": 4.6,
           "dimensions.z": 1.6}  # fmt: skip
    for name, rows in (("lidar", poses), ("camera/front_camera", seen)):
        (folder / name / "poses.json").write_text(json.dumps(rows))
        (folder / name / "timestamps.json").write_text(json.dumps(times))
    intrinsics = {"fx": 1970.0, "fy": 1970.0, "cx": 970.0, "cy": 483.0}
    (folder / "camera/front_camera/intrinsics.json").write_text(json.dumps(intrinsics))
    for k in range(11):
        (folder / f"cuboids/{k:02d}.json").write_text(json.dumps([box]))
    return folder


@pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
def test_pandasets_axes(tmp_path):
    import_drive(pandaset(tmp_path / "002"), tmp_path / "panda.mcap")
    recording = Recording.open(tmp_path / "panda.mcap")
    layout = layout_of(next(recording.messages("/uniscene/layout")).message)
    assert layout.ego_pose.yaw == pytest.approx(np.pi / 2)  # y of their car is ahead
    assert np.allclose(layout.ego_velocity[:2], [0.0, 5.0], atol=1e-6)
    (car,) = layout.agents
    assert np.allclose(car["pos"][:2] + recording.map.frame_origin, [4.0, 12.0])
    assert car["rpy"][2] == pytest.approx(np.pi / 2) and np.allclose(car["size"], [4.6, 1.9, 1.6])
    camera = recording.rig.cameras[0]
    assert np.allclose(camera.pose.rotation, np.eye(3), atol=1e-6) and camera.pose.x == pytest.approx(1.672, abs=1e-3)


def test_unknown_labels_and_missing_poses_of_pandaset(tmp_path):
    folder = pandaset(tmp_path / "002")
    boxes = json.loads((folder / "cuboids/03.json").read_text())
    (folder / "cuboids/03.json").write_text(json.dumps([boxes[0] | {"label": "Spaceship"}]))
    refused(folder, tmp_path, r"03.json.*\[0\].label: unknown label 'Spaceship'")
    (folder / "lidar/poses.json").write_text("[]")
    refused(folder, tmp_path, "poses.json.*has 0 poses for 11 times")
