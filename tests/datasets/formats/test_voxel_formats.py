"""Voxels of other data sets, made on the spot in their formats, as windows.

What was checked where: SemanticKITTI's shapes, bits (the highest first), dtypes, label ids and poses in the set's own
API (PRBonn/semantic-kitti-api: SSCDataset.py, semantic-kitti.yaml, generate_sequential.py) and the place of its grid in
MotionSC's reader; CarlaSC's files, grid, order of axes, left-handed frames and ids in its authors' code
(UMich-CURLY/3DMapping: dataset.py, SceneCompletion.py, CarlaUtils.py); Occ3D's hierarchy and arrays in its README;
nuScenes-Occupancy's rows, folders and ids in OpenOccupancy (loading.py, prepare_data.md); the map expansion in
nuscenes-devkit 1.1.11 (map_api.py), whose masks of the map below were compared with ours at two yaws: IoU
.92 to .96 for roads, .89 for walkways, .72 to .84 for crossings: theirs take in the cells on the edges of areas.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.datasets.formats.class_maps import (
    CARLA_SC,
    NUSCENES_OCCUPANCY,
    OCC3D,
    SEMANTIC_KITTI,
    SEMANTIC_KITTI_VOXELS,
)
from uniscene_sim.datasets.formats.convert import convert
from uniscene_sim.datasets.formats.semantic_kitti import read_ssc_voxels
from uniscene_sim.datasets.formats.street import UNKNOWN
from uniscene_sim.datasets.windows import Windows, read_town
from uniscene_sim.errors import InputError
from uniscene_sim.export.occ3d import CLASSES as OCC3D_EXPORT
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.taxonomy import OccClass

O = OccClass


def channel(town: Windows, name: str, n: int = 0) -> np.ndarray:
    return town.sample(n, agents=True).layout[CONDITION_CHANNELS.index(name)] > 0


def one_line(kind: str, folder: Path, match: str, **options) -> None:
    with pytest.raises(InputError, match=match) as error:
        convert(kind, folder, folder.parent / "data", **options)
    assert len(str(error.value).splitlines()) == 1 and not list((folder.parent / "data").glob("*/*.npz"))


def at(x: float, y: float, z: float) -> tuple[int, int, int]:
    """Voxel of a place in base_link, z above the ground."""
    return int(np.floor((x + 40) / 0.4)), int(np.floor((y + 40) / 0.4)), 2 + int(np.floor(z / 0.4))


# --- SemanticKITTI ----------------------------------------------------------------------------------------------------


def semantic_kitti(folder: Path) -> Path:
    """A road ahead, a house from 10 m to the left on, a car 20 m ahead; nothing is known behind the house."""
    (folder / "voxels").mkdir(parents=True)
    labels = np.zeros((256, 256, 32), np.uint16)
    labels[:, :, 1] = 40  # z in [-1.8, -1.6): the LiDAR is 1.73 m high
    labels[:, 180:, 1] = 48
    labels[50:150, 182:184, 2:18] = 50
    labels[100:122, 124:133, 2:9] = 252
    labels[0, 0, 20] = 1
    invalid = np.zeros(labels.shape, bool)
    invalid[:, 190:] = True
    for k in (0, 5):
        labels.tofile(folder / f"voxels/{k:06}.label")
        np.packbits(invalid).tofile(folder / f"voxels/{k:06}.invalid")
    (folder / "calib.txt").write_text(
        "P0: " + "0 " * 12 + "\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"  # camera x right, y down, z ahead
    )
    (folder / "poses.txt").write_text("".join(f"1 0 0 0 0 1 0 0 0 0 1 {2 * k}\n" for k in range(6)))
    (folder / "times.txt").write_text("".join(f"{0.1 * k}\n" for k in range(6)))
    return folder


def test_semantic_kitti(tmp_path):
    (path,) = convert("semantic-kitti", semantic_kitti(tmp_path / "08"), tmp_path / "data", every=1)
    assert path.name == "semantic-kitti_08.npz"
    town = read_town(path)
    assert town.maker == "SemanticKITTI" and town.stamp_us.tolist() == [0, 500_000]
    assert np.allclose(town.pose[1] - town.pose[0], [10.0, 0, 0, 0]) and np.allclose(town.pose[0], [-0.8, 0, -1.73, 0])
    one = town.sample(0, agents=False)
    assert one.labels[at(5, 0, 0)] == O.DRIVEABLE_SURFACE and one.labels[at(5, 10.6, 0)] == O.SIDEWALK
    house = at(15, 10.9, 1.0)
    assert one.labels[house] == O.MANMADE and one.observed[house] and one.labels[at(15, 10.9, 3.7)] == O.FREE
    assert not one.observed[at(15, 12.6, 1.0)] and not one.observed[at(-1, 0, 1.0)]
    assert one.observed[at(15, 5, 1.0)] and one.labels[at(15, 5, 1.0)] == O.FREE
    car = at(0.8 + 22.0, 0.0, 0.6)
    assert one.labels[car] == O.FREE and one.observed[car]
    assert town.sample(0, agents=True).labels[car] == O.CAR
    with np.load(path) as file:
        assert set(file["agents_instance"].tolist()) == {1}
    assert channel(town, "car").sum() * 0.16 == pytest.approx(4.4 * 1.8, rel=0.3)
    assert channel(town, "drivable_area")[at(5, 0, 0)[:2]] and channel(town, "walkway")[at(5, 10.6, 0)[:2]]


def test_semantic_kittis_bits_and_ids(tmp_path):
    file = semantic_kitti(tmp_path / "08") / "voxels/000000.label"
    bits = np.zeros(256 * 256 * 32 // 8, np.uint8)
    bits[1] = 0b0100_0000  # the second voxel of the second eight: z = 9 of the first column
    bits.tofile(file.with_suffix(".occluded"))
    voxels = read_ssc_voxels(file)
    assert voxels.occluded is not None and np.argwhere(voxels.occluded).tolist() == [[0, 0, 9]]
    assert voxels.labels[0, 0, 20] == UNKNOWN and voxels.labels[0, 0, 2] == O.FREE
    known = {0, 1, 10, 11, 13, 15, 16, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 52, 60, 70, 71, 72, 80, 81, 99,
             *range(252, 260)}  # fmt: skip
    assert set(SEMANTIC_KITTI.ours) == known == set(SEMANTIC_KITTI_VOXELS.ours)


def test_bad_semantic_kitti(tmp_path):
    one_line("semantic-kitti", tmp_path, "expected voxels/NNNNNN.label")
    folder = semantic_kitti(tmp_path / "08")
    file = folder / "voxels/000000.label"
    whole = file.read_bytes()
    file.write_bytes(whole[:-2])
    one_line("semantic-kitti", folder, "has 4194302 bytes, expected 4194304: one uint16 for each of 256 x 256 x 32")
    file.write_bytes(b"\x07\x00" + whole[2:])
    one_line("semantic-kitti", folder, "labels: unknown label id 7, expected one of SemanticKITTI's")
    file.write_bytes(whole)
    (folder / "voxels/000000.invalid").unlink()
    one_line("semantic-kitti", folder, "000000.invalid: cannot be read")
    np.zeros(100, np.uint8).tofile(folder / "voxels/000000.invalid")
    one_line("semantic-kitti", folder, "has 100 bytes, expected 262144: one bit")
    (folder / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1\n")
    one_line("semantic-kitti", folder, "poses.txt:1: expected 12 finite numbers, got 11")
    (folder / "poses.txt").write_text("2 0 0 0 0 1 0 0 0 0 1 0\n")
    one_line("semantic-kitti", folder, "poses.txt:1: expected rotations")
    (folder / "calib.txt").write_text("P0: 1 2 3\n")
    one_line("semantic-kitti", folder, "calib.txt: Tr: expected twelve numbers")
    one_line("semantic-kitti", folder, "held out; expected another sequence", held_out=True)
    one_line("semantic-kitti", folder, "has voxels and no sweeps", sweeps=True)


# --- CarlaSC ----------------------------------------------------------------------------------------------------------


def carla_sc(folder: Path, coordinates: str = "cartesian") -> Path:
    """Road all around, a house on the right (where their y grows), no sample behind it."""
    root = folder / "cartesian/evaluation"
    root.mkdir(parents=True)
    labels = np.zeros((128, 128, 8), np.uint32)
    labels[:, :, 1] = 7
    labels[:, 100, 2:6] = 1
    labels[80:91, 62:67, 2:6] = 10
    count = np.ones(labels.shape, np.float32)
    count[:, 101:] = 0
    for k in range(2):
        labels.tofile(root / f"{k:06}.label")
        count.tofile(root / f"{k:06}.bin")
    params = {"grid_size": [128.0, 128.0, 8.0], "min_bound": [-25.6, -25.6, -2.0], "max_bound": [25.6, 25.6, 1.0],
              "num_channels": 25, "coordinates": coordinates}  # fmt: skip
    (root / "params.json").write_text(json.dumps(params))
    # Half a turn to the right within CARLA's left-handed axes, and 3 m to the right.
    (root.parent / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n0 -1 0 0 1 0 0 3 0 0 1 0\n")
    (root.parent / "times.txt").write_text("0.0\n0.1\n")
    return folder


def test_carla_sc(tmp_path):
    (path,) = convert("carla-sc", carla_sc(tmp_path / "Town01_Light"), tmp_path / "data", every=1)
    town = read_town(path)
    assert town.maker == "CarlaSC" and town.stamp_us.tolist() == [0, 100_000]
    assert np.allclose(town.pose[1], [0, -3, 0, -np.pi / 2])  # to the right is negative y of ours
    one = town.sample(0, agents=False)
    house = at(5, -(100.5 * 0.4 - 25.6), 0.9)
    assert one.labels[house] == O.MANMADE and one.observed[house]
    assert not (one.labels[:, 100:] == O.MANMADE).any()  # nothing on the left
    assert not one.observed[at(5, -18, 0.9)] and one.observed[at(5, 18, 0.9)]
    assert one.labels[at(5, 3, 0)] == O.DRIVEABLE_SURFACE and not one.observed[at(30, 0, 0.5)]
    assert town.sample(0, agents=True).labels[at(8.6, 0.0, 0.9)] == O.CAR and channel(town, "car").sum() == 55


def test_bad_carla_sc(tmp_path):
    folder = carla_sc(tmp_path / "a", "cylindrical")
    one_line("carla-sc", folder, "coordinates: expected cartesian, got 'cylindrical'")
    folder = carla_sc(tmp_path / "b")
    (folder / "cartesian/evaluation/000001.bin").unlink()
    one_line("carla-sc", folder, "000001.bin: cannot be read", every=1)
    params = json.loads((folder / "cartesian/evaluation/params.json").read_text())
    for change, match in (({"grid_size": [64.0, 64.0, 8.0]}, "expected about 0.4"), ({"grid_size": "x"}, "params.json"),
                          ({"grid_size": [9e9, 1, 1]}, "whole numbers up to 512")):  # fmt: skip
        (folder / "cartesian/evaluation/params.json").write_text(json.dumps(params | change))
        one_line("carla-sc", folder, match)
    (folder / "cartesian/evaluation/params.json").write_text(json.dumps(params))
    labels = np.fromfile(folder / "cartesian/evaluation/000000.label", np.uint32)
    labels[5] = 2**31
    labels.tofile(folder / "cartesian/evaluation/000000.label")
    one_line("carla-sc", folder, "unknown label id 2147483648")


# --- nuScenes ---------------------------------------------------------------------------------------------------------

UPRIGHT = [1.0, 0.0, 0.0, 0.0]


def nuscenes(root: Path) -> None:
    """Tables of one scene whose ego stands at (100, 200) and looks along x, and the map of its place: a street along x,
    with a hole, a line in its middle, and a crossing."""
    (root / "v1.0-mini").mkdir(parents=True)
    (root / "maps/expansion").mkdir(parents=True)
    half = np.sqrt(0.5)
    tables = {
        "scene": [{"token": "s", "name": "scene-0061", "log_token": "l"}],
        "log": [{"token": "l", "location": "boston-seaport"}],
        "sample_annotation": [],
        "sample_data": [{"token": "d", "ego_pose_token": "p", "calibrated_sensor_token": "c", "timestamp": 1_500_000}],
        "ego_pose": [{"token": "p", "translation": [100.0, 200.0, 0.0], "rotation": UPRIGHT}],
        "calibrated_sensor": [{"token": "c", "translation": [0.8, 0.0, 1.8], "rotation": [half, 0.0, 0.0, -half]}],
    }
    for name, rows in tables.items():
        (root / f"v1.0-mini/{name}.json").write_text(json.dumps(rows))
    nodes, polygons = [], []

    def add(token: str, corners: list[tuple[float, float]]) -> list[str]:
        nodes.extend({"token": f"{token}{k}", "x": x, "y": y} for k, (x, y) in enumerate(corners))
        return [f"{token}{k}" for k in range(len(corners))]

    def box(token: str, x0: float, y0: float, x1: float, y1: float, holes: list | None = None) -> None:
        outline = add(token, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        polygons.append({"token": token, "exterior_node_tokens": outline, "holes": holes or []})

    box("road", 50, 195, 150, 205, [{"node_tokens": add("h", [(110, 196), (114, 196), (114, 198), (110, 198)])}])
    box("walk", 50, 205, 150, 208)
    box("cross", 120, 195, 123, 205)
    line = {"token": "line", "node_tokens": add("n", [(60, 200.1), (140, 200.1)])}
    data = {name: [] for name in ("stop_line", "carpark_area", "road_divider")} | {
        "version": "1.3", "node": nodes, "polygon": polygons, "line": [line],
        "drivable_area": [{"token": "a", "polygon_tokens": ["road"]}],
        "walkway": [{"token": "w", "polygon_token": "walk"}],
        "ped_crossing": [{"token": "x", "polygon_token": "cross"}],
        "lane_divider": [{"token": "m", "line_token": "line"}],
    }  # fmt: skip
    (root / "maps/expansion/boston-seaport.json").write_text(json.dumps(data))


def occ3d(folder: Path) -> Path:
    semantics = np.full((200, 200, 16), 17, np.uint8)
    semantics[:, :, 2] = 11
    semantics[:, 130:, 2] = 13
    semantics[:, 140, 3:10] = 15
    semantics[120:131, 98:103, 3:6] = 4
    mask = np.ones_like(semantics)
    mask[:, 141:] = 0
    place = folder / "gts/scene-0061/t0"
    place.mkdir(parents=True)
    np.savez_compressed(place / "labels.npz", semantics=semantics, mask_lidar=mask, mask_camera=mask)
    pose = {"translation": [100.0, 200.0, 0.0], "rotation": UPRIGHT}
    (folder / "annotations.json").write_text(json.dumps({
        "train_split": ["scene-0061", "scene-0062"], "val_split": ["scene-0001"],
        "scene_infos": {"scene-0061": {"t0": {"timestamp": "1532402927647951", "ego_pose": pose}}},
    }))  # fmt: skip
    return folder


def test_occ3d_from_above_and_from_the_map(tmp_path):
    (path,) = convert("occ3d", occ3d(tmp_path / "plain/occ3d"), tmp_path / "plain/data")
    town = read_town(path)
    assert path.name == "occ3d_scene-0061.npz" and town.maker == "nuScenes/Occ3D"
    assert town.stamp_us.tolist() == [1532402927647951] and np.allclose(town.pose, [[100, 200, 0, 0]])
    one = town.sample(0, agents=False)
    assert (one.labels[:, 140, 3:10] == O.MANMADE).all() and not one.observed[:, 141:].any()
    assert (one.labels[:, :130, 2] == O.DRIVEABLE_SURFACE).all() and not one.observed[:, :, 16:].any()
    assert town.sample(0, agents=True).labels[125, 100, 4] == O.CAR
    assert channel(town, "drivable_area")[:, :130].all() and channel(town, "walkway")[:, 131:139].all()
    assert channel(town, "unplanned").all() and not channel(town, "lane_divider").any()

    nuscenes(tmp_path / "mapped/nuscenes")
    (path,) = convert("occ3d", occ3d(tmp_path / "mapped/occ3d"), tmp_path / "mapped/data")
    town = read_town(path)
    drivable = channel(town, "drivable_area")
    assert drivable.sum() == 200 * 25 - 50 and not drivable[126:134, 90:94].any()  # 10 m wide, with a hole
    assert channel(town, "walkway")[:, 113:119].all() and channel(town, "ped_crossing")[150:157, 88:112].all()
    assert channel(town, "lane_divider")[:, 100].all() and channel(town, "unplanned").all()
    labels = town.sample(0, agents=False).labels
    assert labels[152, 95, 2] == O.PED_CROSSING and labels[60, 100, 2] == O.LANE_DIVIDER


def test_bad_occ3d(tmp_path):
    one_line("occ3d", tmp_path, "annotations.json: cannot be read")
    folder = occ3d(tmp_path / "a/occ3d")
    file = folder / "gts/scene-0061/t0/labels.npz"
    arrays = dict(np.load(file))
    np.savez(file, **{name: array[:100] for name, array in arrays.items()})
    one_line("occ3d", folder, r"labels.npz: semantics: expected uint8 .200, 200, 16., got 'uint8' .100, 200, 16.")
    np.savez(file, semantics=arrays["semantics"], mask_lidar=arrays["mask_lidar"])
    one_line("occ3d", folder, "mask_camera: not there")
    arrays["semantics"][0, 0, 0] = 18
    np.savez(file, **arrays)
    one_line("occ3d", folder, "semantics: unknown label id 18, expected one of Occ3D's 0 to 17")
    file.write_bytes(file.read_bytes()[:5000])
    one_line("occ3d", folder, "is damaged or something else, expected labels of Occ3D")
    file.unlink()
    one_line("occ3d", folder, "expected labels.npz of scenes of this split")
    nuscenes(tmp_path / "b/nuscenes")
    folder = occ3d(tmp_path / "b/occ3d")
    place = tmp_path / "b/nuscenes/maps/expansion/boston-seaport.json"
    data = json.loads(place.read_text())
    for change, match in (({"version": "1.0"}, "version: expected 1.3"),
                          ({"node": data["node"][:3]}, "has no node 'h3'"),
                          ({"line": []}, "lane_divider: has no line 'line'"),
                          ({"polygon": 5}, "is damaged")):  # fmt: skip
        place.write_text(json.dumps(data | change))
        one_line(
            "occ3d", tmp_path / "b/occ3d" if (tmp_path / "b/occ3d").exists() else occ3d(tmp_path / "b/occ3d"), match
        )


def nuscenes_occupancy(folder: Path, rows: np.ndarray | None = None) -> Path:
    place = folder / "scene_s/occupancy"
    place.mkdir(parents=True, exist_ok=True)
    if rows is None:
        solid = np.zeros((512, 512, 40), np.uint8)  # x to the right, y ahead
        solid[:, :, 16] = 11  # z in [-1.8, -1.6)
        solid[:, 320, 17:30] = 15  # a wall 12.8 m ahead, across
        solid[300:309, 240:262, 17:24] = 4  # a car on the right
        z, y, x = (axis.ravel() for axis in np.meshgrid(*map(np.arange, (40, 512, 512)), indexing="ij"))
        cls = solid.transpose(2, 1, 0).ravel()
        rows = np.stack([z, y, x, cls], axis=1)[cls > 0].astype(np.float64)
        rows = np.concatenate([rows, [[30, 256, 256, 0]]])  # noise
    np.save(place / "d.npy", rows)
    return folder


def test_nuscenes_occupancy(tmp_path):
    nuscenes(tmp_path / "nuscenes")
    (path,) = convert("nuscenes-occupancy", nuscenes_occupancy(tmp_path / "occ"), tmp_path / "data")
    town = read_town(path)
    assert path.name == "nuscenes-occupancy_scene-0061.npz" and town.maker == "nuScenes-Occupancy"
    assert np.allclose(town.pose, [[100, 200, 0, 0]], atol=1e-6) and town.stamp_us.tolist() == [1_500_000]
    one = town.sample(0, agents=False)
    assert one.labels[at(0.8 + 12.9, 5, 1.0)] == O.MANMADE and one.labels[at(0.8 + 12.9, -5, 1.0)] == O.MANMADE
    assert one.labels[at(0.8 - 12.9, 5, 1.0)] == O.FREE and one.observed[at(-12, 5, 1.0)]
    assert not one.observed[at(20, 5, 1.0)] and one.observed[at(20, 5, 0)]  # behind the wall; the ground is listed
    car = at(0.8 - 1.0, -(304 * 0.2 - 51.2), 0.9)
    assert town.sample(0, agents=True).labels[car] == O.CAR and one.labels[car] == O.FREE
    assert channel(town, "ped_crossing")[150:157, 88:112].all()  # from the map


def test_bad_nuscenes_occupancy(tmp_path):
    one_line("nuscenes-occupancy", nuscenes_occupancy(tmp_path / "a/occ"), "expected nuScenes' tables")
    nuscenes(tmp_path / "b/nuscenes")
    folder = tmp_path / "b/occ"
    for rows, match in ((np.array([[0, 0, 600, 11.0]]), "a voxel outside 512 x 512 x 40"),
                        (np.array([[0, 0, 0, 17.0]]), "unknown label id 17"),
                        (np.zeros((3, 5)), "expected rows of z, y, x"),
                        (np.array([[np.nan, 0, 0, 11.0]]), "expected finite numbers"),
                        (np.array([["a"] * 4]), "expected rows of z, y, x")):  # fmt: skip
        one_line("nuscenes-occupancy", nuscenes_occupancy(folder, rows), match)
    file = folder / "scene_s/occupancy/d.npy"
    np.save(file, np.zeros((9, 4)))
    file.write_bytes(file.read_bytes()[:-8])
    one_line("nuscenes-occupancy", folder, "but has 280 bytes")
    file.rename(file.with_name("other.npy"))
    one_line("nuscenes-occupancy", folder, "sample_data.json: token: has no row 'other'")


def test_classes_both_ways():
    assert (OCC3D.to_theirs == OCC3D_EXPORT).all()  # what we export
    for table in (OCC3D, NUSCENES_OCCUPANCY, SEMANTIC_KITTI, SEMANTIC_KITTI_VOXELS, CARLA_SC):
        theirs = table.to_theirs
        assert all(number < 0 or number in table.ours for number in theirs.tolist())
        for cls in set(table.ours.values()) - {UNKNOWN}:
            assert table.ours[int(theirs[cls])] == cls  # there and back
    assert NUSCENES_OCCUPANCY.to_theirs[O.FREE] == -1 and SEMANTIC_KITTI_VOXELS.to_theirs[O.FREE] == 0
    assert CARLA_SC.to_ours[[0, 1, 4, 6, 7, 8, 9, 10, 17, 22]].tolist() == [20, 15, 7, 19, 11, 13, 16, 4, 1, 14]
