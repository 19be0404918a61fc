"""KITTI's object format: read as its development kit reads it, and by nuscenes-devkit's reader of KITTI.

The latter where UNISCENE_NUSCENES_PYTHON names an interpreter that has nuscenes-devkit.
"""

from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.cli.main import main
from uniscene_sim.export.occ3d import GRID
from uniscene_sim.rigs.calibration import load_calibration
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.taxonomy import OccClass


@pytest.fixture(scope="module")
def exported(recorded, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "kitti"
    assert main(["export", str(recorded.path), "--to", "kitti", "--out", str(out)]) == 0
    return out


def test_kitti_labels_lie_on_the_points_and_in_the_picture(recorded, exported):
    """Read as KITTI's development kit reads them: points by `Tr_velo_to_cam` into each labelled box."""
    frames = recorded.frames
    root, cars = exported / "training", 0
    assert len(list((root / "image_2").glob("*.png"))) == len(frames)
    for tick, frame in enumerate(frames):
        number = f"{tick:06}"
        rows = dict(line.split(": ") for line in (root / "calib" / f"{number}.txt").read_text().splitlines())
        to_camera = np.array(rows["Tr_velo_to_cam"].split(), float).reshape(3, 4)
        projection = np.array(rows["P2"].split(), float).reshape(3, 4)
        velodyne = np.fromfile(root / "velodyne" / f"{number}.bin", np.float32).reshape(-1, 4)
        points = velodyne[:, :3] @ to_camera[:, :3].T + to_camera[:, 3]
        sweep = next(iter(frame.sweeps.values()))
        assert np.array_equal(velodyne[:, :3], sweep.xyz)
        for line in (root / "label_2" / f"{number}.txt").read_text().splitlines():
            kind, *values = line.split()
            _, _, alpha, *rest = map(float, values)
            left, top, right, bottom, h, w, l, x, y, z, turned = rest
            c, s = np.cos(turned), np.sin(turned)
            apart = points[:, [0, 2]] - [x, z]
            forward, across = apart @ [c, -s], apart @ [s, c]
            below = y - points[:, 1]
            slack = 0.1
            inside = (np.abs(forward) < l / 2 + slack) & (np.abs(across) < w / 2 + slack) & (below > 0.2) & (below < h)
            image = projection[:, :3] @ [x, y - h / 2, z]
            assert abs(((turned - np.arctan2(x, z) - alpha) + np.pi) % (2 * np.pi) - np.pi) < 0.02
            if z > 3 and left > 0 and right < 83:
                assert left - 1 <= image[0] / image[2] <= right + 1 and top - 1 <= image[1] / image[2] <= bottom + 1
            if kind == "Car" and inside.sum() > 3:
                cars += 1
                assert (sweep.label[inside] == OccClass.CAR).mean() > 0.9
    assert cars >= 2


def test_occupancy_lies_beside_the_labels(recorded, exported):
    """The points of the sweep end in occupied voxels that are marked as seen."""
    lidar = load_rig("rl").lidars[0]
    for tick, frame in enumerate(recorded.frames):
        labels = np.load(exported / "training" / "occupancy" / f"{tick:06}.npz")
        cells = GRID.index(lidar.pose.apply(frame.sweeps[lidar.name].xyz))
        x, y, z = cells[((cells >= 0) & (cells < GRID.shape)).all(axis=1)].T
        assert len(x) > 500 and labels["mask_lidar"][x, y, z].all()
        assert (labels["semantics"][x, y, z] != 17).mean() > 0.8  # at an edge, the fine shape leaves the voxel


def test_our_own_reader_finds_the_rig(recorded, exported):
    """The calibration is relative to the LiDAR."""
    camera, lidar = load_rig("rl").cameras[0], load_rig("rl").lidars[0]
    found = load_calibration(exported / "training" / "calib" / "000000.txt")
    expected = lidar.pose.inverse().compose(camera.pose).matrix
    assert np.allclose(found.lidars[0].pose.inverse().compose(found.cameras[2].pose).matrix, expected, atol=1e-9)
    assert (found.cameras[2].fx, found.cameras[2].cx) == pytest.approx((camera.fx, camera.cx))


def test_an_independent_reader_projects_the_boxes_onto_the_labels(exported, read_by_devkit):
    found = read_by_devkit("kitti_reads.py", exported)
    assert found["frames"] == 7 and len(found["objects"]) > 10
    whole = [(drawn, projected) for _, cut, drawn, projected, _ in found["objects"] if cut == 0]
    assert whole and all(np.allclose(drawn, projected, atol=1.5) for drawn, projected in whole)
    assert any(kind == "Car" and points > 5 for kind, *_, points in found["objects"])
