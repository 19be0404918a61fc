"""KISS-ICP and Patchwork++ on sweeps of a short drive; without them the bench says what to install."""

import sys

import numpy as np
import pytest

from uniscene_sim.bench.consumers import drive, ground_scores, kiss_icp_poses
from uniscene_sim.cli.main import main
from uniscene_sim.geometry import Pose
from uniscene_sim.metrics.odometry import path_errors
from uniscene_sim.rigs.lidar_makes import lidar_model


@pytest.fixture(scope="module")
def driven():
    pytest.importorskip("kiss_icp", reason="needs the extra `consumers`")
    pytest.importorskip("pypatchworkpp", reason="needs the extra `consumers`")
    spec = lidar_model("hdl-64e", "lidar", Pose(0.81, 0.0, 1.73), azimuth_steps=521, max_range_m=50.0, deskewed=False)
    return drive("red_light", spec, 2.0)


def test_without_the_extra_the_bench_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "kiss_icp", None)
    assert main(["bench", "consumers"]) == 2
    assert "uniscene_sim[consumers]" in capsys.readouterr().err


def test_kiss_icp_follows_a_drive(driven):
    errors = path_errors(kiss_icp_poses(driven.spec, driven.sweeps), driven.poses, 8.0)
    assert errors.driven_m > 12
    # the first sweeps cost it some decimetres: it does not know yet that it moves
    assert errors.translation < 0.06 and np.abs(errors.end_m).max() < 0.6 and abs(errors.end_m[2]) < 0.1


def test_sweeps_whose_points_have_one_time_do_not_abort_it(driven):
    still = [s.__class__(**{**vars(s), "time_s": np.zeros_like(s.time_s)}) for s in driven.sweeps[:2]]
    assert np.isfinite(kiss_icp_poses(driven.spec, still)).all()


def test_patchwork_finds_the_ground(driven):
    precision, recall = ground_scores(driven.spec, driven.sweeps[:3])
    assert precision > 0.9 and recall > 0.9
