"""Lenses are exact both ways, to their edges; the ray engine draws what they see; the ego's body is seen on request."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from uniscene_sim.assembly import assemble
from uniscene_sim.camera.raycast.engine import _antialias_rows, _render_rows
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.simulator import Simulator, sense
from uniscene_sim.taxonomy import EGO_ID, OccClass
from uniscene_sim.tracing import camera_rays
from uniscene_sim.world.scenario_source import ScenarioSource

FISHEYE = CameraSpec("fish", 120, 120, 36.0, 36.0, 60.0, 60.0, Pose(1.5, 0.0, 1.7), model="fisheye",
                     distortion=(0.02, -0.006, 0.001, -0.0002), max_range_m=60.0)  # fmt: skip
BROWN = CameraSpec("brown", 120, 80, 70.0, 70.0, 60.0, 40.0, Pose(1.5, 0.0, 1.7), model="brown_conrady",
                   distortion=(-0.28, 0.07, 0.001, -0.002, -0.004), max_range_m=60.0)  # fmt: skip
PIN = CameraSpec("pin", 120, 80, 70.0, 70.0, 60.0, 40.0, Pose(1.5, 0.0, 1.7), max_range_m=60.0)


def border(spec: CameraSpec) -> np.ndarray:
    """Pixel centres all along the edge of the image, corners included."""
    u, v = np.arange(spec.width) + 0.5, np.arange(spec.height) + 0.5
    return np.concatenate(
        [np.stack([u, np.full_like(u, y)], 1) for y in (0.5, spec.height - 0.5)]
        + [np.stack([np.full_like(v, x), v], 1) for x in (0.5, spec.width - 0.5)]
    )


def test_fisheye_against_bisection_all_along_the_edge():
    k1, k2, k3, k4 = FISHEYE.distortion
    rays, seen = FISHEYE.unproject(border(FISHEYE))
    assert seen.any()
    for (u, v), ray, good in zip(border(FISHEYE), rays, seen, strict=True):
        r = np.hypot(u - 60.0, v - 60.0) / 36.0

        def excess(a, r=r):
            return a * (1 + k1 * a**2 + k2 * a**4 + k3 * a**6 + k4 * a**8) - r

        if good:
            theta = brentq(excess, 0.0, FISHEYE.lens[10], xtol=1e-15)
            assert abs(np.arccos(ray[2]) - theta) < 1e-12 and abs(np.linalg.norm(ray) - 1.0) < 1e-14
        else:
            assert excess(FISHEYE.lens[10]) < 0.0


@pytest.mark.parametrize("spec", [FISHEYE, BROWN, PIN], ids=lambda s: s.model)
def test_there_and_back_at_every_pixel(spec):
    u, v = np.meshgrid(np.arange(spec.width) + 0.5, np.arange(spec.height) + 0.5)
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    rays, seen = spec.unproject(pixels)
    back, before = spec.project(rays[seen] * 7.0)
    assert before.all() and np.abs(back - pixels[seen]).max() < 1e-8
    assert seen.mean() > 0.9


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_fisheye_sees_round_behind_itself(x, y, z):
    wide = replace(FISHEYE, distortion=(), fx=18.0, fy=18.0)
    point = np.array([[x, y, z]])
    if np.linalg.norm(point) < 1e-3 or np.hypot(x, y) < 1e-6:
        return
    pixel, before = wide.project(point)
    ray, seen = wide.unproject(pixel)
    assert before[0] and seen[0]
    np.testing.assert_allclose(ray[0], point[0] / np.linalg.norm(point), atol=1e-9)


def test_beyond_the_fold_nothing_is_seen():
    folded = replace(BROWN, distortion=(-0.5, 0.0, 0.0, 0.0, 0.0), fx=40.0, fy=40.0)
    limit = folded.lens[10]
    assert limit == pytest.approx(np.sqrt(1 / 1.5))
    _, before = folded.project(np.array([[0.99 * limit, 0.0, 1.0], [1.01 * limit, 0.0, 1.0], [0.0, 0.0, -1.0]]))
    assert before.tolist() == [True, False, False]
    edge = 40.0 * limit * (1 - 0.5 * limit**2)
    _, seen = folded.unproject(np.array([[60.0 + 0.999 * edge, 40.0], [60.0 + 1.01 * edge, 40.0]]))
    assert seen.tolist() == [True, False]


def test_bad_coefficients_are_refused():
    with pytest.raises(ValueError, match="expected one of pinhole"):
        replace(PIN, model="anamorphic")
    with pytest.raises(ValueError, match="up to 0"):
        replace(PIN, distortion=(0.1,))
    with pytest.raises(ValueError, match="expected a number"):
        replace(BROWN, distortion=(float("nan"),))


@pytest.fixture(scope="module")
def look():
    """Frames of a street by any cameras, at one moment."""
    simulator = assemble(ScenarioSource.open("cut_in"), SensorRig("r", (PIN,)), window_grid=None, bev_schema=None)
    simulator.reset()
    simulator.step()

    def frames(*specs: CameraSpec):
        rig = SensorRig("r", specs)
        fresh = Simulator(simulator.source, rig, simulator.store, simulator.engines, request=simulator.request)
        fresh.resume(simulator.recent_layouts, {})
        return sense([fresh])[0].cameras

    return frames


def test_a_bent_picture_is_the_straight_one_bent(look):
    """Along its own rays a distorted camera sees what a pinhole sees there."""
    wide = replace(PIN, width=400, height=300, fx=120.0, fy=120.0, cx=200.0, cy=150.0)
    for spec in (BROWN, FISHEYE):
        frames = look(wide, spec)
        straight, bent = frames["pin"], frames[spec.name]
        u, v = np.meshgrid(np.arange(spec.width) + 0.5, np.arange(spec.height) + 0.5)
        rays, seen = spec.unproject(np.stack([u.ravel(), v.ravel()], axis=1))
        pixels, before = wide.project(rays)
        inside = seen & before & (pixels > 1).all(axis=1) & (pixels < (399, 299)).all(axis=1)
        i, j = pixels[inside].astype(int).T[::-1]
        same = straight.semantic[i, j] == bent.semantic.ravel()[inside]
        assert same.mean() > 0.95 and inside.sum() > 2000
        range_m = straight.depth[i, j] / (rays[inside, 2] / 1.0)
        ours = bent.depth.ravel()[inside] / (1.0 if spec is FISHEYE else rays[inside, 2])
        near = same & np.isfinite(range_m) & np.isfinite(ours)
        assert np.median(np.abs(range_m[near] / ours[near] - 1.0)) < 0.02


def test_outside_the_image_circle_it_is_black(look):
    round_one = replace(FISHEYE, distortion=(), fx=12.0, fy=12.0)
    frame = look(round_one)["fish"]
    corner = frame.rgb[0, 0], frame.semantic[0, 0], frame.instance[0, 0], frame.depth[0, 0]
    assert corner[0].tolist() == [0, 0, 0] and corner[1] == OccClass.FREE and corner[2] == 0 and np.isinf(corner[3])
    u, v = np.meshgrid(np.arange(120) + 0.5, np.arange(120) + 0.5)
    out = np.hypot(u - 60, v - 60) - 12.0 * np.pi
    assert (frame.rgb[out > 1.0] == 0).all() and (frame.rgb[out < -1.0].max(axis=1) > 0).mean() > 0.99


@pytest.mark.parametrize("spec", [FISHEYE, BROWN], ids=lambda s: s.model)
def test_no_agent_is_cut_off_by_its_span(look, spec, monkeypatch):
    quick = look(spec)[spec.name]
    assert len(np.unique(quick.instance)) > 3, "there are agents in view"

    def everywhere(agents, rotation, position, lens, width, height, far, spans):
        spans[:] = (0, width, 0, height)

    monkeypatch.setattr(camera_rays, "agent_pixel_bounds_distorted", everywhere)
    plain = look(spec)[spec.name]
    for name in ("rgb", "depth", "semantic", "instance"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(plain, name))


def test_a_range_in_whole_metres_compiles_no_second_set_of_kernels(look):
    """As rig files have it; both of a pinhole and of a fisheye."""
    floats = look(PIN, FISHEYE)
    compiled = {kernel: list(kernel.signatures) for kernel in (_render_rows, _antialias_rows)}
    whole = look(replace(PIN, max_range_m=60), replace(FISHEYE, max_range_m=60))
    assert all(kernel.signatures == before for kernel, before in compiled.items())
    np.testing.assert_array_equal(whole["pin"].rgb, floats["pin"].rgb)


def test_ego_is_seen_on_request_and_never_from_within(look):
    down = replace(PIN, pose=Pose(1.4, 0.0, 4.0, pitch=np.pi / 2))
    without, with_ego = look(down)["pin"], look(replace(down, ego_visible=True))["pin"]
    assert not (without.instance == EGO_ID).any()
    body = with_ego.instance == EGO_ID
    assert 0.1 < body.mean() < 0.9 and (with_ego.semantic[body] == OccClass.CAR).all()
    assert np.median(with_ego.depth[body]) == pytest.approx(2.6, abs=0.5), "the roof is 2.5 m below"
    inside = replace(PIN, pose=Pose(1.4, 0.0, 0.7))
    seen, hidden = look(replace(inside, ego_visible=True))["pin"], look(inside)["pin"]
    np.testing.assert_array_equal(seen.depth, hidden.depth)


def test_scaled_keeps_the_view():
    half = BROWN.scaled(0.5)
    assert (half.width, half.height) == (60, 40)
    points = np.array([[0.3, -0.2, 1.0], [-0.5, 0.1, 2.0]])
    np.testing.assert_allclose(half.project(points)[0], 0.5 * BROWN.project(points)[0])
