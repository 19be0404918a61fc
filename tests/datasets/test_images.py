"""Images of towns with their exact buffers: written once, read back whole, their buffers made again to the last bit."""

from dataclasses import fields, replace

import numpy as np
import pytest

from uniscene_sim.annotations.flow import camera_flow
from uniscene_sim.cli.main import main
from uniscene_sim.datasets.drives import sample_drives
from uniscene_sim.datasets.images import make_images, read_images, simulate_images
from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraBuffers
from uniscene_sim.geometry import Pose
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.rig import CameraSpec
from uniscene_sim.taxonomy import AgentClass

SEED = 10_001
FRONT = CameraSpec("front", 80, 48, 45.0, 45.0, 40.0, 24.0, Pose(1.6, 0.0, 1.5), max_range_m=50.0)
LEFT = CameraSpec("left", 60, 60, 18.0, 18.0, 30.0, 30.0, Pose(0.5, 0.9, 1.4, yaw=1.5), max_range_m=50.0,
                  model="fisheye", distortion=(0.01, -0.002), ego_visible=True)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("data")
    make_images(out, "validation", [SEED], (FRONT, LEFT), drives=1)
    return out


@pytest.fixture(scope="module")
def path(folder):
    return folder / "images" / "validation" / f"town_{SEED}_0.npz"


@pytest.fixture(scope="module")
def simulated():
    town = make_town(SEED)
    return simulate_images(town, SEED, list(sample_drives(town, SEED, 6, signal_heads=True)), (FRONT, LEFT))


def test_what_is_read_is_what_was_simulated(path, simulated):
    read = read_images(path)
    assert len(read) == 6 and (read.seed, read.style) == (SEED, simulated.style)
    assert [replace(spec, distortion=()) for spec in read.cameras] == [
        replace(spec, distortion=()) for spec in (FRONT, LEFT)
    ]
    for camera in ("front", "left"):
        for moment in range(6):
            np.testing.assert_array_equal(read.rgb(camera, moment), simulated.rgb(camera, moment))
            one, other = read.buffers(camera, moment), simulated.buffers(camera, moment)
            for field in fields(CameraBuffers):
                np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)
    for one, other in zip(read.layouts, simulated.layouts, strict=True):
        assert one.stamp_us == other.stamp_us and one.ego_pose == other.ego_pose
        np.testing.assert_array_equal(one.agents, other.agents)


def test_motion_leads_to_the_moment_before(path):
    """What stands still and is seen in both images has the same coordinates where its motion points."""
    read = read_images(path, ["front"])
    assert [spec.name for spec in read.cameras] == ["front"] and read.buffers("front", 0).motion is None
    with_motion, without = [], []
    for moment in range(1, 6):
        before, now = read.buffers("front", moment - 1), read.buffers("front", moment)
        flow, _, occluded = camera_flow(read.layouts[moment], now, (read.layouts[moment - 1], before), read.cameras[0])
        np.testing.assert_array_equal(flow, now.motion)
        v, u = np.nonzero(~occluded & (now.instance == 0) & (now.depth < 12.0))
        at = (now.motion[v, u] + np.stack([u, v], axis=1) + 0.5).astype(int)
        here = now.coordinates[v, u] + now.origin
        for errors, i, j in ((with_motion, at[:, 1], at[:, 0]), (without, v, u)):
            errors.append(np.linalg.norm(before.coordinates[i, j] + before.origin - here, axis=1))
    moved, stale = (np.nanmedian(np.concatenate(errors)) for errors in (with_motion, without))
    assert stale > 1.0 and moved < 0.15 * stale, "but for the size of pixels"


def test_signal_heads_are_seen_on_request():
    town = make_town(10_000)
    for wanted in (False, True):
        sample = next(sample_drives(town, 10_000, 1, signal_heads=wanted))
        assert (sample.agents["cls"] == AgentClass.SIGNAL_HEAD).any() == wanted


def test_existing_files_are_kept_and_missing_ones_added(folder, path):
    before = path.stat().st_mtime_ns
    make_images(folder, "validation", [SEED], (FRONT, LEFT), drives=1)
    assert path.stat().st_mtime_ns == before and list(path.parent.iterdir()) == [path]


def test_damage_and_what_cannot_be_are_refused(path, tmp_path):
    with pytest.raises(InputError, match="no camera 'rear', expected some of front, left"):
        read_images(path, ["rear"])
    arrays = dict(np.load(path))
    for name, wrong, match in (
        ("agents_of", arrays["agents_of"] + 1, "agents_of"),
        ("left/depth", arrays["left/depth"][:, :-1], "left/depth|depth"),
        ("model", np.array(["pinhole", "mirror"]), "no lens model 'mirror'"),
    ):
        np.savez(tmp_path / "wrong.npz", **(arrays | {name: wrong}))
        with pytest.raises(InputError, match=match):
            read_images(tmp_path / "wrong.npz")
    with pytest.raises(InputError, match="expected one at least"):
        make_images(tmp_path, "train", [1], ())
    with pytest.raises(InputError, match="is not of train"):
        make_images(tmp_path, "train", [SEED], (FRONT,))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rig", "rl"], "--rig: is of images"),
        (["--images", "--maps", "x"], "--images: are of seeded towns"),
        (["--images", "--from", "kitti", "x"], "--images: are of seeded towns"),
    ],
)
def test_options_that_do_not_go_together(options, told, capsys):
    assert main(["train", "data", *options]) == 2
    assert told in capsys.readouterr().err
