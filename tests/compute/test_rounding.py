"""Rounding where numbers leave a stage."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from uniscene_sim.compute.rounding import fixed, fixed_in_kernel, map_metres, map_radians

STEP = 2.0**-30


@njit
def in_kernel(values):
    out = np.empty_like(values)
    for i in range(len(values)):
        out[i] = fixed_in_kernel(values[i])
    return out


@given(st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_kernels_and_arrays_round_alike_to_the_nearest_step(values):
    x = np.array(values)
    out = fixed(x)
    assert np.array_equal(in_kernel(x), out) and np.array_equal(fixed(out), out)
    assert (np.abs(out - x) <= 0.5 * STEP).all() and np.array_equal(out / STEP, np.round(out / STEP))


def test_a_last_bit_ends_here():
    x = np.random.default_rng(0).uniform(-500.0, 500.0, 100_000)
    assert np.count_nonzero(fixed(np.nextafter(x, np.inf)) != fixed(x)) <= 30  # they lie beside a half step


def test_no_zero_is_negative():
    x = np.array([-0.0, -1e-12, 1e-12])
    for out in (fixed(x), in_kernel(x), map_metres(x), map_radians(x)):
        assert not np.signbit(out).any() and not out.any()


def test_maps_are_rounded_to_what_numbers_mean():
    assert map_metres(12.345678) == 12.3457 and map_radians(0.123456789) == 0.1234568
