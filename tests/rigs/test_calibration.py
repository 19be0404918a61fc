"""Rigs from calibration files in the formats of nuScenes and KITTI, small ones written here."""

import json

import numpy as np
import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.rigs.rig_file import load_rig

SENSORS = [
    {"token": "s1", "channel": "CAM_FRONT", "modality": "camera"},
    {"token": "s2", "channel": "LIDAR_TOP", "modality": "lidar"},
    {"token": "s3", "channel": "RADAR_FRONT", "modality": "radar"},
]
CALIBRATED = [
    {"token": "c1", "sensor_token": "s1", "translation": [1.7, 0.02, 1.5], "rotation": [0.5, -0.5, 0.5, -0.5],
     "camera_intrinsic": [[1266.4, 0.0, 816.3], [0.0, 1266.4, 491.5], [0.0, 0.0, 1.0]]},
    {"token": "c2", "sensor_token": "s2", "translation": [0.94, 0.0, 1.84],
     "rotation": [np.sqrt(0.5), 0.0, 0.0, -np.sqrt(0.5)], "camera_intrinsic": []},
    {"token": "c3", "sensor_token": "s3", "translation": [3.4, 0.0, 0.5], "rotation": [1.0, 0.0, 0.0, 0.0],
     "camera_intrinsic": []},
    {"token": "c4", "sensor_token": "s1", "translation": [9.0, 9.0, 9.0], "rotation": [0.5, -0.5, 0.5, -0.5],
     "camera_intrinsic": [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]},
]  # fmt: skip
TR = (
    "7.5e-03 -9.9997e-01 -6.2e-04 -4.07e-03 1.48e-02 7.3e-04 -9.9989e-01 -7.63e-02 "
    "9.9986e-01 7.5e-03 1.48e-02 -2.72e-01"
)
P0 = "7.215377e+02 0 6.095593e+02 0 0 7.215377e+02 1.728540e+02 0 0 0 1 0"
P2 = "7.215377e+02 0 6.095593e+02 4.485728e+01 0 7.215377e+02 1.728540e+02 2.163791e-01 0 0 1 2.745884e-03"
KITTI = f"P0: {P0}\nP2: {P2}\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: {TR}\nTr_imu_to_velo: {TR}\n"


@pytest.fixture
def nuscenes(tmp_path):
    (tmp_path / "sensor.json").write_text(json.dumps(SENSORS))
    (tmp_path / "calibrated_sensor.json").write_text(json.dumps(CALIBRATED))
    return tmp_path


def test_nuscenes_tables(nuscenes):
    rig = load_rig(str(nuscenes))
    (camera,), (lidar,) = rig.cameras, rig.lidars
    assert (camera.name, camera.width, camera.height, camera.fx, camera.cy) == ("CAM_FRONT", 1600, 900, 1266.4, 491.5)
    assert camera.pose.position.tolist() == [1.7, 0.02, 1.5], "of two calibrations the first"
    # This quaternion turns the optical axis ahead.
    np.testing.assert_allclose(camera.rotation_base_from_optical[:, 2], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(camera.rotation_base_from_optical[:, 1], [0, 0, -1], atol=1e-12)
    assert lidar.name == "LIDAR_TOP" and len(lidar.elevation_rad) == 32
    np.testing.assert_allclose(lidar.pose.rotation, np.eye(3), atol=1e-12)
    small = rig.scaled(0.25).cameras[0]
    assert (small.width, small.height, small.fx) == (400, 225, 1266.4 / 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[0].pop("rotation"), r"calibrated_sensor.json: \[0\].rotation: is missing"),
        (lambda c: c[0].update(rotation=[2, 0, 0, 0]), r"\[0\].rotation.*unit quaternion"),
        (lambda c: c[0].update(translation=[1, 2]), r"\[0\].translation.*3 finite"),
        (lambda c: c[0].update(camera_intrinsic=[]), r"\[0\].camera_intrinsic.*3 x 3"),
        (lambda c: c[1].update(sensor_token="zz"), r"\[1\].sensor_token.*no sensor 'zz'"),
        (lambda c: c.clear(), "expected a list of records"),
        (lambda c: c[0].update(sensor_token=["s1"]), r"\[0\].sensor_token: expected text, got \['s1'\]"),
        (lambda c: c[0].update(rotation=[0, 0, 0, 0]), r"\[0\].rotation.*unit quaternion"),
        (lambda c: c[0].update(translation=["1", "2", "3"]), r"\[0\].translation.*3 finite"),
        (lambda c: c[0].update(translation=[10**400, 0, 0]), r"\[0\].translation.*3 finite"),
        (lambda c: c[0].update(translation=[1e9, 0, 0]), r"\[0\].translation\[0\]: expected a number from -200"),
        (lambda c: c[1].update(translation=[0, 0, 1e9]), r"\[1\].translation\[2\]: expected a number from -200"),
        (lambda c: c[0].update(camera_intrinsic=[[0.0] * 3] * 3), r"\[0\].camera_intrinsic: expected positive focal"),
        (lambda c: c[0].update(camera_intrinsic=[[1e-308, 0, 1], [0, 1e-308, 1], [0, 0, 1]]), "fx: expected a number"),
    ],
)
def test_nuscenes_errors_name_the_field(nuscenes, change, message):
    rows = json.loads(json.dumps(CALIBRATED))
    change(rows)
    (nuscenes / "calibrated_sensor.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=message):
        load_rig(str(nuscenes))


def test_nuscenes_without_a_table(nuscenes):
    (nuscenes / "sensor.json").unlink()
    with pytest.raises(InputError, match=r"sensor.json.*expected a nuScenes table"):
        load_rig(str(nuscenes))


@pytest.mark.parametrize("text", [KITTI, KITTI.replace("Tr_velo_to_cam", "Tr").replace("R0_rect", "ignored")])
def test_kitti_object_and_odometry(tmp_path, text):
    file = tmp_path / "000001.txt"
    file.write_text(text)
    rig = load_rig(str(file))
    assert [c.name for c in rig.cameras] == ["image_00", "image_02"]
    left, colour = rig.cameras
    assert (colour.width, colour.height, colour.fx) == (1242, 375, 721.5377)
    np.testing.assert_allclose(left.rotation_base_from_optical[:, 2], [1, 0, 0], atol=0.02)
    # Camera 2 stands 6 cm to the left of camera 0; the Velodyne 0.27 m behind it and 0.08 m above.
    np.testing.assert_allclose(colour.pose.position - left.pose.position, [0.0, 0.06, 0.0], atol=0.005)
    np.testing.assert_allclose(left.pose.position, [0.81 + 0.27, 0.0, 1.73 - 0.08], atol=0.02)
    np.testing.assert_allclose(rig.lidars[0].pose.position, [0.81, 0.0, 1.73])


def test_kitti_projects_lidar_points_as_its_own_formula(tmp_path):
    """P2 R0 Tr X against the rig's poses and lens."""
    file = tmp_path / "c.txt"
    file.write_text(KITTI)
    rig = load_rig(str(file))
    camera = rig.cameras[1]
    points = np.array([[12.0, 3.0, -1.0], [30.0, -6.0, 0.5], [8.0, 0.0, -1.6]])
    p, tr = (np.array(text.split(), float).reshape(3, 4) for text in (P2, TR))
    tr = np.vstack([tr, [0, 0, 0, 1]])
    image = (p @ tr @ np.column_stack([points, np.ones(3)]).T).T
    base = points + rig.lidars[0].pose.position
    optical = (base - camera.pose.position) @ camera.rotation_base_from_optical
    pixels, seen = camera.project(optical)
    assert seen.all()
    np.testing.assert_allclose(pixels, image[:, :2] / image[:, 2:], atol=0.5)


def test_kitti_raw_folder(tmp_path):
    turn, move = np.array(TR.split(), float).reshape(3, 4)[:, :3], np.array(TR.split(), float).reshape(3, 4)[:, 3]
    (tmp_path / "calib_velo_to_cam.txt").write_text(
        f"calib_time: 15-Mar-2012 11:37:16\nR: {' '.join(map(str, turn.ravel()))}\nT: {' '.join(map(str, move))}\n"
    )
    (tmp_path / "calib_cam_to_cam.txt").write_text(
        f"corner_dist: 9.95e-02\nR_rect_00: 1 0 0 0 1 0 0 0 1\nS_rect_02: 1.242e+03 3.75e+02\nP_rect_02: {P2}\n"
    )
    rig = load_rig(str(tmp_path))
    assert [(c.name, c.width, c.height) for c in rig.cameras] == [("image_02", 1242, 375)]
    (tmp_path / "calib_cam_to_cam.txt").write_text(f"R_rect_00: 1 0 0 0 1 0 0 0 1\nP_rect_02: {P2}\n")
    with pytest.raises(InputError, match="S_rect_02: is missing"):
        load_rig(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("P0: ", "X0: ", None), (P0, "1 2 3", r"P0: expected 3 x 4"), ("Tr_velo", "Tx_velo", r"Tr: is missing"),
     ("7.215377e+02", "-1", r"P0.*positive focal"), ("R0_rect: 1", "R0_rect: 0", r"R0_rect: expected a rotation"),
     ("R0_rect: 1", "R0_rect: -1", r"R0_rect: expected a rotation"), ("7.5e-03", "0.5", r"Tr_.*expected a rotation"),
     ("4.485728e+01", "1e9", r"P2\[[0-2]\]: expected a number from -200"),
     ("0 0 1 0\n", "0 0 0 0\n", r"P0.*positive focal"), ("6.095593e+02", "1e300", r"cx: expected a number")],
)  # fmt: skip
def test_kitti_errors_name_the_field(tmp_path, old, new, message):
    file = tmp_path / "calib.txt"
    file.write_text(KITTI.replace(old, new))
    if message is None:
        assert [c.name for c in load_rig(str(file)).cameras] == ["image_02"]
        return
    with pytest.raises(InputError, match=message):
        load_rig(str(file))
