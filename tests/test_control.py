"""Controls and trajectories: finite numbers, or an `InputError` that names the field."""

import numpy as np
import pytest

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError

NONE = ["a", "1", None, [1], {}, 1j, b"x", float("nan"), float("inf"), 10**400, np.zeros(2), object()]


@pytest.mark.parametrize("value", NONE, ids=range(len(NONE)))
@pytest.mark.parametrize("field", ["steer_rad", "accel_mps2"])
def test_a_control_is_two_numbers(field, value):
    with pytest.raises(InputError, match=f"control.{field}") as told:
        Control(**{field: value})
    assert len(str(told.value)) <= 300 and str(told.value).isprintable()


@pytest.mark.parametrize(
    "points", ["a", None, [1], [[0, 0, 0]], [["a", 0, 0]] * 2, [[0, 0], [1]], [[0, 0, 10**400]] * 2]
)
def test_a_trajectory_is_rows_of_numbers(points):
    with pytest.raises(InputError, match=r"control\.trajectory"):
        Trajectory(points)


def test_numbers_of_numpy_are_numbers():
    assert Control(np.float32(0.5), np.int64(1)) == Control(0.5, 1)
