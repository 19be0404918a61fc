"""The learned engines on a CUDA device, against the same on the CPU: bfloat16 there may turn a label over."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from uniscene_sim.conformance.sensors import TEST_LIDARS, views_of_a_street  # noqa: E402
from uniscene_sim.lidar.learned.engine import SparseSdf  # noqa: E402
from uniscene_sim.maps.load import load_map  # noqa: E402
from uniscene_sim.occupancy.learned.model import OccupancyModel  # noqa: E402
from uniscene_sim.occupancy.learned.tile_engine import OccflowTiles  # noqa: E402
from uniscene_sim.storage.data_folders import data_dir  # noqa: E402
from uniscene_sim.taxonomy import OccClass  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_tiles_generated_on_a_device_are_those_of_the_cpu_but_for_rounding():
    here, there = (OccupancyModel.load("occupancy", device) for device in ("cpu", "cuda"))
    layout = OccflowTiles(load_map(data_dir("scenarios") / "maps" / "urban_grid.npz"), 0, here).layout(0, 0)[None]
    shape = (1, here.latent_channels, layout.shape[2] // here.patch, layout.shape[3] // here.patch)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    ours, theirs = (model.generate(layout, noise) for model in (here, there))
    assert np.abs(ours - theirs).mean() < 0.05, "latents have about unit variance"
    labels, others = (model.decode(latents, layout) for model, latents in ((here, ours), (there, theirs)))
    solid = (labels != int(OccClass.FREE)) | (others != int(OccClass.FREE))
    assert solid.any() and (labels == others)[solid].mean() > 0.9


def test_sweeps_of_sparse_sdf_on_a_device_are_those_of_the_cpu_but_for_rounding():
    constants = pytest.importorskip("spconv.cppconstants", reason="spconv is not installed")

    from uniscene_sim.lidar.learned.model import LidarModel

    if constants.CPU_ONLY_BUILD:
        pytest.skip("this build of spconv is for the CPU alone")
    view, specs = views_of_a_street()[0], TEST_LIDARS[:1]
    sweeps = []
    for device in ("cpu", "cuda"):
        _, [made] = SparseSdf(LidarModel.load("lidar", device)).step([None], [view], specs)
        sweeps.append(made[specs[0].name])
    here, there = (np.linalg.norm(sweep.xyz, axis=1) for sweep in sweeps)
    assert len(here) > 100 and abs(len(here) - len(there)) < 0.03 * len(here)
    assert abs(np.median(here) - np.median(there)) < 0.2
