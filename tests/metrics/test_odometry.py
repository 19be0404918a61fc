"""Errors of odometry on paths whose errors are known."""

import numpy as np
import pytest

from uniscene_sim.geometry import Pose
from uniscene_sim.metrics.odometry import path_errors


def path(climb: float = 0.0, pitch_deg_per_m: float = 0.0, metres: int = 60) -> np.ndarray:
    """A straight path, one pose each metre."""
    return np.array([Pose(x, 2.0, climb * x, pitch=np.radians(pitch_deg_per_m * x)).matrix for x in range(metres + 1)])


def test_a_path_that_climbs_has_the_error_of_its_climb():
    errors = path_errors(path(climb=0.01), path(), 50.0)
    assert errors.driven_m == pytest.approx(60.0)
    assert errors.translation == pytest.approx(0.01) and errors.rotation_deg_per_m == pytest.approx(0.0, abs=1e-9)
    assert errors.end_m == pytest.approx([0.0, 0.0, 0.6])


def test_a_path_that_turns_up_has_the_error_of_its_pitch():
    errors = path_errors(path(pitch_deg_per_m=-0.02), path(), 50.0)
    assert errors.rotation_deg_per_m == pytest.approx(0.02)
    assert errors.end_pitch_deg == pytest.approx(-1.2)


def test_frames_of_the_paths_do_not_matter_and_a_short_path_has_no_sub_paths():
    elsewhere = Pose(5.0, -3.0, 1.0, yaw=1.0).matrix
    errors = path_errors(elsewhere @ path(), path(), 50.0)
    assert errors.translation == pytest.approx(0.0, abs=1e-12) and errors.end_m == pytest.approx(np.zeros(3), abs=1e-9)
    assert np.isnan(path_errors(path(metres=20), path(metres=20), 50.0).translation)
