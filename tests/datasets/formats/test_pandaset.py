"""A street in PandaSet's format, made on the spot, as windows; and the real sequence, where it is."""

import json
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.cli.main import main
from uniscene_sim.datasets.formats.class_maps import PANDASET, PANDASET_BOXES, PANDASET_LEFT_OUT
from uniscene_sim.datasets.formats.convert import convert
from uniscene_sim.datasets.formats.pandaset import read_pandaset_street
from uniscene_sim.datasets.formats.street import UNKNOWN
from uniscene_sim.datasets.formats.sweep_file import read_seen_sweep
from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, OccClass

pytestmark = pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
GROUND_M = -0.4  # below the origin of the frame of the car
LIDAR = np.array([-0.005, 0.7781, 1.8561])


def pandaset(folder: Path, frames: int = 4, label: int = 7) -> Path:
    """A car that goes to the north (their y), 0.5 m a frame: road all around, a house 12 m to its right (their x), a
    parked car 8 m ahead on its left."""
    for name in ("cuboids", "lidar"):
        (folder / name).mkdir(parents=True)
    times = [100.0 + 0.1 * k for k in range(frames)]
    upright = {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}
    poses = [{"position": {"x": 0.0, "y": 0.5 * k, "z": 0.0}, "heading": upright} for k in range(frames)]
    (folder / "lidar/poses.json").write_text(json.dumps(poses))
    (folder / "lidar/timestamps.json").write_text(json.dumps(times))
    box = {"uuid": "a", "label": "Car", "yaw": 0.0, "cuboids.sensor_id": -1, "dimensions.x": 1.9, "dimensions.y": 4.6,
           "dimensions.z": 1.6, "position.x": -6.0, "position.y": 8.0, "position.z": GROUND_M + 0.8}  # fmt: skip
    for k in range(frames):
        (folder / f"cuboids/{k:02d}.json").write_text(json.dumps([box]))
        x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-15, 12, 0.1), np.arange(-15, 15, 0.1)))
        road = np.stack([x, y + 0.5 * k, np.full_like(x, GROUND_M)], axis=1)
        y, z = (axis.ravel() for axis in np.meshgrid(np.arange(-15, 15, 0.1), np.arange(0.05, 5, 0.1)))
        wall = np.stack([np.full_like(y, 12.1), y + 0.5 * k, z + GROUND_M], axis=1)
        y, z = (axis.ravel() for axis in np.meshgrid(np.arange(5.8, 10.2, 0.1), np.arange(0.1, 1.5, 0.1)))
        car = np.stack([np.full_like(y, -5.06), y, z + GROUND_M], axis=1)
        xyz = np.concatenate([road, wall, car])
        np.savez(
            folder / f"lidar/{k:02d}.npz",
            xyz_2cm=np.round(xyz / 0.02).astype(np.int16),
            origin=np.zeros(3),
            intensity=np.full(len(xyz), 51, np.uint8),
            t0=np.float64(times[k]),
            t_100us=np.zeros(len(xyz), np.uint16),
            label=np.repeat([label, 41, 13], [len(road), len(wall), len(car)]).astype(np.uint8),
            sensor=np.zeros(len(xyz), np.uint8),
        )
    return folder


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pandaset")
    (path,) = convert("pandaset", pandaset(folder / "001"), folder / "data", every=3, sweeps=True)
    assert path == folder / "data/real_train/pandaset_001.npz"
    return folder, read_town(path)


def test_labels_lie_where_they_were_seen(windows):
    _, town = windows
    assert len(town) == 2 and town.maker == "PandaSet" and town.stamp_us.tolist() == [0, 300_000]
    one = town.sample(0, agents=False)
    # base_link is 0.67 m behind the origin of their frame; x of ours is their y, y of ours their -x.
    i, j = int((5.0 + 0.672 + 40) / 0.4), int((40 - 12.1) / 0.4)
    assert (one.labels[i, j, 3:14] == OccClass.MANMADE).all() and one.observed[i, j, 3:14].all()
    assert (one.labels[i, j, 15:] == OccClass.FREE).all() and not one.observed[i, j - 3, 3:].any()  # behind the wall
    assert one.labels[100, 110, 2] == OccClass.DRIVEABLE_SURFACE and (one.labels[100, 110, 3:] == OccClass.FREE).all()
    assert one.observed[108, 105, 2] and one.observed[108, 90, 3:6].all() and not one.observed[108, 90, 25:].any()
    assert town.pose[0, 2] == pytest.approx(GROUND_M, abs=0.02) and town.pose[0, 3] == pytest.approx(np.pi / 2)


def test_agents_are_boxes_and_leave_nothing_static(windows):
    folder, town = windows
    alone, all_of_it = town.sample(0, agents=False), town.sample(0, agents=True)
    i, j = int((8.0 + 0.672 + 40) / 0.4), int((6.0 + 40) / 0.4)
    assert (all_of_it.labels[i, j, 2:6] == OccClass.CAR).all() and (alone.labels[i, j, 3:] == OccClass.FREE).all()
    assert not (alone.labels == OccClass.CAR).any() and all_of_it.observed[i, j, 2:6].all()
    volume = (all_of_it.labels == OccClass.CAR).sum() * 0.4**3
    assert volume == pytest.approx(4.6 * 1.9 * 1.6, rel=0.2)
    with np.load(folder / "data/real_train/pandaset_001.npz") as file:
        assert set(file["agents_instance"].tolist()) == {1}


def test_layouts_come_from_above(windows):
    _, town = windows
    layout = dict(zip(CONDITION_CHANNELS, town.sample(0, agents=True).layout, strict=True))
    assert layout["unplanned"].all() and not layout["building"].any() and not layout["vegetation"].any()
    assert layout["drivable_area"][100, 100] and layout["drivable_area"][110, 95]
    assert not layout["drivable_area"][100, int((40 - 14) / 0.4)]
    assert layout["car"].sum() * 0.16 == pytest.approx(4.6 * 1.9, rel=0.25)  # cells by their middle
    assert not town.sample(0, agents=False).layout[CONDITION_CHANNELS.index("car")].any()


def test_rays_begin_where_the_lidar_was(windows):
    folder, _ = windows
    sweep = read_seen_sweep(folder / "data/sweeps/pandaset_001/000002.npz")
    assert np.allclose(sweep.origins, LIDAR + np.array([0, 1.0, 0]), atol=1e-4)
    assert sweep.moving.sum() == (sweep.label == OccClass.CAR).sum() > 100 and np.allclose(sweep.intensity, 0.2)
    wall = sweep.label == OccClass.MANMADE
    assert np.allclose(sweep.ends[wall, 0], 12.1, atol=0.011)


def test_frames_from_60_on_are_held_out(tmp_path):
    folder = pandaset(tmp_path / "001", frames=62)
    assert [m.number for m in read_pandaset_street(folder).moments] == list(range(60))
    assert [m.number for m in read_pandaset_street(folder, held_out=True).moments] == [60, 61]
    (path,) = convert("pandaset", folder, tmp_path / "data", held_out=True)
    assert path == tmp_path / "data/real_test/pandaset_001.npz" and len(read_town(path)) == 1


def test_classes_both_ways():
    """Names and numbers were compared with `classes.json` of the sequence; boxes with the development kit's list."""
    assert PANDASET.to_ours[[5, 7, 8, 11, 13, 30, 37, 41]].tolist() == [16, 11, 19, 13, 4, 7, 8, 15]
    assert (PANDASET.to_ours[:5] == UNKNOWN).all() and len(PANDASET.to_ours) == 43
    for cls in OccClass:
        number = PANDASET.to_theirs[cls]
        if number >= 0 and cls not in (OccClass.OTHERS, OccClass.OTHER_FLAT, OccClass.PED_CROSSING,
                                       OccClass.ROAD_DIVIDER):  # fmt: skip
            assert PANDASET.to_ours[number] == cls
    assert PANDASET.to_theirs[OccClass.FREE] == -1
    assert set(AGENT_OCC_CLASS[list(PANDASET_BOXES.values())]) <= set(PANDASET.to_ours.tolist())
    assert not set(PANDASET_BOXES) & PANDASET_LEFT_OUT


def refused(folder: Path, match: str, kind: str = "pandaset", **options) -> None:
    with pytest.raises(InputError, match=match) as error:
        convert(kind, folder, folder.parent / "data", **options)
    assert len(str(error.value).splitlines()) == 1 and not list((folder.parent / "data").glob("*/*.npz"))


def test_bad_sequences_are_refused_in_one_line(tmp_path):
    folder = pandaset(tmp_path / "a", label=77)
    refused(folder, "00.npz: label: unknown label id 77, expected one of PandaSet's 0 to 42")
    refused(folder, "has 4 sweeps, expected some from 60 on", held_out=True)
    refused(folder, "no format 'pandasets' .did you mean pandaset", kind="pandasets")
    refused(tmp_path / "none", "is no folder")
    folder = pandaset(tmp_path / "b")
    whole = (folder / "lidar/01.npz").read_bytes()
    (folder / "lidar/01.npz").write_bytes(whole[: len(whole) // 2])
    refused(folder, "01.npz.* is damaged or something else")
    np.savez(folder / "lidar/01.npz", xyz_2cm=np.zeros((5, 3), np.int16))
    refused(folder, "01.npz: origin: not there")
    for k in range(4):
        (folder / f"lidar/{k:02d}.npz").unlink()
    refused(folder, "lidar: expected labelled sweeps")
    folder = pandaset(tmp_path / "c")
    box = json.loads((folder / "cuboids/02.json").read_text())[0]
    (folder / "cuboids/02.json").write_text(json.dumps([box | {"label": "Spaceship"}]))
    refused(folder, r"02.json: \[0\].label: unknown label 'Spaceship'")
    (folder / "cuboids/02.json").write_text(json.dumps([box | {"dimensions.x": 0.0}]))
    refused(folder, r"02.json: \[0\]: expected finite numbers and sizes above 0")


def test_the_command(tmp_path, capsys):
    folder = pandaset(tmp_path / "001", frames=2)
    arguments = ["train", "data", "--from", "pandaset", str(folder), "--data", str(tmp_path / "data")]
    assert main([*arguments, "--every", "1"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "data/real_train/pandaset_001.npz")
    assert len(read_town(tmp_path / "data/real_train/pandaset_001.npz")) == 2
    assert main([*arguments, "--held-out"]) == 2
    assert "has 2 sweeps, expected some from 60 on" in capsys.readouterr().err
    assert main([*arguments, "--held-out", "monaco"]) == 2
    assert "--held-out: names towns of --maps" in capsys.readouterr().err
    assert main(["train", "data", "--sweeps"]) == 2
    assert "--sweeps: is of recorded streets, expected --from FORMAT FOLDER too" in capsys.readouterr().err
    assert main(["train", "data", "--held-out"]) == 2
    assert "--held-out: is of recorded streets or real maps, expected --from or --maps too" in capsys.readouterr().err
