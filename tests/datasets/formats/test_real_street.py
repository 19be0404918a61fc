"""The real sequence of PandaSet, where it is: what its own sweeps say of the windows made of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.datasets.formats.pandaset import HELD_OUT, read_pandaset_street
from uniscene_sim.datasets.formats.street import UNKNOWN
from uniscene_sim.datasets.formats.street_windows import street_arrays
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GENERATED_GRID
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.taxonomy import OccClass

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(shared_data) -> Path:
    found = shared_data / "real/pandaset_002"
    if not found.is_dir():
        pytest.skip("needs ../shared/data/real/pandaset_002")
    return found


@pytest.fixture(scope="module")
def street(folder):
    whole = read_pandaset_street(folder)
    assert not {m.number for m in whole.moments} & set(HELD_OUT) and len(whole.moments) == 57
    return replace(whole, moments=whole.moments[24:54:6])


@pytest.fixture(scope="module")
def arrays(street):
    return street_arrays(street, street.moments[2:3])


def voxels_of(xyz: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Columns of a window in which points lie, and whether they do."""
    c, s = np.cos(pose.yaw), np.sin(pose.yaw)
    dx, dy = xyz[:, 0] - pose.x, xyz[:, 1] - pose.y
    ij = GENERATED_GRID.index(np.stack([c * dx + s * dy, c * dy - s * dx, 0 * dx], axis=1))[:, :2]
    return ij, ((ij >= 0) & (ij < 200)).all(axis=1)


def test_what_a_sweep_hits_is_occupied_by_its_class(street, arrays):
    """By column: heights are counted from a ground that the sweep does not tell."""
    moment = street.moments[2]
    sweep = street.sweep(moment)
    ij, inside = voxels_of(sweep.ends, moment.pose)
    labels = arrays["labels"][0]
    agents = np.full(labels.shape, OccClass.FREE, np.uint8)
    agents.ravel()[arrays["agents_voxel"]] = arrays["agents_label"]
    for cls, volume, least in ((OccClass.MANMADE, labels, 0.97), (OccClass.VEGETATION, labels, 0.9),
                               (OccClass.CAR, agents, 0.9), (OccClass.DRIVEABLE_SURFACE, labels, 0.9)):  # fmt: skip
        of_class = inside & (sweep.label == cls) & (sweep.moving if volume is agents else ~sweep.moving)
        assert of_class.sum() > 500
        i, j = ij[of_class].T
        assert (volume == cls).any(axis=2)[i, j].mean() > least, cls


def test_boxes_hold_the_points_of_their_class(street):
    sweep = street.sweep(street.moments[2])
    assert sweep.moving[sweep.label == OccClass.CAR].all()  # others are left out as unknown
    assert (sweep.label == UNKNOWN).mean() < 0.02
    assert not np.isin(sweep.label[sweep.moving], (OccClass.MANMADE, OccClass.VEGETATION)).mean() > 0.1


def test_rays_begin_at_the_two_lidars(street):
    moment = street.moments[2]
    sweep = street.sweep(moment)
    for number, ahead_m, height_m in ((0, 1.45, 2.24), (1, 2.05, 1.94)):
        local = sweep.origins[sweep.sensor == number] - moment.pose.position
        c, s = np.cos(moment.pose.yaw), np.sin(moment.pose.yaw)
        along = local[:, 0] * c + local[:, 1] * s
        assert np.median(along) == pytest.approx(ahead_m, abs=0.25)  # it drives on while a sweep lasts
        assert np.median(local[:, 2]) == pytest.approx(height_m, abs=0.15)


def test_the_street_from_above(arrays):
    """A road ahead with a line, nothing of houses told, a third of the window seen."""
    layout = arrays["layout"][0]
    has = {name: (layout >> np.uint32(k) & 1) > 0 for k, name in enumerate(CONDITION_CHANNELS)}
    assert has["drivable_area"][100:150, 98:103].mean() > 0.9 and has["lane_divider"].sum() > 200
    assert has["unplanned"].all() and not has["building"].any() and not has["vegetation"].any()
    assert has["car"].sum() * 0.16 > 20 * 6.0
    seen = (arrays["observed"][0][..., None] >> np.arange(32, dtype=np.uint32) & 1) > 0
    assert 0.15 < seen.mean() < 0.6 and seen[100:140, 98:103, 2:8].mean() > 0.8
    labels = arrays["labels"][0]
    assert (labels[~seen] == OccClass.FREE).all()  # nothing is made up
    assert not np.isin(labels, (OccClass.CAR, OccClass.PEDESTRIAN, OccClass.TRUCK)).any()
