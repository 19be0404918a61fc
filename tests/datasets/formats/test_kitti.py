"""KITTI's odometry with SemanticKITTI's labels, and raw recordings, made on the spot.

Checked in pykitti (odometry.py, raw.py, utils.py): folders and names, rows of sweeps, `Tr`, R and T, poses from GPS;
the halves of a point's label in semantic-kitti-api (laserscan.py).
"""

from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.datasets.formats.convert import convert
from uniscene_sim.datasets.formats.kitti import read_kitti_street
from uniscene_sim.datasets.formats.point_boxes import box_around
from uniscene_sim.datasets.formats.sweep_file import read_seen_sweep
from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import OccClass

pytestmark = pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
TR = "Tr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"


def plane(*axes: np.ndarray) -> np.ndarray:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def odometry(folder: Path, frames: int = 3, labels: bool = True) -> Path:
    """2 m a frame straight ahead on a road; a house on the left from 8 m on, a parked car on the right; a car ahead of
    us that goes as fast."""
    for name in ("velodyne", "labels", "image_2"):
        (folder / name).mkdir(parents=True)
    (folder / "calib.txt").write_text(TR)
    (folder / "poses.txt").write_text("".join(f"1 0 0 0 0 1 0 0 0 0 1 {2 * k}\n" for k in range(frames)))
    (folder / "times.txt").write_text("".join(f"{0.1 * k}\n" for k in range(frames)))
    for k in range(frames):
        road = plane(np.arange(-10, 20, 0.15), np.arange(-6, 8, 0.15), np.array([-1.73]))
        house = plane(np.arange(-10, 20, 0.15), np.array([8.1]), np.arange(-1.6, 2.2, 0.15))
        parked = plane(np.array([9.0 - 2 * k, 13.2 - 2 * k]), np.arange(-5.8, -4.1, 0.1), np.arange(-1.5, -0.2, 0.1))
        ahead = plane(np.array([10.0, 14.0]), np.arange(-0.8, 0.9, 0.1), np.arange(-1.5, -0.2, 0.1))
        xyz = np.concatenate([road, house, parked, ahead])
        np.column_stack([xyz, np.full(len(xyz), 0.3)]).astype("<f4").tofile(folder / f"velodyne/{k:06}.bin")
        number = np.repeat([40, 50, 10 + (7 << 16), 252 + (9 << 16)], [len(p) for p in (road, house, parked, ahead)])
        number.astype("<u4").tofile(folder / f"labels/{k:06}.label")
        (folder / f"image_2/{k:06}.png").write_bytes(b"")
    if not labels:
        for file in (folder / "labels").iterdir():
            file.unlink()
        (folder / "labels").rmdir()
    return folder


def test_labelled_sweeps_become_windows(tmp_path):
    (path,) = convert("kitti", odometry(tmp_path / "04"), tmp_path / "data", every=1, sweeps=True)
    town = read_town(path)
    assert path.name == "kitti_04.npz" and town.maker == "SemanticKITTI" and len(town) == 3
    assert town.pose[:, 0].tolist() == pytest.approx([-0.8, 1.2, 3.2]) and town.stamp_us.tolist() == [
        0,
        10**5,
        2 * 10**5,
    ]
    one = town.sample(0, agents=False)
    j = int((8.1 + 40) / 0.4)
    assert (one.labels[105:140, j, 3:11] == OccClass.MANMADE).all() and not one.observed[110, j + 3, 3:].any()
    assert one.labels[110, 100, 2] == OccClass.DRIVEABLE_SURFACE and not (one.labels == OccClass.CAR).any()
    for n in range(3):
        cars = town.sample(n, agents=True).labels == OccClass.CAR
        assert cars[int((0.8 + 12 + 40) / 0.4), 100, 4]  # the one ahead keeps its distance
        assert cars[int((0.8 + 11 - 2 * n + 40) / 0.4), int((40 - 5) / 0.4), 4]  # the parked one does not
    with np.load(path) as file:
        assert len(set(file["agents_instance"].tolist())) == 2
    sweep = read_seen_sweep(tmp_path / "data/sweeps/kitti_04/000001.npz")
    assert np.allclose(sweep.origins, [2.0, 0, 0], atol=1e-5) and np.allclose(sweep.intensity, 0.3)
    assert sweep.moving.sum() == (sweep.label == OccClass.CAR).sum()
    with np.load(tmp_path / "data/sweeps/kitti_04/000001.npz") as file:
        assert file["image_file"].tolist() == [str(tmp_path / "04/image_2/000001.png")]


def test_without_labels_there_are_sweeps_alone(tmp_path):
    folder = odometry(tmp_path / "11", labels=False)
    with pytest.raises(InputError, match="points have no classes, so there are no windows; expected `sweeps`"):
        convert("kitti", folder, tmp_path / "data")
    assert len(convert("kitti", folder, tmp_path / "data", sweeps=True)) == 3


def test_raw_recordings_lie_where_the_gps_says(tmp_path):
    drive = tmp_path / "2011_09_26/2011_09_26_drive_0001_sync"
    (drive / "oxts/data").mkdir(parents=True)
    (drive / "velodyne_points/data").mkdir(parents=True)
    turn = "R: 1 0 0 0 1 0 0 0 1\n"
    (drive.parent / "calib_imu_to_velo.txt").write_text(f"calib_time: 25-May-2012 16:47:16\n{turn}T: -0.8 0.3 -0.8\n")
    for k in range(2):
        packet = [49.0 + 1e-5 * k, 8.4, 110.0, 0.0, 0.0, np.pi / 2, *[0.0] * 24]  # to the north
        (drive / f"oxts/data/{k:010}.txt").write_text(" ".join(map(str, packet)))
        np.array([[5, 1, 0, 0.5], [1, 0, 0, 0.5]], "<f4").tofile(drive / f"velodyne_points/data/{k:010}.bin")
    stamps = "2011-09-26 13:02:25.951199337\n2011-09-26 13:02:26.051199337\n"
    (drive / "velodyne_points/timestamps.txt").write_text(stamps)
    street = read_kitti_street(drive)
    assert "not compensated" in street.losses[0]  # KITTI's own readme says that points have to be untwisted
    assert not street.labelled and [m.stamp_us for m in street.moments] == [0, 100_000]
    one, two = (street.sweep(m) for m in street.moments)
    assert len(one.ends) == 1  # what is as near as the car itself is left out
    # IMU at the origin, looking north: their LiDAR lies 0.8 m ahead of it, 0.3 m to the right and 0.8 m higher.
    assert np.allclose(one.origins[0], [0.3, 0.8, 0.8], atol=1e-6)
    assert np.allclose(one.ends[0] - one.origins[0], [-1.0, 5.0, 0.0], atol=1e-6)
    north = 6378137.0 * np.radians(1e-5)
    assert np.allclose(two.origins[0] - one.origins[0], [0, north, 0], atol=1e-3)
    (drive / "velodyne_points/timestamps.txt").write_text("yesterday\n")
    with pytest.raises(InputError, match=r"timestamps\.txt:1: expected a time such as"):
        read_kitti_street(drive)


@pytest.mark.parametrize("yaw", [0.0, 0.3, 1.2, -0.7])
def test_boxes_around_points(yaw):
    c, s = np.cos(yaw), np.sin(yaw)
    z = np.linspace(0, 1.5, 4)
    sides = plane(np.linspace(-2, 2, 20), np.array([-0.9, 0.9]), z)
    edge = np.concatenate([sides, plane(np.array([-2.0, 2.0]), np.linspace(-0.9, 0.9, 10), z)])
    turned = edge @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T + [5, 6, 7]
    foot, found, size = box_around(turned)
    assert np.allclose(foot, [5, 6, 7], atol=0.05) and np.allclose(size, [4, 1.8, 1.5], atol=0.1)
    assert abs(np.sin(found - yaw)) < 0.03


def test_bad_files_of_kitti(tmp_path):
    def refused(folder: Path, match: str, **options) -> None:
        with pytest.raises(InputError, match=match) as error:
            convert("kitti", folder, tmp_path / "data", **options)
        assert len(str(error.value).splitlines()) == 1 and not list((tmp_path / "data").glob("*/*.npz"))

    refused(tmp_path, "expected velodyne/ of the odometry, or velodyne_points/")
    folder = odometry(tmp_path / "04")
    refused(folder, "held out; expected another sequence", held_out=True)
    bin_file, label_file = folder / "velodyne/000001.bin", folder / "labels/000001.label"
    points, labels = bin_file.read_bytes(), label_file.read_bytes()
    label_file.write_bytes(labels[:-4])
    refused(folder, f"000001.label: has {len(labels) - 4} bytes, expected {len(labels)}: one uint32 for each of")
    label_file.write_bytes(b"\x02\x00\x00\x00" + labels[4:])
    refused(folder, "unknown label id 2, expected one of SemanticKITTI's")
    label_file.unlink()
    refused(folder, "000001.label: cannot be read")
    bin_file.write_bytes(points[:-3])
    refused(folder, "expected rows of 16")
    bin_file.write_bytes(np.full(8, np.nan, "<f4").tobytes())
    refused(folder, "000001.bin: expected finite numbers")
    (folder / "times.txt").write_text("0\n")
    refused(folder, "has 1 times for 3 poses")
    (folder / "times.txt").write_text("0\n0.1\nx\n")
    refused(folder, "times.txt:3: expected times: a number a line, got 'x'")
    (folder / "calib.txt").write_text("Tr 1 2\n")
    refused(folder, "calib.txt:1: expected `NAME: numbers`")
