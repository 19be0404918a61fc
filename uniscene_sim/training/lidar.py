"""`uniscene-sim train lidar`: training of a `SparseSdfNet` with the losses of UniScene's equation 11."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps
from uniscene_sim.errors import InputError
from uniscene_sim.layout import Style
from uniscene_sim.lidar.learned.model import LidarModel
from uniscene_sim.lidar.learned.network import Rays, SdfConfig, SparseSdfNet, air_features, spconv_backward_on_cpu
from uniscene_sim.lidar.learned.ray_samples import RaySamples, agent_grids, sample_rays
from uniscene_sim.lidar.learned.voxels import CellGrid, Cells, cell_grid, is_ground_label
from uniscene_sim.lidar.weather import air_of
from uniscene_sim.taxonomy import AGENT_OCC_CLASS
from uniscene_sim.tile import CELL_M
from uniscene_sim.training.loop import Schedule, train
from uniscene_sim.zoo.networks import plain_sizes, save_networks

__all__ = [
    "ON_REAL",
    "LidarCrop",
    "LidarCrops",
    "LidarRecipe",
    "depth_errors",
    "lidar_losses",
    "save_lidar",
    "train_sdf",
]


@dataclass(frozen=True)
class LidarRecipe:
    """Hyperparameters of a training. As in UniScene's code, depth and intensity have equal weights."""

    start: str = ""  # model of the zoo, or folder, whose weights are the first ones; of the same sizes
    keep: float = 0.0  # share of these first weights in the result, so that what they know is not lost
    towns: int = 0  # seeded towns that a training on real sweeps has beside them
    net: SdfConfig = field(default_factory=SdfConfig)
    schedule: Schedule = field(default_factory=lambda: Schedule(9000, 3e-3))
    half_m: float = 14.0  # half the side of the crop in which rays end
    margin_m: float = 10.0  # of cells around the crop
    rays: int = 3072
    on_objects: float = 0.5  # largest share of rays on agents
    seed: int = 0
    depth: float = 1.0  # weight of the loss; so are the next three
    intensity: float = 1.0
    drop: float = 0.2
    distance: float = 1.0  # of the signed distance near the surface
    near_m: float = 0.6  # how near


#: Fields of the recipe of a training on real sweeps, where it is not the usual one: the shipped model goes on.
ON_REAL: dict[str, Any] = {"start": "lidar", "schedule": Schedule(700, 1e-3, 50, 0.5, 0.99)}


class LidarCrop(NamedTuple):
    """A crop of a sweep: R rays, and N cells around them."""

    ijk: Tensor  # int32 (N, 3)
    label: Tensor  # int64 (N,) OccClass
    group: Tensor  # int32 (N,), 0 for the static world, then one per agent
    rays: Rays
    air: Tensor  # float32 (R, 4), as of `air_features`
    range_m: Tensor  # float32 (R,) m, inf where nothing is hit, NaN where that is all that is known
    intensity: Tensor  # float32 (R,)
    dropped: Tensor  # bool (R,)
    is_object: Tensor  # bool (R,)
    first_hit_m: Tensor  # float32 (R,) m, where the ray enters the first cell

    def to(self, device: torch.device) -> LidarCrop:
        others = {k: v.to(device) for k, v in self._asdict().items() if k != "rays"}
        return LidarCrop(rays=Rays(*(x.to(device) for x in self.rays)), **others)


class _SweepSamples(NamedTuple):
    """Samples of the R rays of a sweep that cross occupied cells."""

    which: np.ndarray  # int64 (R,), their indices in the sweep
    samples: RaySamples
    first_hit_m: np.ndarray  # float32 (R,) m
    ijk: np.ndarray  # int32 (A, 3), cells of the agents
    label: np.ndarray  # uint8 (A,)
    group: np.ndarray  # int32 (A,), number of the agent from 1
    ends: np.ndarray  # float32 (R, 2, 2), x and y (m) of the first and last sample


class LidarCrops:
    """Endless seeded crops by index.

    Args:
        towns: sweeps of each town.
        recipe: sizes of crops.
        seed: of the crops.
        around_agents: share of crops around an agent.
    """

    def __init__(self, towns: Sequence[TownSweeps], recipe: LidarRecipe, seed: int, around_agents: float = 0.6):
        self.towns, self.recipe, self.seed, self.around_agents = towns, recipe, seed, around_agents
        self._sweeps = [(t, s) for t, town in enumerate(towns) for s in range(len(town.sweeps))]
        # Grids are large; they are cached for all towns only without the prior, whose samples are made for each crop.
        self._grid = lru_cache(maxsize=1 if recipe.net.prior else None)(self._make_grid)
        self._marched = lru_cache(maxsize=None)(self._sample_town)
        self._by_x = lru_cache(maxsize=None)(self._sorted)

    def __getitem__(self, number: int) -> LidarCrop:
        rng = np.random.default_rng([self.seed, number, 8])
        while True:
            t, s = self._sweeps[int(rng.integers(len(self._sweeps)))]
            if (crop := self._crop(t, s, rng)) is not None:
                return crop

    def _sorted(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the visible cells, sorted by x, and their x."""
        x = self.towns[t].cells.ijk[: self.towns[t].cells.visible_count, 0]
        order = np.argsort(x, kind="stable")
        return order, x[order]

    def _make_grid(self, t: int) -> tuple[CellGrid, np.ndarray]:
        cells = self.towns[t].cells
        return cell_grid(cells), is_ground_label(cells.label)

    def _sample_town(self, t: int) -> list[_SweepSamples]:
        return [self._sample_sweep(self.towns[t], sweep, *self._grid(t)) for sweep in self.towns[t].sweeps]

    def _sample_sweep(
        self, town: TownSweeps, sweep: GroundTruthSweep, grid: CellGrid, ground: np.ndarray
    ) -> _SweepSamples:
        cells = town.cells
        parts = town.agents_cells[sweep.moment]
        kinds = AGENT_OCC_CLASS[town.agents[sweep.moment]["cls"]]
        counts = [len(p) for p in parts]
        ijk = np.concatenate([np.zeros((0, 3), np.int32), *parts])
        label = np.repeat(kinds, counts).astype(np.uint8)
        every = np.concatenate([cells.ijk[: cells.visible_count], ijk])
        grounds = np.concatenate([ground[: cells.visible_count], np.zeros(len(ijk), bool)])
        origin, direction = sweep.origins(), sweep.direction.astype(np.float64)
        n = self.recipe.net.samples if self.recipe.net.prior else 2
        agents = agent_grids(parts, cells.visible_count)
        made = sample_rays(grid, every, grounds, agents, origin, direction, sweep.max_range_m, n)
        whole = cell_grid(Cells(np.concatenate([every, cells.ijk[cells.visible_count :]]), cells.label, len(every)))
        bare = sample_rays(whole, every, grounds, agent_grids([], 0), origin, direction, sweep.max_range_m, 1)
        which = np.flatnonzero(np.isfinite(made.first))
        samples = RaySamples(*(x[which] for x in made))
        ends = sweep.origins(which)[:, None, :2] + samples.t[:, [0, -1], None] * direction[which, None, :2]
        group = np.repeat(np.arange(1, len(parts) + 1), counts).astype(np.int32)
        return _SweepSamples(which, samples, bare.first[which], ijk, label, group, ends.astype(np.float32))

    def _even_samples(self, t: int, sweep: GroundTruthSweep, agents_cells: np.ndarray, which: np.ndarray) -> RaySamples:
        cells, direction = self.towns[t].cells, sweep.direction[which].astype(np.float64)
        grid, ground = self._grid(t)
        every = np.concatenate([cells.ijk[: cells.visible_count], agents_cells])
        agents = agent_grids(self.towns[t].agents_cells[sweep.moment], cells.visible_count)
        return sample_rays(grid, every, ground, agents, sweep.origins(which), direction, sweep.max_range_m,
                     self.recipe.net.samples, prior=False)  # fmt: skip

    def _crop(self, t: int, s: int, rng: np.random.Generator) -> LidarCrop | None:
        recipe, town = self.recipe, self.towns[t]
        sweep, cells, m = town.sweeps[s], town.cells, self._marched(t)[s]
        on = np.flatnonzero(sweep.is_object[m.which])
        some = on if len(on) and rng.random() < self.around_agents else np.arange(len(m.which))
        middle = m.ends[some[int(rng.integers(len(some)))], 0] + rng.uniform(-0.6, 0.6, 2) * recipe.half_m
        inside = np.flatnonzero((np.abs(m.ends - middle) < recipe.half_m).all(axis=(1, 2)))
        if len(inside) < 64:
            return None
        objects = sweep.is_object[m.which[inside]]
        picked = _pick(inside[objects], int(recipe.on_objects * recipe.rays), rng)
        picked = np.concatenate([picked, _pick(inside[~objects], recipe.rays - len(picked), rng)])
        samples, which = RaySamples(*(x[picked] for x in m.samples)), m.which[picked]
        if not recipe.net.prior:
            samples = self._even_samples(t, sweep, m.ijk, which)
        low, high = ((middle + sign * (recipe.half_m + recipe.margin_m)) / CELL_M - 0.5 for sign in (-1, 1))
        order, x = self._by_x(t)
        near = order[np.searchsorted(x, low[0]) : np.searchsorted(x, high[0])]
        y = cells.ijk[near, 1]
        near = near[(low[1] < y) & (y < high[1])]
        hit = np.unique(m.group[samples.row[samples.agent_row >= 0] - cells.visible_count])
        theirs = np.flatnonzero(np.isin(m.group, hit))
        number = np.full(cells.visible_count + len(m.ijk) + 1, -1, np.int64)  # the last for free space
        number[near] = np.arange(len(near))
        number[cells.visible_count + theirs] = len(near) + np.arange(len(theirs))
        group = np.concatenate([np.zeros(len(near), np.int32), 1 + np.searchsorted(hit, m.group[theirs])])
        rays = Rays(
            *(torch.from_numpy(x) for x in (samples.t, number[samples.row], samples.offset, samples.slope,
                                            samples.gap, sweep.direction[which]))
        )  # fmt: skip
        air = air_features(sweep.detect_range_m, air_of(Style(sweep.weather))).expand(len(which), 4)
        return LidarCrop(
            torch.from_numpy(np.concatenate([cells.ijk[near], m.ijk[theirs]])),
            torch.from_numpy(np.concatenate([cells.label[near], m.label[theirs]]).astype(np.int64)),
            torch.from_numpy(group.astype(np.int32)),
            rays,
            air,
            torch.from_numpy(sweep.range_m[which]),
            torch.from_numpy(sweep.intensity[which]),
            torch.from_numpy(sweep.dropped[which]),
            torch.from_numpy(sweep.is_object[which]),
            torch.from_numpy(m.first_hit_m[picked]),
        )


def _pick(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def lidar_losses(net: SparseSdfNet, crop: LidarCrop, recipe: LidarRecipe) -> dict[str, Tensor]:
    """The losses of equation 11: depth, intensity, drop-out, and signed distance near the surface.

    The depth loss is logarithmic in the error, so that rays without a sample near the truth do not dominate.

    Args:
        net: the network.
        crop: cells, rays and ground truth.
        recipe: weights of the losses.

    Returns:
        "loss", the weighted sum, and its detached terms.
    """
    made = net(net.features(crop.ijk, crop.label, crop.group), crop.rays, crop.air)
    # Of a real beam that did not return it is not known how far it went.
    hit, there = torch.isfinite(crop.range_m), ~torch.isinf(crop.range_m)
    truth = torch.where(hit, crop.range_m, 0.0)
    off = torch.stack([made.depth - truth, made.mean - truth])[:, hit].abs()
    depth = 0.5 * _mean((off / 0.5).log1p())
    apart = (truth[:, None] - crop.rays.t) * crop.rays.slope
    near = hit[:, None] & (apart.abs() < 4 * recipe.near_m)
    wanted = apart.clamp(-recipe.near_m, recipe.near_m)
    # farther away the distance is only bounded from one side
    over, under = F.relu(made.distance - wanted), F.relu(wanted - made.distance)
    distance = _mean((over * (wanted < recipe.near_m) + under * (wanted > -recipe.near_m))[near])
    back = hit & ~crop.dropped
    intensity = _mean((made.intensity - crop.intensity).abs()[back])
    drop = _mean(F.binary_cross_entropy_with_logits(made.dropped, crop.dropped.float(), reduction="none")[there])
    miss = F.binary_cross_entropy_with_logits(made.miss, (~there).float())
    total = (
        recipe.depth * depth + recipe.distance * distance + recipe.intensity * intensity + recipe.drop * (drop + miss)
    )
    return {"loss": total} | {
        k: v.detach()
        for k, v in (("depth", depth), ("distance", distance), ("intensity", intensity), ("drop", drop), ("miss", miss))
    }


def _mean(x: Tensor) -> Tensor:
    """Mean, 0 for an empty tensor: a crop may have no returning ray."""
    return x.sum() / max(1, x.numel())


def depth_errors(net: SparseSdfNet, crops: Sequence[LidarCrop], device: torch.device) -> dict[str, float]:
    """Median range error (m) and share under 0.5 m over rays with a true hit, on agents and elsewhere.

    For the network ("net"), the first occupied cell ("hard"), and that with half a cell added ("half").
    """
    errors: dict[str, list[np.ndarray]] = {"net": [], "hard": [], "half": []}
    on_agents = []
    with torch.no_grad():
        for crop in crops:
            on = crop.to(device)
            made = net(net.features(on.ijk, on.label, on.group), on.rays, on.air)
            hit = torch.isfinite(crop.range_m)
            for name, depth in (
                ("net", made.depth.cpu()),
                ("hard", crop.first_hit_m),
                ("half", crop.first_hit_m + 0.5 * CELL_M),
            ):
                errors[name].append((depth - crop.range_m).abs()[hit].numpy())
            on_agents.append(crop.is_object[hit].numpy())
    objects = np.concatenate(on_agents)
    out = {}
    for name, parts in errors.items():
        every = np.concatenate(parts)
        for where, error in (("objects", every[objects]), ("rest", every[~objects])):
            out[f"{name}_{where}_median"] = round(float(np.median(error)), 4)
            out[f"{name}_{where}_under_50cm"] = round(float((error < 0.5).mean()), 4)
    return out


def train_sdf(
    recipe: LidarRecipe,
    training: Sequence[TownSweeps],
    validation: Sequence[TownSweeps],
    folder: Path,
    device: torch.device,
    every: int = 500,
) -> SparseSdfNet:
    """Train the network, or resume a training in `folder`.

    Args:
        recipe: hyperparameters.
        training: sweeps of training towns.
        validation: sweeps of validation towns.
        folder: of checkpoint and log.
        device: torch device.
        every: steps between checkpoints and checks.

    Returns:
        the network with averaged weights.

    Raises:
        InputError: the recipe starts from a model that is not there, or of other sizes, or keeps a share of none.
    """
    if not 0.0 <= recipe.keep < 1.0 or (recipe.keep and not recipe.start):
        raise InputError(f"expected a share below 1, and of a model to start from, got {recipe.keep}", field="keep")
    torch.manual_seed(recipe.seed)
    net = _first_net(recipe).to(device)
    first = [weight.detach().clone() for weight in net.parameters()]
    crops = LidarCrops(training, recipe, recipe.seed)
    others = LidarCrops(validation, recipe, 1)
    held_out = [others[n] for n in range(8)]

    def loss_of(step: int) -> dict[str, Tensor]:
        return lidar_losses(net, crops[step].to(device), recipe)

    with spconv_backward_on_cpu():
        made = train(
            net,
            loss_of,
            recipe.schedule,
            folder,
            "lidar",
            device,
            lambda net: depth_errors(net, held_out, device),
            every,
        )
    with torch.no_grad():
        torch._foreach_lerp_(list(made.parameters()), first, recipe.keep)
    return made


def _first_net(recipe: LidarRecipe) -> SparseSdfNet:
    """The network before its training.

    Raises:
        InputError: there is no model to start from, or it has other sizes.
    """
    net = SparseSdfNet(recipe.net)
    if recipe.start:
        model = LidarModel.load(recipe.start, "cpu")
        if model.config != recipe.net:
            raise InputError(f"{recipe.start!r} has other sizes, expected those of the recipe's net", field="start")
        net.load_state_dict(model.net.state_dict())
    return net


def save_lidar(folder: Path, recipe: LidarRecipe, net: SparseSdfNet, facts: dict[str, Any], card: str) -> None:
    """Write the network as a model of the zoo.

    Args:
        folder: of the model.
        recipe: for the network's sizes.
        net: the network.
        facts: description of the training, for the config.
        card: text of the model card.
    """
    save_networks(folder, {"net": plain_sizes(recipe.net), "training": facts}, {"net": net}, card)
