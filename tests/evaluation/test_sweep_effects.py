"""Effects of real sweeps, counted in synthetic and in recorded points."""

import numpy as np
import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.sweep_effects import SweepInSensor, count_effects, read_drive
from uniscene_sim.rigs.presets import PRESETS

SENSOR = PRESETS["pandaset"]().lidars[0]


def points(range_m: np.ndarray, turned: float = 0.0) -> np.ndarray:
    """Points float64 (1800 * 64, 3) m of a range for each ring (64,), at azimuths that drift by `turned` steps."""
    step = np.arange(1800) + turned * np.arange(1800) / 1800
    azimuth, elevation = np.meshgrid(step * 2 * np.pi / 1800 - np.pi, SENSOR.elevation_rad, indexing="ij")
    flat = np.cos(elevation)
    xyz = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=2)
    return (xyz * range_m[None, :, None]).reshape(-1, 3)


def test_counts():
    """Columns that drift through a whole step are no holes; what is missing is."""
    rng = np.random.default_rng(0)
    xyz, n = points(np.full(64, 20.0), turned=-1.0), 1800 * 64
    bright = rng.integers(1, 255, n)
    whole = count_effects("x", [SweepInSensor(xyz, bright, np.zeros(n, bool), np.zeros(n, bool))], SENSOR)
    assert (whole.points, whole.near, whole.holes, whole.dark, whole.saturated, whole.behind) == (n, 0, 0, 0, 0, 0)
    gone = rng.random(n) < 0.05
    behind = ~gone & (rng.random(n) < 0.01)
    xyz[behind] *= 2.0
    bright[:1152], bright[1152:1728] = 0, 255
    xyz[:100] *= 0.1
    made = count_effects("x", [SweepInSensor(xyz[~gone], bright[~gone], behind[~gone], behind[~gone])], SENSOR)
    assert made.near == pytest.approx(95, abs=8)
    assert made.holes == pytest.approx(0.05, abs=0.005)
    assert made.dark == pytest.approx(0.01, rel=0.1) and made.saturated == pytest.approx(0.005, rel=0.1)
    assert made.behind == pytest.approx(0.01, rel=0.1) and made.ghosts == pytest.approx(0.01, rel=0.1)


def test_real_sweeps(shared_data, tmp_path):
    made = count_effects("real", read_drive(shared_data / "real/pandaset_002", [5]), SENSOR)
    assert made.sweeps == 1 and 600 < made.body <= made.near < 700
    assert 0.005 < made.holes < 0.03 and 0.1 < made.dark < 0.15 and 0.005 < made.saturated < 0.01
    with pytest.raises(InputError, match="none of the frames"):
        list(read_drive(shared_data / "real/pandaset_002", [56]))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_drive(tmp_path, [0]))
