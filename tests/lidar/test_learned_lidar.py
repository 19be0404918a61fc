"""`sparse-sdf`: its cells, samples and rendering against plain arithmetic, its tiles against the whole world, and the
engine and its training end to end on a small town."""

import json
import re
from dataclasses import replace

import numba
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from uniscene_sim import plugins
from uniscene_sim.cli.main import main
from uniscene_sim.conformance.sensors import TEST_LIDARS, sensor_rules, views_of_a_street
from uniscene_sim.datasets.drives import sample_drives
from uniscene_sim.datasets.sweeps import SENSORS, read_sweeps, simulate_sweeps, write_sweeps
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import digest
from uniscene_sim.layout import AGENT_DTYPE
from uniscene_sim.lidar.learned.cpu_unet import cpu_features
from uniscene_sim.lidar.learned.engine import SparseSdf
from uniscene_sim.lidar.learned.model import LidarModel
from uniscene_sim.lidar.learned.network import SdfConfig, SparseSdfNet, spconv_backward_on_cpu
from uniscene_sim.lidar.learned.ray_samples import REACH_M, agent_grids, sample_rays
from uniscene_sim.lidar.learned.render import render_weights, rendered_depth, surface_sample
from uniscene_sim.lidar.learned.voxel_scene import tile_features
from uniscene_sim.lidar.learned.voxels import SOLID, Cells, agent_cells, cell_grid, join_cells
from uniscene_sim.maps.towns.town import make_town
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tile import TILE_CELLS
from uniscene_sim.training.lidar import LidarCrops, LidarRecipe, lidar_losses, save_lidar, train_sdf
from uniscene_sim.training.loop import Schedule
from uniscene_sim.zoo.models import load_model

CPU = torch.device("cpu")
SMALL = SdfConfig(widths=(8, 8), blocks=(1, 1), hidden=16)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def scattered(n=1500, size=40, seed=0):
    """Cells of classes anywhere, some of them ground, none hidden."""
    rng = np.random.default_rng(seed)
    ijk = np.unique((rng.integers(0, size, (n, 3)) * [1, 1, 0.3] + [-7, 11, -3]).astype(np.int32), axis=0)
    label = rng.choice([OccClass.CAR, OccClass.MANMADE, OccClass.VEGETATION, OccClass.DRIVEABLE_SURFACE], len(ijk))
    return Cells(ijk, label.astype(np.uint8), len(ijk))


def rays(n=60, seed=1):
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(n, 3)) * [1, 1, 0.3]
    return np.array([[5.0, 12.0, 1.0]]), direction / np.linalg.norm(direction, axis=1, keepdims=True)


# --- samples ----------------------------------------------------------------------------------------------------------


def test_samples_are_those_of_dense_uniform_ones():
    """One of the rays at a time: points every millimetre, a probability of 1 within half a cell (along the ray) of
    occupied cells, and quantiles of what the first 2 m of it add up to."""
    cells = scattered()
    low = cells.ijk.min(axis=0)
    full = np.zeros(cells.ijk.max(axis=0) - low + 1, bool)
    full[tuple((cells.ijk - low).T)] = True
    origin, direction = rays()
    none = np.zeros(len(cells.ijk), bool)
    made = sample_rays(cell_grid(cells), cells.ijk, none, agent_grids([], 0), origin, direction, 30.0, 8)
    t = np.arange(0.0, 30.0, 1e-3)
    seen = 0
    for r, ray in enumerate(direction):
        at = np.floor((origin[0] + t[:, None] * ray) / 0.4).astype(int) - low
        within = ((at >= 0) & (at < full.shape)).all(axis=1)
        inside = within & full[tuple(np.where(within[:, None], at, 0).T)]
        if inside.sum() * 1e-3 < REACH_M:
            reached = len(t)
        else:
            reached = np.searchsorted(np.cumsum(inside) * 1e-3, REACH_M)
        inside[reached:] = False
        if not inside.any():
            assert np.isinf(made.first[r])
            continue
        seen += 1
        edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
        wide = inside.copy()
        for k, edge in enumerate(edges):
            if k % 2 == 0:
                gap = edge - (edges[k - 1] if k else 0)
                wide[max(0, edge - (min(200, gap // 2) if k else 200)) : edge] = True
            else:
                gap = edges[k + 1] - edge if k + 1 < len(edges) else 400
                wide[edge : edge + min(200, gap // 2)] = True
        mass = np.minimum(np.cumsum(wide) * 1e-3, REACH_M)
        wanted = (np.arange(8) + 0.5) / 8 * mass[-1]
        assert made.first[r] == pytest.approx(t[inside.argmax()], abs=2e-3)
        assert np.abs(np.interp(made.t[r], t, mass) - wanted).max() < 8e-3
        assert all(wide[np.searchsorted(t, x) - 3 : np.searchsorted(t, x) + 3].any() for x in made.t[r])
        where = origin[0] + made.t[r][:, None] * ray
        assert np.allclose(where / 0.4 - cells.ijk[made.row[r]] - 0.5, made.offset[r], atol=1e-4)
        assert np.abs(made.offset[r]).max() < 1.01
    assert seen > 20


def test_ground_is_counted_by_height_and_stops_a_ray():
    i, j = np.meshgrid(np.arange(60), np.arange(4), indexing="ij")
    ijk = np.stack([i.ravel(), j.ravel(), np.full(i.size, -1)], axis=1).astype(np.int32)
    cells = Cells(ijk, np.full(len(ijk), OccClass.TERRAIN, np.uint8), len(ijk))
    direction = np.array([[0.99, 0.0, -0.1]]) / np.hypot(0.99, 0.1)
    origin = np.array([[0.1, 0.7, 1.0]])
    made = sample_rays(cell_grid(cells), ijk, np.ones(len(ijk), bool), agent_grids([], 0), origin, direction, 50.0, 8)
    height = origin[0, 2] + made.t[0] * direction[0, 2]
    assert np.allclose(np.diff(height), np.diff(height)[0], atol=1e-5)  # evenly in height
    assert -0.43 < height[-1] < -0.36 and -0.03 < height[0] < 0.03


def test_a_ray_ends_at_hidden_cells():
    ijk = np.array([[5, 0, 0], [6, 0, 0], [7, 0, 0]], np.int32)
    cells = Cells(ijk, np.full(3, OccClass.MANMADE, np.uint8), 1)
    grid = cell_grid(cells)
    assert (grid.cells == SOLID).sum() == 2
    made = sample_rays(grid, ijk, np.zeros(3, bool), agent_grids([], 0), np.array([[0.0, 0.2, 0.2]]),
                 np.array([[1.0, 0.0, 0.0]]), 20.0, 4)  # fmt: skip
    assert made.t[0].max() < 2.6 and (made.row[0] == 0).all()


def car(x=8.0, y=0.3, yaw=0.4, z=0.0):
    agent = np.zeros(1, AGENT_DTYPE)
    agent["id"], agent["cls"], agent["pos"], agent["size"] = 7, 0, (x, y, z), (4.5, 1.8, 1.5)
    agent["rpy"][0, 2] = yaw
    return agent[0]


def test_agents_are_stamped_by_their_middles():
    agent = car()
    cells = agent_cells(agent)
    low, high = cells.ijk.min(axis=0) - 2, cells.ijk.max(axis=0) + 3
    every = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), -1)
    middle = (every.reshape(-1, 3) + 0.5) * 0.4 - agent["pos"]
    c, s = np.cos(0.4), np.sin(0.4)
    inside = np.abs(c * middle[:, 0] + s * middle[:, 1]) <= 2.25
    inside &= np.abs(c * middle[:, 1] - s * middle[:, 0]) <= 0.9
    inside &= (middle[:, 2] >= 0) & (middle[:, 2] < 1.5)
    assert {tuple(x) for x in every.reshape(-1, 3)[inside].tolist()} == {tuple(x) for x in cells.ijk.tolist()}


def test_a_ray_that_fires_before_meets_an_agent_where_it_was():
    cells = agent_cells(car())
    ground = np.zeros(len(cells.ijk), bool)
    empty = cell_grid(Cells(np.zeros((0, 3), np.int32), np.zeros(0, np.uint8), 0))
    origin = np.array([[0.0, 0.0, 0.8], [0.0, 0.0, 0.8]])
    direction = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    move = np.zeros((2, 1, 4))
    move[1, 0, 0] = -1.5  # it was nearer then
    made = sample_rays(empty, cells.ijk, ground, agent_grids([cells.ijk], 0), origin, direction, 50.0, 8, move)
    assert np.allclose(made.t[0] - made.t[1], 1.5, atol=1e-5)
    assert (made.agent_row == 0).all() and np.allclose(made.offset[0], made.offset[1], atol=1e-4)


# --- rendering --------------------------------------------------------------------------------------------------------


def test_weights_and_depth_are_equations_9_and_10():
    s, t = torch.randn(20, 6), torch.rand(20, 6).cumsum(dim=1)
    weights, k = render_weights(s, torch.tensor(1.7)), 1.7
    for r in range(20):
        left, depth = 1.0, 0.0
        for i in range(6):
            phi = 1 / (1 + np.exp(-k * s[r, i].item()))
            after = 1 / (1 + np.exp(-k * s[r, i + 1].item())) if i < 5 else 0.0
            alpha = max((phi - after) / phi, 0.0)
            assert weights[r, i].item() == pytest.approx(left * alpha, abs=1e-5)
            depth += left * alpha * t[r, i].item()
            left *= 1 - alpha
        assert rendered_depth(weights, t)[r].item() == pytest.approx(depth, abs=1e-4)
    assert torch.allclose(weights.sum(dim=1), torch.ones(20), atol=1e-5)
    far = torch.tensor([[-800.0, -500.0, -900.0], [700.0, 600.0, 500.0]], requires_grad=True)
    weights = render_weights(far, torch.tensor(k))
    assert torch.allclose(weights, torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    weights.square().sum().backward()
    assert torch.isfinite(far.grad).all()


def test_a_surface_is_not_mixed_with_what_is_behind_it():
    t = torch.tensor([[1.0, 1.2, 1.4, 9.0, 9.2, 9.4]])
    weights = torch.tensor([[0.1, 0.3, 0.2, 0.1, 0.2, 0.1]])
    chosen, depth = surface_sample(weights, t, torch.full((1, 6), 0.2))
    assert chosen.item() == 2 and depth.item() == pytest.approx((0.1 + 0.36 + 0.28) / 0.6)
    _, depth = surface_sample(weights.flip(1), t, torch.full((1, 6), 0.2))
    assert depth.item() == pytest.approx((0.2 * 9.0 + 0.3 * 9.2 + 0.1 * 9.4) / 0.6)


# --- features ---------------------------------------------------------------------------------------------------------


def tiles(low=-1, high=2, seed=3):
    """Cells of tiles anywhere."""
    rng = np.random.default_rng(seed)
    parts = {}
    for i in range(low, high):
        for j in range(low, high):
            ijk = np.unique(rng.integers(0, [TILE_CELLS, TILE_CELLS, 4], (6000, 3)), axis=0)
            ijk = (ijk + np.array([i * TILE_CELLS, j * TILE_CELLS, -2])).astype(np.int32)
            parts[i, j] = Cells(ijk, rng.integers(0, 20, len(ijk)).astype(np.uint8), len(ijk))
    return parts


def of_all(net, cells):
    """Features as spconv makes them."""
    with torch.no_grad():
        return net.features(torch.from_numpy(cells.ijk), torch.from_numpy(cells.label.astype(np.int64)),
                            torch.zeros(len(cells.ijk), dtype=torch.int32)).numpy()  # fmt: skip


def moved_norms(net):
    """A network whose norms are not as they begin."""
    for norm in (m for m in net.modules() if isinstance(m, torch.nn.LayerNorm)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    return net


@pytest.mark.parametrize("config", [SMALL, SdfConfig(), SdfConfig(widths=(8,), blocks=(2,))])
def test_features_without_spconv_are_its(config):
    net, cells = moved_norms(SparseSdfNet(config)), scattered()
    alone = np.zeros(len(cells.ijk), np.int32)
    made, wanted = cpu_features(net, cells.ijk, cells.label, alone), of_all(net, cells)
    assert wanted.std() > 0.5 and np.abs(made - wanted).max() < 1e-5
    group = np.random.default_rng(0).integers(0, 3, len(cells.ijk)).astype(np.int32)
    with torch.no_grad():
        wanted = net.features(*(torch.from_numpy(x) for x in (cells.ijk, cells.label.astype(np.int64), group)))
    assert np.abs(cpu_features(net, cells.ijk, cells.label, group) - wanted.numpy()).max() < 1e-5
    assert cpu_features(net, cells.ijk[:0], cells.label[:0], alone[:0]).shape == (0, config.widths[0])


@pytest.mark.parametrize("config", [SMALL, SdfConfig(widths=(8, 8, 8), blocks=(1, 1, 1))])
def test_features_of_a_tile_are_those_of_the_whole_world(config):
    """To the last bit, whatever tiles are asked for along with it, and however many threads make them."""
    net, parts = moved_norms(SparseSdfNet(config)), tiles()
    whole = join_cells(list(parts.values()))
    every = cpu_features(net, whole.ijk, whole.label, np.zeros(len(whole.ijk), np.int32))
    assert np.abs(every - of_all(net, whole)).max() < 1e-5
    start = sum(len(parts[k].ijk) for k in list(parts)[:4])
    numba.set_num_threads(1)
    (tile,) = tile_features(net, [(0, 0)], parts, CPU)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert tile.std() > 0.1 and (tile.numpy() == every[start : start + len(tile)]).all()
    for more in ([(0, 0), (1, 0)], [(-1, 1), (1, -1), (0, 0)]):
        assert (tile_features(net, more, tiles(-2, 3) | parts, CPU)[more.index((0, 0))] == tile).all()


def test_groups_do_not_see_each_other():
    net, cells = SparseSdfNet(SMALL), scattered(300, 12)
    ijk, label = torch.from_numpy(cells.ijk), torch.from_numpy(cells.label.astype(np.int64))
    with torch.no_grad():
        alone = net.features(ijk, label, torch.zeros(len(ijk), dtype=torch.int32))
        moved = ijk + torch.tensor([1, 0, 0], dtype=torch.int32)
        both = net.features(torch.cat([ijk, moved]), torch.cat([label, label]),
                            torch.arange(2, dtype=torch.int32).repeat_interleave(len(ijk)))  # fmt: skip
    assert torch.allclose(both[: len(ijk)], alone, atol=1e-5)
    assert not torch.allclose(both[len(ijk) :], alone, atol=1e-2)  # another place on the coarse lattice


def test_spconv_goes_backwards_on_the_cpu():
    net, cells = SparseSdfNet(SMALL), scattered(300, 12)
    with spconv_backward_on_cpu():
        out = net.features(torch.from_numpy(cells.ijk), torch.from_numpy(cells.label.astype(np.int64)),
                           torch.zeros(len(cells.ijk), dtype=torch.int32))  # fmt: skip
        out.square().sum().backward()
    moved = [p.grad.abs().sum().item() for name, p in net.named_parameters() if "convs" in name]
    assert len(moved) == 6 and min(moved) > 0


# --- the engine -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def street():
    return views_of_a_street()


@pytest.fixture(scope="module")
def engine():
    torch.manual_seed(0)
    return SparseSdf(LidarModel("small", SparseSdfNet(SMALL), "0"))


def test_an_untrained_engine_already_keeps_to_what_is_occupied(engine, street):
    """Points lie on rays of the sensor, not farther than 2 m behind where these enter the world."""
    view, spec = street[1], TEST_LIDARS[0]
    sweep = engine.step([None], [view], (spec,))[1][0]["top"]
    again = SparseSdf(LidarModel("small", engine.model.net, "0")).step([None], [view], (spec,))[1][0]["top"]
    assert digest(sweep) == digest(again)
    assert len(sweep.xyz) > 100
    assert sweep.xyz.dtype == np.float32 and (sweep.intensity >= 0).all() and (sweep.intensity <= 1).all()
    flat = np.linalg.norm(sweep.xyz[:, :2], axis=1)
    # ego and sensor hardly turn in a tenth of a second, so rings stay where they are
    assert np.abs(np.arctan2(sweep.xyz[:, 2], flat) - np.array(spec.elevation_rad)[sweep.ring]).max() < 0.05
    assert set(np.unique(sweep.instance)) <= {0, *view.frame.agents["id"].tolist()}
    assert (-0.1 <= sweep.time_s).all() and (sweep.time_s <= 0).all()
    ground = np.isin(sweep.label, [OccClass.DRIVEABLE_SURFACE, OccClass.SIDEWALK, OccClass.TERRAIN])
    assert ground.mean() > 0.2 and sweep.xyz[ground, 2].mean() < -1.0


@pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")  # it has no effects of real sweeps, and says so
def test_it_keeps_the_rules_of_engines(engine):
    class Small(SparseSdf):
        def __init__(self):
            super().__init__(engine.model)

    rules = dict(sensor_rules("lidar", Small, "sparse-sdf"))
    del rules["repeats in a new process"]  # which would take the zoo's model
    assert len(rules) == 10
    for rule in rules.values():
        rule()


def test_dual_returns_coincide(engine, street):
    """As of `raycast` where a beam meets one surface: each is told once."""
    dual = replace(TEST_LIDARS[0], returns="dual")
    one, two = (engine.step([None], [street[0]], (s,))[1][0]["top"] for s in (TEST_LIDARS[0], dual))
    assert one.return_number is None and (two.return_number == 0).all() and len(two.return_number) == len(two.xyz)
    assert (one.xyz == two.xyz).all() and (one.intensity == two.intensity).all()


def test_effects_that_it_lacks_are_told_once(engine, street):
    real = replace(TEST_LIDARS[0], name="real", ego_visible=True, miss_rate=0.1)
    with pytest.warns(InputWarning, match="'real'") as told:
        for _ in range(2):
            engine.step([None], [street[0]], (real, TEST_LIDARS[0]))
    assert len(told) == 1


def test_intensity_is_that_of_the_sensor(engine, street):
    """Calibrated, in 255ths, where it has a detection range; reflectance, of which white is 1, elsewhere."""
    plain, real = TEST_LIDARS[0], replace(TEST_LIDARS[0], detect_range_m=60.0)
    a, b = (engine.step([None], [street[0]], (s,))[1][0]["top"] for s in (plain, real))
    where = {(r, t): i for r, t, i in zip(b.ring, b.time_s, b.intensity, strict=True)}
    pairs = np.array([(i, where[r, t]) for r, t, i in zip(a.ring, a.time_s, a.intensity, strict=True)
                      if (r, t) in where])  # fmt: skip
    assert len(pairs) > 100 and np.abs(255 * pairs[:, 1] - np.round(255 * pairs[:, 1])).max() < 1e-3
    assert np.allclose(pairs[:, 0], np.minimum(2.55 * pairs[:, 1], 1.0), atol=0.011)


def test_nothing_is_asked_and_nothing_comes(engine, street):
    assert engine.step([], [], TEST_LIDARS)[1] == [] and engine.step([None], [street[0]], ())[1] == [{}]


def test_noise_and_drop_out_come_with_the_sensor(engine, street):
    view, plain = street[0], TEST_LIDARS[0]
    noisy, weak = replace(plain, range_noise_m=0.1), replace(plain, detect_range_m=20.0)
    a, b, c = (engine.step([None], [view], (s,))[1][0]["top"] for s in (plain, noisy, weak))
    near = np.isin(a.ring * 1e6 + np.round(a.time_s * 1e5), b.ring * 1e6 + np.round(b.time_s * 1e5))
    assert near.mean() > 0.95
    both = min(len(a.xyz), len(b.xyz))
    assert 0.02 < np.abs(np.linalg.norm(a.xyz[:both], axis=1) - np.linalg.norm(b.xyz[:both], axis=1)).mean()
    assert 0 < len(c.xyz) < len(a.xyz)


# --- among the others -------------------------------------------------------------------------------------------------


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A zoo with a small model that has learned nothing, beside the scenarios."""
    torch.manual_seed(0)
    save_lidar(tmp_path / "models" / "lidar", LidarRecipe(net=SMALL), SparseSdfNet(SMALL), {}, "# small")
    (tmp_path / "scenarios").symlink_to(data_dir("scenarios"))
    monkeypatch.setenv("UNISCENE_SIM_DATA", str(tmp_path))
    return tmp_path


def test_what_it_lacks_it_says(zoo, monkeypatch, capsys):
    (zoo / "models" / "lidar" / "net.safetensors").unlink()
    run = ["run", "cut_in", "--lidar", "sparse-sdf", "--rig", "rl", "--ticks", "1", "--out", str(zoo / "out")]
    assert main(run) == 2 and "net.safetensors: cannot be read" in capsys.readouterr().err
    (zoo / "models" / "lidar" / "config.yaml").unlink()
    assert main(run) == 2 and "lidar: no such model; the zoo has none" in capsys.readouterr().err
    monkeypatch.setattr("uniscene_sim.zoo.models.find_spec", lambda name: None if name == "spconv" else object())
    assert main(run) == 2 and "spconv: pip install 'uniscene_sim[learned]'" in capsys.readouterr().err
    assert not (zoo / "out").exists()


def test_it_runs_from_the_command_line(zoo, capfd):
    run = ["run", "cut_in", "--lidar", "sparse-sdf", "--rig", "rl", "--ticks", "2", "--no-preview", "--no-cache"]
    assert main([*run, "--out", str(zoo / "out")]) == 0
    (report,) = (zoo / "out").rglob("report.json")
    assert json.loads(report.read_text())["engines"]["lidar"] == "sparse-sdf"
    assert main(["check", "sparse-sdf"]) == 0  # in a process of its own, too
    assert "FAIL" not in capfd.readouterr().out


def test_a_model_of_ones_own_is_used(zoo, tmp_path, capfd):
    """What `train lidar` writes into any folder."""
    torch.manual_seed(1)
    mine = tmp_path / "run:2" / "mine"
    save_lidar(mine, LidarRecipe(net=SMALL), SparseSdfNet(SMALL), {}, "# mine")
    made, zoos = (plugins.load_plugin("lidar", text)().model for text in (f"sparse-sdf:{mine}", "sparse-sdf"))
    assert made.sha256 == load_model(mine).sha256 != zoos.sha256
    run = ["run", "cut_in", "--rig", "rl", "--ticks", "1", "--no-preview", "--no-cache", "--lidar"]
    digests = []
    for text in ("sparse-sdf", f"sparse-sdf:model={mine}"):
        assert main([*run, text, "--out", str(tmp_path / "out")]) == 0
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        digests.append(report["digest"])
        assert report["engines"]["lidar"] == text
    assert digests[0] != digests[1]
    assert main(["check", f"sparse-sdf:model={mine}"]) == 0
    assert "FAIL" not in capfd.readouterr().out
    assert main([*run, "sparse-sdf:model=nowhere/else", "--out", str(tmp_path / "none")]) == 2
    assert "nowhere/else: no such model; the zoo has lidar" in capfd.readouterr().err


def test_it_is_an_envs_lidar(zoo):
    gymnasium = pytest.importorskip("gymnasium")
    env = gymnasium.make_vec("UniSceneLidar-v0", num_envs=2, vectorization_mode="vector_entry_point",
                             lidar="sparse-sdf")  # fmt: skip
    first, after = env.reset(seed=3)[0], env.step(np.zeros(env.action_space.shape, np.float32))[0]
    seen = [x["lidar_range"] for x in (first, after)]
    env.close()
    single = gymnasium.make("UniSceneLidar-v0", lidar="sparse-sdf")
    assert (single.reset(seed=3)[0]["lidar_range"] == seen[0][0]).all()
    single.close()
    assert seen[0].std() > 0 and (seen[0] != seen[1]).any()


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps")
    few = (replace(SENSORS[0], azimuth_steps=180), replace(SENSORS[2], azimuth_steps=90))
    static_map = make_town(3)
    moments = [m for m in sample_drives(static_map, 3, 6) if len(m.agents)][:2]
    made = simulate_sweeps(static_map, 3000, moments, few)
    write_sweeps(folder / "sweeps_3.npz", made)
    return made, read_sweeps(folder / "sweeps_3.npz")


def test_sweeps_are_what_was_written(town):
    made, read = town
    assert (made.cells.ijk == read.cells.ijk).all() and made.cells.visible_count == read.cells.visible_count
    assert len(read.sweeps) == 2 and [len(a) for a in made.agents] == [len(a) for a in read.agents]
    for a, b in zip(made.sweeps, read.sweeps, strict=True):
        assert (a.range_m == b.range_m).all() and (a.dropped == b.dropped).all()
        assert a.detect_range_m == b.detect_range_m
    assert {s.detect_range_m for s in read.sweeps} == {60.0, 30.0}


def test_truth_lies_in_the_cells_that_may_be_seen(town):
    """What rays meet lies within half a cell of what the network is told; but for a few, on slopes and edges."""
    sweep, read = town[1].sweeps[0], town[1]
    met = np.isfinite(sweep.range_m) & (sweep.range_m < 60.0)
    points = sweep.origin + sweep.range_m[met, None] * sweep.direction[met]
    agents = np.concatenate(read.agents_cells[sweep.moment])
    cells = np.concatenate([read.cells.ijk, agents])
    tree = cKDTree((cells + 0.5) * 0.4)
    off = np.abs(points - (cells[tree.query(points)[1]] + 0.5) * 0.4).max(axis=1)
    assert (off < 0.4).mean() > 0.97
    dark = sweep.dropped[met]
    assert 0 < dark.mean() < 0.5 and (sweep.intensity[met][dark] == 0).all()
    assert sweep.range_m[met][dark].mean() > sweep.range_m[met][~dark].mean()


def test_a_little_training_beats_hard_rays(town, tmp_path):
    recipe = LidarRecipe(net=SMALL, schedule=Schedule(100, 5e-3, warmup=5, average=0.9), rays=768, half_m=10.0,
                         margin_m=2.0)  # fmt: skip
    net = train_sdf(recipe, [town[1]], [town[1]], tmp_path, CPU, every=100)
    row = json.loads((tmp_path / "lidar.jsonl").read_text().splitlines()[-1])
    crops = [LidarCrops([town[1]], recipe, 5)[n] for n in range(4)]
    torch.manual_seed(0)
    new = SparseSdfNet(SMALL)
    with torch.no_grad():
        before, after = (np.mean([lidar_losses(n, c, recipe)["loss"].item() for c in crops]) for n in (new, net))
    assert after < 0.8 * before
    assert row["net_rest_median"] < row["hard_rest_median"]
    save_lidar(tmp_path / "zoo", recipe, net, {"seed": 0}, "# small")
    model = LidarModel.load(tmp_path / "zoo")
    assert all(np.allclose(a, b, atol=2e-3) for a, b in zip(model.net.state_dict().values(), net.state_dict().values(),
                                                            strict=True))  # fmt: skip
    config = tmp_path / "zoo" / "config.yaml"
    config.write_text(re.sub(r"\b16\b", "17", config.read_text()))  # a size, not what stands in a hash
    with pytest.raises(InputError, match="shape"):
        LidarModel.load(tmp_path / "zoo")


def test_a_beam_that_was_lost_says_nothing_of_depth(town):
    """NaN: something was hit, but not how far."""
    recipe = LidarRecipe(net=SMALL, rays=256, half_m=10.0, margin_m=2.0)
    crop, net = LidarCrops([town[1]], recipe, 5)[0], SparseSdfNet(SMALL)
    lost = torch.isfinite(crop.range_m) & (torch.arange(len(crop.range_m)) % 2 == 0)
    as_lost = crop._replace(range_m=torch.where(lost, torch.nan, crop.range_m), dropped=crop.dropped | lost)
    as_missed = crop._replace(range_m=torch.where(lost, torch.inf, crop.range_m))
    with torch.no_grad():
        one, other = (lidar_losses(net, c, recipe) for c in (as_lost, as_missed))
    assert torch.isfinite(one["loss"]) and one["depth"] == other["depth"] and one["miss"] != other["miss"]
    assert one["drop"] > other["drop"], "an untrained head expects returns"


def test_a_training_begins_with_another_model(town, tmp_path):
    old = SparseSdfNet(SMALL)
    save_lidar(tmp_path / "old", LidarRecipe(net=SMALL), old, {}, "# old")
    recipe = LidarRecipe(
        str(tmp_path / "old"), net=SMALL, schedule=Schedule(1, 0.0), rays=256, half_m=10.0, margin_m=2.0
    )
    net = train_sdf(recipe, [town[1]], [town[1]], tmp_path / "work", CPU)
    for a, b in zip(net.state_dict().values(), old.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=2e-3), "a rate of 0 changes nothing"
    for start, size, message in ((tmp_path / "old", 24, "start: .*other sizes"), ("none", 8, "no such model")):
        other = replace(recipe, start=str(start), net=replace(SMALL, hidden=size))
        with pytest.raises(InputError, match=message):
            train_sdf(other, [town[1]], [town[1]], tmp_path / "other", CPU)


def test_a_share_of_the_first_weights_is_kept(town, tmp_path):
    old = SparseSdfNet(SMALL)
    save_lidar(tmp_path / "old", LidarRecipe(net=SMALL), old, {}, "# old")
    recipe = LidarRecipe(str(tmp_path / "old"), net=SMALL, schedule=Schedule(3, 0.05, 1), rays=256, half_m=10.0,
                         margin_m=2.0)  # fmt: skip
    first, new, half = (
        train_sdf(replace(recipe, **change), [town[1]], [town[1]], tmp_path / name, CPU).out.weight
        for name, change in (("a", {"schedule": Schedule(1, 0.0)}), ("b", {}), ("c", {"keep": 0.5}))
    )
    assert (new - first).abs().max() > 0.01 and torch.allclose(half, 0.5 * (first + new), atol=1e-5)
    for change in ({"keep": 1.0}, {"keep": 0.5, "start": ""}):
        with pytest.raises(InputError, match="keep: expected a share"):
            train_sdf(replace(recipe, **change), [town[1]], [town[1]], tmp_path / "d", CPU)


def test_depth_by_equation_10(town):
    """The mean over all samples lies between the first and the last of them."""
    torch.manual_seed(3)
    model = LidarModel("small", SparseSdfNet(SMALL), "", "cpu")
    crop = LidarCrops([town[1]], LidarRecipe(net=SMALL, rays=256, half_m=10.0, margin_m=2.0), 5)[0]
    with torch.no_grad():
        made = model.net(model.net.features(crop.ijk, crop.label, crop.group), crop.rays, crop.air)
    assert ((made.mean >= crop.rays.t[:, 0]) & (made.mean <= crop.rays.t[:, -1] + 1e-3)).all()
    assert model.by_mean_depth().net is model.net and (made.mean != made.depth).any()


def test_a_network_of_equation_10_has_no_other_depth(town):
    crop = LidarCrops([town[1]], LidarRecipe(net=SMALL, rays=256, half_m=10.0, margin_m=2.0), 5)[0]
    usual = SparseSdfNet(SMALL)
    mean = SparseSdfNet(replace(SMALL, mean_depth=True))
    mean.load_state_dict(usual.state_dict())
    with torch.no_grad():
        a, b = (net(net.features(crop.ijk, crop.label, crop.group), crop.rays, crop.air) for net in (usual, mean))
    assert torch.equal(b.depth, b.mean) and torch.equal(a.mean, b.mean) and not torch.equal(a.depth, b.depth)


def test_a_drop_out_head_without_the_beam_equation_knows_the_sensor_as_a_number(town, tmp_path):
    """Its logits move with the detection range, in straight pieces, and not with what the equation leaves of a beam."""
    recipe = LidarRecipe(net=replace(SMALL, beam_equation=False), rays=256, half_m=10.0, margin_m=2.0)
    save_lidar(tmp_path / "plain", recipe, SparseSdfNet(recipe.net), {}, "# plain")
    nets = {"plain": LidarModel.load(tmp_path / "plain", "cpu").net, "equation": SparseSdfNet(SMALL)}
    assert not nets["plain"].config.beam_equation and nets["plain"].drop.in_features == 16 + 2
    crop = LidarCrops([town[1]], recipe, 5)[0]
    with torch.no_grad():
        for name, net in nets.items():
            net.drop.weight[:, :16] = 0.0  # nothing of the ray itself
            features = net.features(crop.ijk, crop.label, crop.group)
            logits = net(features, crop.rays, crop.air).dropped
            stronger = net(features, crop.rays, crop.air + torch.tensor([1.0, 0, 0, 0])).dropped
            assert not torch.allclose(logits, stronger, atol=1e-3)
            assert (logits.std() < 1e-6) == (name == "plain"), "range and intensity come by the equation alone"
