"""Benchmark of the noise of diffused cameras: fixed to surfaces, and with latents warped into it, relative to drawing
numbers of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from uniscene_sim.bench.cameras import street_view
from uniscene_sim.bench.timing import BenchRow, interleaved_ms
from uniscene_sim.camera.diffusion.prior import Moment, noise_prior
from uniscene_sim.camera.diffusion.reference import surface_noise_plainly
from uniscene_sim.camera.diffusion.surface_noise import surface_noise
from uniscene_sim.compute.threads import map_threads
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.tracing.buffers import camera_buffers

__all__ = ["rows"]

_WIDTH, _HEIGHT, _CHANNELS = 896, 512, 4  # px of the images, channels of the latents


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark."""
    view = street_view()
    pose = view.frame.ego_pose
    ahead = pose.apply(np.array([[1.0, 0.0, 0.0]]))[0]
    layouts = [view.frame, replace(view.frame, ego_pose=replace(pose, x=float(ahead[0]), y=float(ahead[1])))]
    wide = (spec.scaled(_WIDTH / spec.width) for spec in load_rig("nuscenes-small").cameras)
    cameras = [replace(spec, height=_HEIGHT) for spec in wide]
    moments = {
        spec.name: [Moment(layout, camera_buffers(replace(view, frame=layout), spec)) for layout in layouts]
        for spec in cameras
    }
    shape = (_CHANNELS, _HEIGHT // 8, _WIDTH // 8)
    rng = np.random.default_rng(0)
    latents = {spec.name: rng.standard_normal(shape, np.float32) for spec in cameras}

    def noise() -> list[np.ndarray]:
        return map_threads(lambda c: surface_noise(layouts[1], moments[c.name][1].seen, c, 1, _CHANNELS), cameras)

    drawn = dict(zip(latents, noise(), strict=True))

    def prior() -> list[np.ndarray]:
        return map_threads(
            lambda c: noise_prior(drawn[c.name], latents[c.name], moments[c.name][1], moments[c.name][0], c), cameras
        )

    def plain() -> list[np.ndarray]:
        return [surface_noise_plainly(layouts[1], moments[c.name][1].seen, c, 1, _CHANNELS) for c in cameras]

    jobs: dict[str, Callable[[], object]] = {
        "noise": noise,
        "prior": prior,
        "plain": plain,
        "numpy": lambda: rng.standard_normal((len(cameras), *shape), np.float32),
    }
    ms = interleaved_ms(jobs)
    what, drawing = f"{len(cameras)} views of {shape[1]}x{shape[2]}x{_CHANNELS} latents", "numpy's normal numbers"
    yield BenchRow(f"{what}: {drawing}", ms["numpy"], "ms")
    yield BenchRow(f"{what}: noise fixed to surfaces", ms["noise"], "ms", drawing, ms["numpy"])
    yield BenchRow(f"{what}: the same", ms["noise"], "ms", "the same with numpy", ms["plain"])
    yield BenchRow(f"{what}: latents warped into it (UniScene's prior)", ms["prior"], "ms", drawing, ms["numpy"])
