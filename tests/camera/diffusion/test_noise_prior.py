"""The noise prior: latents warped by exact motion, held to the optical flow of annotations and to closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from uniscene_sim.annotations.flow import camera_flow
from uniscene_sim.assembly import assemble
from uniscene_sim.camera.diffusion.prior import Moment, noise_prior, warp_latents
from uniscene_sim.camera.diffusion.surface_noise import surface_noise
from uniscene_sim.errors import InputError
from uniscene_sim.interfaces import WorldView
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.tracing.buffers import camera_buffers
from uniscene_sim.world.scenario_source import ScenarioSource

CAMERAS = load_rig("nuscenes-small").cameras
FRONT = next(spec for spec in CAMERAS if spec.name == "CAM_FRONT")
SHAPE = (4, FRONT.height // 8, FRONT.width // 8)


@pytest.fixture(scope="module")
def moments():
    """Half a second of a drive, by camera: now, and the reference."""
    world = assemble(ScenarioSource.open("cut_in"), load_rig("nuscenes-small"), window_grid=None, bev_schema=None)
    before = world.reset().layout
    now = before
    while now.stamp_us < before.stamp_us + 500_000:
        now = world.step().layout
    return {
        spec.name: tuple(Moment(m, camera_buffers(WorldView(m, (), world.atlas), spec)) for m in (now, before))
        for spec in CAMERAS
    }


def latents(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


@pytest.mark.parametrize("spec", CAMERAS, ids=lambda s: s.name)
def test_it_is_the_exact_optical_flow(moments, spec):
    now, before = moments[spec.name]
    warped = warp_latents(latents(), now, before, spec)
    flow, _, occluded = camera_flow(now.layout, now.seen, (before.layout, before.seen), spec)
    flow, occluded = flow[4::8, 4::8], occluded[4::8, 4::8]
    v, u = np.mgrid[: SHAPE[1], : SHAPE[2]]
    np.testing.assert_array_equal(warped.known, ~occluded)
    at = np.stack([v + flow[..., 1] / 8.0, u + flow[..., 0] / 8.0])[:, warped.known]
    for got, given in zip(warped.latents, latents(), strict=True):
        np.testing.assert_allclose(got[warped.known], map_coordinates(given, at, order=1, mode="nearest"), atol=2e-4)
    assert not warped.latents[:, ~warped.known].any()
    assert 0.5 < warped.known.mean() < 1.0


def test_nothing_moves_where_nothing_moved(moments):
    now, _ = moments["CAM_FRONT"]
    warped = warp_latents(latents(), now, now, FRONT)
    assert warped.known.all()
    np.testing.assert_allclose(warped.latents, latents(), atol=1e-4)


def test_what_did_not_exist_is_not_known(moments):
    now, before = moments["CAM_FRONT"]
    bare = Moment(replace(before.layout, agents=before.layout.agents[:0]), before.seen)
    on_agents = np.isin(now.seen.instance[4::8, 4::8], now.layout.agents["id"])
    assert on_agents.sum() > 3
    assert warp_latents(latents(), now, before, FRONT).known[on_agents].any()
    assert not warp_latents(latents(), now, bare, FRONT).known[on_agents].any()


def test_the_prior_is_noise_where_nothing_is_known_and_both_elsewhere(moments):
    now, before = moments["CAM_FRONT"]
    noise, given = surface_noise(now.layout, now.seen, FRONT, 5), latents()
    warped = warp_latents(given, now, before, FRONT)
    prior = noise_prior(noise, given, now, before, FRONT, weight=0.25)
    np.testing.assert_array_equal(prior[:, ~warped.known], noise[:, ~warped.known])
    np.testing.assert_allclose(prior, noise + 0.25 * warped.latents, atol=1e-6)
    expected = 1.0 + 0.25**2 * (warped.latents[:, warped.known] ** 2).mean()
    assert abs(prior[:, warped.known].var() / expected - 1.0) < 4.0 * np.sqrt(2.0 / (4 * warped.known.sum()))
    np.testing.assert_array_equal(noise_prior(noise, given, now, before, FRONT, weight=0.0), noise)


def test_what_does_not_fit_is_refused(moments):
    now, before = moments["CAM_FRONT"]
    with pytest.raises(InputError, match="latents: camera CAM_FRONT: expected"):
        warp_latents(latents()[:, :, :-1], now, before, FRONT)
    with pytest.raises(InputError, match="expected the shape of the noise"):
        noise_prior(latents()[:3], latents(), now, before, FRONT)
