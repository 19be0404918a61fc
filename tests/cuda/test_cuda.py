"""The CUDA engines: in numba's simulator, through the compiler, and on a device where there is one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from numba import cuda, njit, typeof, types

from uniscene_sim.cli.main import main
from uniscene_sim.cuda.device import cuda_devices
from uniscene_sim.cuda.kernels import camera_kernels, pose_columns, trace_beams
from uniscene_sim.cuda.packed_args import pack_args, unpack_args

WORLDS = Path(__file__).with_name("cuda_worlds.py")
CAMERAS, LIDARS = ("pin", "brown", "fish"), ("plain", "table")
without_device = pytest.mark.skipif(bool(cuda_devices()), reason="there is a CUDA device")


def differences(scale: int, **environment: str) -> dict[str, dict[str, float]]:
    """What `cuda_worlds.py` finds, in a process of its own: the simulator is chosen as numba is imported."""
    done = subprocess.run(
        [sys.executable, WORLDS, str(scale)], env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- in numba's simulator ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_worlds_in_one_launch_are_those_of_the_cpu_in_the_simulator():
    pytest.importorskip("numba.cuda.simulator", reason="this numba has no CUDA simulator")
    found = differences(1, NUMBA_ENABLE_CUDASIM="1")
    assert len(found) == 2 * (len(CAMERAS) + len(LIDARS))
    for world in range(2):
        for name in CAMERAS:
            camera = found[f"{world}/{name}"]
            assert camera["kinds"] >= 5 and camera["agents"] >= 1, "there is something to get wrong"
            assert camera["other"] == 0.0 and camera["sky"] == 0.0
            assert camera["depth"] <= 1e-4 and camera["rgb"] == 0.0, "of pixels, those whose colour is off by over 1"
        for name in LIDARS:
            sweep = found[f"{world}/{name}"]
            assert sweep["points"] > 50 and sweep["agents"] >= 1, "there is something to get wrong"
            assert sweep["missing"] == 0 and sweep["other"] == 0.0 and sweep["xyz"] <= 1e-4


# --- through the compiler, which needs no device ----------------------------------------------------------------------


@pytest.fixture
def compiler(monkeypatch):
    """numba's compiler to PTX, for a device of compute capability 8.0 that need not be there."""
    pytest.importorskip("numba_cuda", reason="uniscene_sim[cuda] is not installed")
    dispatcher = pytest.importorskip("numba.cuda.dispatcher")
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(8, 0)))
    try:
        cuda.compile_ptx(lambda address: None, (types.int64,), cc=(8, 0))
    except Exception as error:
        pytest.skip(f"libNVVM is not installed ({type(error).__name__}); it comes with uniscene_sim[cuda]")
    return lambda kernel: cuda.compile_ptx(kernel.py_func, (types.int64,), cc=(8, 0))[0]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["render_pixels", "antialias_pixels", "pose_columns", "trace_beams"])
def test_kernels_compile_for_a_device(kernel, compiler):
    render_pixels, antialias_pixels = camera_kernels(64)
    kernels = {k.py_func.__name__: k for k in (render_pixels, antialias_pixels, pose_columns, trace_beams)}
    ptx = compiler(kernels[kernel])
    assert ptx.count(".visible .entry") == 1
    assert ".extern" not in ptx, "a kernel that calls what a device has not"


# --- on a device ------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not cuda_devices(), reason="no CUDA device")
def test_full_pictures_on_a_device_are_those_of_the_cpu_but_for_rounding():
    found = differences(40)
    for world in range(2):
        for name in CAMERAS:
            camera = found[f"{world}/{name}"]
            assert camera["other"] < 1e-3 and camera["sky"] < 1e-3, "on edges a ray may round to the other side"
            assert camera["rgb"] < 5e-3
        for name in LIDARS:
            sweep = found[f"{world}/{name}"]
            assert sweep["missing"] < 1e-3 * sweep["points"]


# --- structures by address --------------------------------------------------------------------------------------------


class Inner(NamedTuple):
    cube: np.ndarray
    weight: float
    on: bool


class Outer(NamedTuple):
    inner: Inner
    rows: np.ndarray
    number: int


def outer(salt: int) -> Outer:
    random = np.random.default_rng(salt)
    cube, rows = random.random((2, 3, 4)), random.integers(0, 200, (salt, 2)).astype(np.uint16)
    return Outer(Inner(cube, random.normal(), bool(salt % 2)), rows, -salt)


LAYOUT = typeof(outer(1))


@njit
def read(address, job):
    value = unpack_args(address, job, LAYOUT)
    total = 0.0
    for i in range(value.inner.cube.shape[0]):
        for j in range(value.inner.cube.shape[1]):
            for k in range(value.inner.cube.shape[2]):
                total += (100 * i + 10 * j + k) * value.inner.cube[i, j, k]
    last = value.rows[value.rows.shape[0] - 1, 1]
    value.rows[0, 0] = 7
    return total, value.inner.weight, value.inner.on, value.rows.shape, last, value.number


def test_a_kernel_sees_the_tuples_whose_words_it_is_given():
    jobs = [outer(salt) for salt in (1, 2, 5)]
    table = np.array([pack_args(job, LAYOUT, lambda array, _: array.ctypes.data) for job in jobs], np.int64)
    i, j, k = np.indices((2, 3, 4))
    for n, job in enumerate(jobs):
        last = job.rows[-1, 1]
        total, *others = read(table.ctypes.data, n)
        assert total == pytest.approx(float(((100 * i + 10 * j + k) * job.inner.cube).sum()), rel=1e-12)
        assert others == [job.inner.weight, job.inner.on, job.rows.shape, last, job.number]
        assert job.rows[0, 0] == 7, "arrays are the same memory"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda v: v._replace(rows=v.rows.astype(np.int32)), "uint16.*Outer.*int32"),
        (lambda v: v._replace(rows=v.rows.T), "uint16.*Outer"),
        (lambda v: v._replace(rows=v.rows[0]), "uint16.*Outer"),
        (lambda v: v._replace(inner=v), "expected a Inner, got Outer"),
    ],
)
def test_what_is_not_laid_out_as_kernels_take_it_is_refused(wrong, says):
    with pytest.raises(TypeError, match=says):
        pack_args(wrong(outer(3)), LAYOUT, lambda array, _: 0)


# --- without a device -------------------------------------------------------------------------------------------------


@without_device
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--device", "cuda"], "--device"),
        (["--camera", "raycast-cuda"], "--camera"),
        (["--lidar", "raycast-cuda"], "--lidar"),
    ],
)
def test_without_a_device_one_line_says_so(arguments, field, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "cut_in", *arguments]) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith(f"uniscene-sim: {field}: ") and "NVIDIA GPU" in err and "\n" not in err
    assert not list(tmp_path.iterdir()), "bad input leaves nothing behind"
