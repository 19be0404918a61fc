"""Keyed random numbers: the same in Python and kernels, uniform, unrelated between neighbours, whole keys alone."""

import numba
import numpy as np
import pytest
from numba import njit

from uniscene_sim.compute.keyed_random import (
    key_of,
    normal_pair,
    unit_hash,
    unit_hash2,
    unit_hash3,
    unit_hash4,
    unit_hash5,
)
from uniscene_sim.compute.value_noise import value_noise
from uniscene_sim.occupancy.learned.tile_latents import world_noise

SEEDS = [0, 1, 2**31, 2**32 - 1, 2**63 - 1]
BY_COUNT = {2: unit_hash2, 3: unit_hash3, 4: unit_hash4, 5: unit_hash5}


@njit(cache=True)
def cube(seed, size):
    """Numbers of the cells of a cube about the origin."""
    out = np.empty((size, size, size))
    for i in range(size):
        for j in range(size):
            for k in range(size):
                out[i, j, k] = unit_hash5(seed, 1, i - size // 2, j - size // 2, k - size // 2)
    return out


@pytest.mark.parametrize("count", BY_COUNT)
def test_kernels_give_what_python_gives(count):
    keys = np.random.default_rng(count).integers(-(2**63), 2**63, (50, count), dtype=np.int64)
    keys[25:] %= 7
    for row in keys.tolist():
        assert BY_COUNT[count](*row) == unit_hash(*row)
    key = key_of(4, "front")
    rest = tuple(range(count - 1))
    assert BY_COUNT[count](key, *rest) == unit_hash(key, *rest) == unit_hash(int(key), *rest)
    assert BY_COUNT[count](np.int32(-5), *rest) == unit_hash(-5, *rest)


def test_values_are_those_that_traffic_and_spawns_have_always_had():
    assert [unit_hash(), unit_hash(0), unit_hash(3, 1, 4), unit_hash(-1, 2**63)] == [
        0.16724512218247456, 0.8153915376230323, 0.47327816485805985, 0.09746812582747422,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize(
    "use",
    [
        lambda seed, i, j, k: unit_hash(7, seed, i, j, k),
        lambda seed, i, j, k: unit_hash(seed, i, j, k),
        lambda seed, i, j, k: unit_hash2(seed, i + 80 * j + 6400 * k),
        lambda seed, i, j, k: unit_hash3(seed, i + 80 * j, k),
        lambda seed, i, j, k: unit_hash4(seed, i, j, k),
        lambda seed, i, j, k: unit_hash5(7, seed, i, j, k),
        lambda seed, i, j, k: normal_pair(unit_hash5(seed, i, j, k, 0), unit_hash5(seed, i, j, k, 1))[1],
        lambda seed, i, j, k: value_noise(float(i), float(j + 100 * k), seed),
        lambda seed, i, j, k: unit_hash(key_of(seed, "front"), i, j, k),
    ],
)
def test_no_two_of_80_neighbours_share_a_number(use, axis, seed):
    line = np.zeros((80, 3), int)
    line[:, axis] = np.arange(-40, 40)
    assert len({use(seed, *cell) for cell in line.tolist()}) == 80


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_of_80_neighbours_share_the_noise_of_latents(seed):
    noise = world_noise(seed, 2, -40, -40, 80)
    assert all(len(set(row.tolist())) == 80 for row in (noise[0, :, 5], noise[1, :, 5], noise[0, 5], noise[1, 5]))


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_uniform_and_neighbours_unrelated_in_each_key(seed):
    u = cube(seed, 96)
    assert 0.0 <= u.min() and u.max() < 1.0 and len(np.unique(u)) == u.size
    counts = np.bincount((256 * u).astype(int).ravel(), minlength=256)
    assert chi_squared(counts) < 255 + 5 * np.sqrt(2 * 255)
    for axis in range(3):
        for step in (1, 2, 8):
            a, b = u.take(range(96 - step), axis).ravel(), u.take(range(step, 96), axis).ravel()
            assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(a.size)
            pairs = np.histogram2d(a, b, 16, [[0, 1], [0, 1]])[0]
            assert chi_squared(pairs) < 255 + 5 * np.sqrt(2 * 255)
    other = cube(seed ^ 1, 96)
    assert abs(np.corrcoef(u.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(u.size)


def test_normal_numbers_are_normal_and_unrelated():
    u = cube(11, 64).ravel()
    a, b = np.array([normal_pair(x, y) for x, y in u[:40_000].reshape(-1, 2)]).T
    for n in (a, b):
        assert abs(n.mean()) < 0.03 and abs(n.std() - 1) < 0.03 and abs((n**4).mean() - 3) < 0.2
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03


def test_noise_of_a_place_is_smooth_and_meets_its_cells():
    x = np.linspace(3.0, 5.0, 201)
    along = np.array([value_noise(v, 2.0, 9) for v in x])
    assert along[0] == unit_hash(9, 3, 2) and along[100] == unit_hash(9, 4, 2)
    assert np.abs(np.diff(along)).max() < 0.02 and 0.0 <= along.min() and along.max() < 1.0


def test_a_key_that_is_no_whole_number_is_refused():
    with pytest.raises(TypeError):
        unit_hash(1, 2.0)
    with pytest.raises(numba.TypingError):
        unit_hash2(1, 2.0)


def test_keys_tell_numbers_and_names_apart():
    parts = ((1, "a"), (1, "b"), (2, "a"), ("1", "a"), (1, 2, "a"), (12, "a"))
    assert len({int(key_of(*some)) for some in parts}) == len(parts)


def chi_squared(counts):
    expected = counts.sum() / counts.size
    return ((counts - expected) ** 2 / expected).sum()
