"""nuScenes' format: the tables are whole, the files are there, our own reader and the devkit find what was recorded.

The devkit's part runs where UNISCENE_NUSCENES_PYTHON names an interpreter that has nuscenes-devkit.
"""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.export.nuscenes import write_nuscenes
from uniscene_sim.export.occ3d import CLASSES, GRID
from uniscene_sim.occupancy.window import occupancy_window
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.replay import replayer
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.calibration import load_calibration
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.disk_cache import user_cache
from uniscene_sim.taxonomy import OccClass

#: Fields by table, as nuScenes' schema has them; a field TABLE_token or TABLE_tokens refers to a row of that table.
SCHEMA = {
    "attribute": "token name description",
    "calibrated_sensor": "token sensor_token translation rotation camera_intrinsic",
    "category": "token name description",
    "ego_pose": "token timestamp rotation translation",
    "instance": "token category_token nbr_annotations first_annotation_token last_annotation_token",
    "log": "token logfile vehicle date_captured location",
    "map": "token category filename log_tokens",
    "sample": "token timestamp prev next scene_token",
    "sample_annotation": "token sample_token instance_token visibility_token attribute_tokens translation size "
    "rotation prev next num_lidar_pts num_radar_pts",
    "sample_data": "token sample_token ego_pose_token calibrated_sensor_token timestamp fileformat is_key_frame height "
    "width filename prev next",
    "scene": "token name description log_token nbr_samples first_sample_token last_sample_token",
    "sensor": "token channel modality",
    "visibility": "token level description",
}
REFERS = {"first_annotation_token": "sample_annotation", "last_annotation_token": "sample_annotation",
          "first_sample_token": "sample", "last_sample_token": "sample"}  # fmt: skip


@pytest.fixture(scope="module")
def exported(recorded, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "nuscenes"
    assert main(["export", str(recorded.path), "--to", "nuscenes", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def tables(exported) -> dict[str, dict[str, dict]]:
    """Rows by token by table."""
    found = {}
    for path in (exported / "v1.0-mini").glob("*.json"):
        rows = json.loads(path.read_text())
        found[path.stem] = {row["token"]: row for row in rows}
        assert len(found[path.stem]) == len(rows), f"{path.stem}: a token twice"
    return found


def test_each_table_has_its_fields_and_each_token_its_row(tables):
    assert tables.keys() == SCHEMA.keys()
    for table, rows in tables.items():
        assert rows, table
        for row in rows.values():
            assert set(SCHEMA[table].split()) <= row.keys(), table
            for field, value in row.items():
                name, _, kind = field.rpartition("_")
                if name and kind in ("token", "tokens"):
                    target = tables[REFERS.get(field, name)]
                    assert all(one in target for one in (value if kind == "tokens" else [value])), (table, field)
                if field in ("prev", "next"):
                    other = "next" if field == "prev" else "prev"
                    assert value == "" or rows[value][other] == row["token"], (table, field)


def test_rows_of_a_chain_are_in_order_of_time(tables):
    samples, data, boxes = tables["sample"], tables["sample_data"], tables["sample_annotation"]
    [scene] = tables["scene"].values()
    chain = [samples[scene["first_sample_token"]]]
    while chain[-1]["next"]:
        chain.append(samples[chain[-1]["next"]])
    assert chain[-1]["token"] == scene["last_sample_token"] and len(chain) == len(samples) == scene["nbr_samples"]
    assert [row["timestamp"] for row in chain] == [0, 500_000]
    for row in data.values():
        if row["next"]:
            after = data[row["next"]]
            assert after["timestamp"] == row["timestamp"] + 100_000
            assert after["calibrated_sensor_token"] == row["calibrated_sensor_token"]
    for row in boxes.values():
        if row["next"]:
            after = boxes[row["next"]]
            assert after["instance_token"] == row["instance_token"] and row["sample_token"] == chain[0]["token"]
    for instance in tables["instance"].values():
        own = [row for row in boxes.values() if row["instance_token"] == instance["token"]]
        assert len(own) == instance["nbr_annotations"]
        assert (
            boxes[instance["first_annotation_token"]]["prev"] == boxes[instance["last_annotation_token"]]["next"] == ""
        )


def test_files_are_those_of_the_tables(recorded, exported, tables):
    listed = {row["filename"] for row in (*tables["sample_data"].values(), *tables["map"].values())}
    there = {p.relative_to(exported).as_posix() for p in exported.rglob("*") if p.is_file()}
    [scene] = tables["scene"].values()
    labels = {f"gts/{scene['name']}/{sample}/labels.npz" for sample in tables["sample"]}
    assert there - listed == {f"v1.0-mini/{table}.json" for table in SCHEMA} | labels and listed <= there
    key = [row for row in tables["sample_data"].values() if row["is_key_frame"]]
    assert len(key) == 4 and all(row["timestamp"] == tables["sample"][row["sample_token"]]["timestamp"] for row in key)
    for row in tables["sample_data"].values():
        frame = recorded.frames[row["timestamp"] // 100_000]
        assert row["filename"].startswith("samples/" if row["is_key_frame"] else "sweeps/")
        if row["fileformat"] == "jpg":
            picture = Image.open(exported / row["filename"])
            assert picture.size == (row["width"], row["height"]) == (84, 84)
            assert np.abs(np.asarray(picture, float) - frame.cameras["front"].rgb).mean() < 4
        else:
            points = np.fromfile(exported / row["filename"], np.float32).reshape(-1, 5)
            sweep = frame.sweeps["lidar"]
            assert np.array_equal(points[:, [1, 0, 2, 4]] * [1, -1, 1, 1], np.c_[sweep.xyz, sweep.ring])
            assert points[:, 3].max() > 1 and np.allclose(points[:, 3], 255 * sweep.intensity)


def test_boxes_are_the_agents(recorded, tables, exported):
    """In the global frame, whose origin in the map frame the map's row tells."""
    [row] = tables["map"].values()
    origin = np.array([*row["origin_in_map_frame"], 0.0])
    stamps = {sample["token"]: sample["timestamp"] for sample in tables["sample"].values()}
    of_category = {row["token"]: row["name"] for row in tables["category"].values()}
    cars = 0
    for box in tables["sample_annotation"].values():
        agents = recorded.frames[stamps[box["sample_token"]] // 100_000].layout.agents
        at = np.array(box["translation"]) + origin
        footprint = at - [0, 0, box["size"][2] / 2]
        agent = agents[np.linalg.norm(agents["pos"] - footprint, axis=1).argmin()]
        assert np.linalg.norm(agent["pos"] - footprint) < 0.05
        assert np.allclose(box["size"], agent["size"][[1, 0, 2]])
        w, x, y, z = box["rotation"]
        yaw = Rotation.from_quat([x, y, z, w]).as_euler("zyx")[0]
        assert abs((yaw - agent["rpy"][2] + np.pi) % (2 * np.pi) - np.pi) < 0.05
        cars += of_category[tables["instance"][box["instance_token"]]["category_token"]] == "vehicle.car"
    assert cars >= 4
    mask = np.asarray(Image.open(exported / row["filename"]))
    for pose in tables["ego_pose"].values():
        x, y, _ = pose["translation"]
        assert mask[mask.shape[0] - 1 - int(y / 0.1), int(x / 0.1)] == 255
        here = recorded.frames[pose["timestamp"] // 100_000].layout.ego_pose
        assert np.allclose(np.array(pose["translation"]) + origin, here.position)


def test_our_own_reader_finds_the_rig(exported):
    rig, found = load_rig("rl"), load_calibration(exported / "v1.0-mini")
    [camera], [lidar] = found.cameras, found.lidars
    assert (camera.name, lidar.name) == ("front", "LIDAR_TOP")  # as the devkit calls the LiDAR
    for spec, ours in ((camera, rig.cameras[0]), (lidar, rig.lidars[0])):
        assert np.allclose(spec.pose.matrix, ours.pose.matrix)
    assert (camera.fx, camera.cy) == (rig.cameras[0].fx, rig.cameras[0].cy)


def test_occupancy_is_that_of_the_world(recorded, exported, tables):
    simulator = replayer(Recording.open(recorded.path), tile_cache=user_cache("tiles"))
    lidar = load_rig("rl").lidars[0]
    for sample in tables["sample"].values():
        [path] = exported.glob(f"gts/*/{sample['token']}/labels.npz")
        labels = np.load(path)
        frame = recorded.frames[sample["timestamp"] // 100_000]
        window = occupancy_window(simulator.store, frame.layout, GRID)
        assert all(labels[name].dtype == np.uint8 and labels[name].shape == (200, 200, 16) for name in labels)
        apart = labels["semantics"] != CLASSES[window.labels]
        assert apart.mean() < 2e-4  # where the ground is just above 0.2 m it is a voxel higher
        seen, sweep = labels["mask_lidar"], frame.sweeps["lidar"]
        cells = GRID.index(lidar.pose.apply(sweep.xyz))
        x, y, z = cells[((cells >= 0) & (cells < GRID.shape)).all(axis=1)].T
        assert seen[x, y, z].all() and 0.05 < seen.mean() < 0.6
        assert (labels["semantics"][x, y, z] == CLASSES[OccClass.FREE]).mean() < 0.2
        # The camera looks ahead, 90 degrees wide.
        x, y = np.nonzero(labels["mask_camera"].any(axis=2))
        assert (x >= 100).all() and (np.abs(y - 99.5) <= x - 100 + 2).all() and len(x) > 2000


def test_the_devkit_reads_it(exported, tables, read_by_devkit):
    found = read_by_devkit("nuscenes_reads.py", exported)
    assert (found["samples"], found["data"]) == (2, len(tables["sample_data"]))
    assert found["boxes"] == len(tables["sample_annotation"]) and all(found["on_road"])
    assert found["stated"] and found["edges"]
    # Points of what moves lie where it was when the beam met it, up to 0.1 s before.
    for stated, wide, tight in zip(found["stated"], found["wide"], found["tight"], strict=True):
        assert 0.8 * stated <= wide and tight <= stated
    for *_, left, top, right, bottom in found["edges"]:
        assert 0 <= left < right <= 84 and 0 <= top < bottom <= 84
    speeds = [speed for speed, attribute in found["velocities"] if attribute == "vehicle.moving" and speed == speed]
    assert speeds and min(speeds) > 0.3


def test_a_rig_that_does_not_fit_is_told(tmp_path):
    lidar_alone = SimpleNamespace(rig=SensorRig("blind", (), load_rig("rl").lidars))
    with pytest.raises(InputError, match="needs a LiDAR and a pinhole camera"):
        write_nuscenes(lidar_alone, tmp_path / "out")
    fisheye = replace(load_rig("rl").cameras[0], model="fisheye")
    with pytest.warns(InputWarning, match="leaves out front"), pytest.raises(InputError, match="pinhole camera"):
        write_nuscenes(SimpleNamespace(rig=SensorRig("round", (fisheye,), load_rig("rl").lidars)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
