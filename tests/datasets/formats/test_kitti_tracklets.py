"""Boxes of KITTI's raw recordings.

Checked in the parser that KITTI's site offers (parseTrackletXML.py) and its users: sizes h, w, l; places of the floor
in the LiDAR's frame, turned about z; frames counted from `first_frame`; truncation 0 and 1 are in view.
"""

from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.datasets.formats.kitti import read_kitti_street
from uniscene_sim.datasets.formats.kitti_tracklets import read_tracklets
from uniscene_sim.errors import InputError
from uniscene_sim.taxonomy import AgentClass, OccClass

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>\n<!DOCTYPE boost_serialization>\n'


def tracklet(kind: str, size: tuple[float, float, float], first: int, *poses: tuple[float, ...], seen: int = 0) -> str:
    """An object of some length, width and height, with poses x, y, z, yaw from a frame on."""
    length, width, height = size
    rows = "".join(
        f"<item><tx>{x}</tx><ty>{y}</ty><tz>{z}</tz><rx>0</rx><ry>0</ry><rz>{yaw}</rz><state>2</state>"
        f"<occlusion>0</occlusion><occlusion_kf>0</occlusion_kf><truncation>{seen}</truncation></item>"
        for x, y, z, yaw in poses
    )
    return (f"<item><objectType>{kind}</objectType><h>{height}</h><w>{width}</w><l>{length}</l>"
            f"<first_frame>{first}</first_frame><poses><count>{len(poses)}</count><item_version>2</item_version>{rows}"
            "</poses><finished>1</finished></item>")  # fmt: skip


def tracklets_text(*items: str) -> str:
    return (f'{HEAD}<boost_serialization signature="serialization::archive" version="9"><tracklets><count>{len(items)}'
            f"</count><item_version>1</item_version>{''.join(items)}</tracklets></boost_serialization>")  # fmt: skip


def drive(folder: Path) -> Path:
    """Two frames of a car that stands 10 m to the left of us, who drive north, 1.1 m a frame."""
    drive = folder / "2011_09_26/2011_09_26_drive_0001_sync"
    (drive / "oxts/data").mkdir(parents=True)
    (drive / "velodyne_points/data").mkdir(parents=True)
    turn = "R: 1 0 0 0 1 0 0 0 1\nT: 0 0 0\n"
    (drive.parent / "calib_imu_to_velo.txt").write_text(turn)
    for k in range(2):
        packet = [49.0 + 1e-5 * k, 8.4, 110.0, 0.0, 0.0, np.pi / 2, *[0.0] * 24]
        (drive / f"oxts/data/{k:010}.txt").write_text(" ".join(map(str, packet)))
        points = [[5.2, 10, -1, 0.5], [5.2, 10, -1.7, 0.5], [-6, 10, -1, 0.5]]  # in the box, below it, and beside it
        np.array(points, "<f4").tofile(drive / f"velodyne_points/data/{k:010}.bin")
    stamps = "2011-09-26 13:02:25.951199337\n2011-09-26 13:02:26.051199337\n"
    (drive / "velodyne_points/timestamps.txt").write_text(stamps)
    return drive


def test_boxes_are_those_of_the_frames_in_which_they_are_in_view(tmp_path):
    size = (4.0, 1.8, 1.5)
    text = tracklets_text(
        tracklet("Van", size, 3, (5, 10, -1.7, 0.1), (6, 10, -1.7, 0.2)), tracklet("Misc", size, 0, (1, 1, 1, 0)),
        tracklet("Cyclist", size, 0, (5, 5, -1.7, 0), seen=2), tracklet("Cyclist", size, 4, (5, 5, -1.7, 0), seen=1),
    )  # fmt: skip
    (tmp_path / "tracklet_labels.xml").write_text(text)
    found = read_tracklets(tmp_path / "tracklet_labels.xml")
    assert [(box.frame, box.number, box.cls) for box in found] == [
        (3, 1, AgentClass.CAR), (4, 1, AgentClass.CAR), (4, 4, AgentClass.BICYCLE),
    ]  # fmt: skip
    assert found[1].foot.tolist() == [6, 10, -1.7] and found[1].yaw == 0.2 and found[1].size.tolist() == list(size)


def test_agents_of_a_raw_recording_lie_in_the_world_and_have_their_points(tmp_path):
    folder = drive(tmp_path)
    boxes = tracklets_text(tracklet("Car", (4.0, 1.8, 1.5), 1, (5, 10, -1.73, np.pi / 2)))
    (folder / "tracklet_labels.xml").write_text(boxes)
    street = read_kitti_street(folder)
    first, second = street.moments
    assert not len(first.agents) and len(second.agents) == 1 and any("in view" in line for line in street.losses)
    sweep = street.sweep(second)
    assert sweep.label.tolist() == [OccClass.CAR, 255, 255] and sweep.moving.tolist() == [True, False, False]
    assert street.sweep(first).label.tolist() == [255] * 3
    # Looking north, 5 m ahead is north and 10 m to the left is west.
    agent = second.agents[0]
    north = sweep.origins[0, 1]
    assert agent["pos"][:2] == pytest.approx([sweep.origins[0, 0] - 10, north + 5], abs=1e-3)
    assert agent["pos"][2] == pytest.approx(sweep.origins[0, 2] - 1.73, abs=1e-3)
    assert np.cos(agent["rpy"][2]) == pytest.approx(-1, abs=1e-6)
    assert agent["size"].tolist() == pytest.approx([4, 1.8, 1.5])


@pytest.mark.parametrize(("old", "new", "told"), [
    ("<h>1.5</h>", "<h>tall</h>", "h: expected a number from 0 to 100, got 'tall'"), ("<l>4.0</l>", "", "l: expected"),
    ("<tx>5</tx>", "<tx>nan</tx>", "tx: expected"), ("<first_frame>1<", "<first_frame>-1<", "first_frame: expected"),
    (">Car<", ">Spaceship<", "objectType: expected one of Car"), ("boost_serialization s", "other s", "expected"),
    ("<tracklets>", "<tracklets><", "expected boxes of KITTI"),
    ("<w>1.8</w>", "<w>&lol;</w>", "expected boxes of KITTI"),
])  # fmt: skip
def test_damaged_boxes_give_one_message(tmp_path, old, new, told):
    folder = drive(tmp_path)
    text = tracklets_text(tracklet("Car", (4.0, 1.8, 1.5), 1, (5, 10, -1.7, 0)))
    assert old in text
    (folder / "tracklet_labels.xml").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=told) as error:
        read_kitti_street(folder)
    assert "tracklet_labels.xml" in str(error.value) and "\n" not in str(error.value)


def test_entities_are_refused(tmp_path):
    text = tracklets_text(tracklet("Car", (4.0, 1.8, 1.5), 1, (5, 10, -1.7, 0)))
    bomb = text.replace("<!DOCTYPE boost_serialization>", '<!DOCTYPE boost_serialization [<!ENTITY a "1">]>')
    (tmp_path / "t.xml").write_text(bomb.replace("<h>1.5</h>", "<h>&a;</h>"))
    with pytest.raises(InputError, match="defines entities"):
        read_tracklets(tmp_path / "t.xml")
