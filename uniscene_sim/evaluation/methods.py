"""What the tables of occupancy compare: ways to make the labels of held-out windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uniscene_sim.evaluation.held_out import HeldOutWindows, Place
from uniscene_sim.evaluation.mean_column import MeanColumnBaseline
from uniscene_sim.evaluation.remade_maps import EmittedWindows, Origin, Replanned
from uniscene_sim.layout import CONDITION_CHANNELS, without_plan
from uniscene_sim.maps.static_map import StaticMap
from uniscene_sim.occupancy.learned.interface import OccupancyGenerator
from uniscene_sim.occupancy.learned.tile_engine import OccflowTiles
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy

__all__ = ["ENGINE_TOWNS", "Method", "Naming", "emitted", "learned_methods", "lookup_tables", "replanned", "truth",
           "window_noise"]  # fmt: skip

#: Towns of a set whose tiles are made: a window takes up to nine, and they need their neighbours.
ENGINE_TOWNS = 2


class Naming:
    """Names of the rows."""

    TRUTH, TILES, PROCEDURAL = "truth", "truth as tiles", "procedural, another seed"
    OTHERS, ENGINE_OTHERS = "truth, other windows", "truth, other windows of engines' towns"
    UNTOLD, TOLD = "flow, untold", "flow, told"
    ENGINE_UNTOLD, ENGINE_TOLD = "engine, untold", "engine, told"
    LOOKUP_UNTOLD, LOOKUP_TOLD = "lookup table, untold", "lookup table, told"


@dataclass(frozen=True)
class Method:
    """A way to make labels."""

    name: str
    make: Callable[[np.ndarray], np.ndarray]  # numbers of windows to labels uint8 (B, X, Y, Z)
    windows: np.ndarray  # int (K,), numbers of those it can make
    timed: bool = True  # whether it is more than a look-up
    variant: Callable[[int, int], np.ndarray] | None = None  # labels of a window by another noise or seed
    mosaic: Callable[[Place], np.ndarray] | None = None  # labels of 3 x 3 tiles around a place


def truth(scenes: HeldOutWindows) -> Method:
    """The truth itself."""
    return Method(Naming.TRUTH, lambda at: scenes.labels[at], np.arange(len(scenes.labels)), timed=False)


def lookup_tables(scenes: HeldOutWindows, told: MeanColumnBaseline, untold: MeanColumnBaseline) -> list[Method]:
    """Tables fitted to training windows with their plan, and without."""
    every = np.arange(len(scenes.labels))
    out = [Method(Naming.LOOKUP_UNTOLD, lambda at: untold(without_plan(scenes.layouts[at])), every)]
    if scenes.planned:
        out.append(Method(Naming.LOOKUP_TOLD, lambda at: told(scenes.layouts[at]), every))
    return out


def learned_methods(model: OccupancyGenerator, scenes: HeldOutWindows, seed: int) -> list[Method]:
    """The VAE and its parts, and the flow with and without the plan.

    Args:
        model: the generator.
        scenes: N windows.
        seed: of the noise, together with the number of the window.
    """
    every, shape = np.arange(len(scenes.labels)), scenes.labels.shape[1:]
    channels = [CONDITION_CHANNELS.index(name) for name in model.channels]

    def layouts(at: np.ndarray, told: bool) -> np.ndarray:
        given = scenes.layouts[at] if told else without_plan(scenes.layouts[at])
        return given[:, channels]

    def vae(at: np.ndarray, with_layout: bool) -> np.ndarray:
        layout = layouts(at, False)
        return model.decode(model.encode(scenes.labels[at], layout), layout if with_layout else None)

    def alone(at: np.ndarray) -> np.ndarray:
        noise = window_noise(model, shape, seed, 0)
        return model.decode(np.zeros((len(at), *noise.shape), np.float32), layouts(at, False))

    def flow(name: str, told: bool) -> Method:
        def make(at: np.ndarray, noise: Sequence[int]) -> np.ndarray:
            layout = layouts(at, told)
            drawn = np.stack([window_noise(model, shape, n, k) for n, k in zip(noise, at.tolist(), strict=True)])
            return model.decode(model.generate(layout, drawn), layout)

        return Method(
            name,
            lambda at: make(at, [seed] * len(at)),
            every,
            variant=lambda k, n: make(np.array([k]), [seed + n])[0],
        )

    out = [
        Method("VAE ceiling", lambda at: vae(at, True), every),
        Method("VAE without layout", lambda at: vae(at, False), every),
        Method("decoder alone", alone, every),
        flow(Naming.UNTOLD, False),
    ]
    return [*out, flow(Naming.TOLD, True)] if scenes.planned else out


def replanned(scenes: HeldOutWindows) -> list[Method]:
    """`procedural` with other houses and plants: as plausible as the truth, but another world. None where the maps of
    some windows cannot be made again."""
    if any(place.origin is None for place in scenes.places):
        return []
    planner = Replanned()

    def variant(k: int, another: int) -> np.ndarray:
        place = scenes.places[k]
        return _with_agents(scenes, k, planner(_origin(place), place.pose, another))

    def make(at: np.ndarray) -> np.ndarray:
        return np.stack([variant(k, 0) for k in at.tolist()])

    return [Method(Naming.PROCEDURAL, make, np.arange(len(scenes.places)), timed=False, variant=variant)]


def emitted(model: OccupancyGenerator, scenes: HeldOutWindows, towns: int = ENGINE_TOWNS) -> list[Method]:
    """What engines emit: `procedural` with the plan of the truth, and `occflow-tiles`. None where no map can be made
    again.

    Args:
        model: the generator.
        scenes: N windows.
        towns: how many of those that can be made again, the first ones.
    """
    remade = [(k, place) for k, place in enumerate(scenes.places) if place.origin is not None]
    files = list(dict.fromkeys(place.file for _, place in remade))[:towns]
    some = np.array([k for k, place in remade if place.file in files])
    if not len(some):
        return []

    def flow(told: bool) -> Callable[[StaticMap, int], OccflowTiles]:
        return lambda static_map, seed: OccflowTiles(static_map, seed, model, options=OccflowTiles.Options(told=told))

    def method(name: str, windows: EmittedWindows) -> Method:
        def make(at: np.ndarray) -> np.ndarray:
            places = [(k, scenes.places[k]) for k in at.tolist()]
            return np.stack([_with_agents(scenes, k, windows(_origin(p), p.pose)) for k, p in places])

        return Method(name, make, some, timed=False, mosaic=lambda place: windows.mosaic(_origin(place), place.pose))

    return [
        method(Naming.TILES, EmittedWindows(ProceduralOccupancy)),
        method(Naming.ENGINE_UNTOLD, EmittedWindows(flow(told=False))),
        method(Naming.ENGINE_TOLD, EmittedWindows(flow(told=True))),
    ]


def window_noise(model: OccupancyGenerator, shape: tuple[int, ...], seed: int, window: int) -> np.ndarray:
    """Noise of latents for a window.

    Args:
        model: the generator, for patch and channels.
        shape: (X, Y, Z) of the window's labels.
        seed: of the noise.
        window: number of the window.

    Returns:
        float32 (channels, X / patch, Y / patch).
    """
    nx, ny = (n // model.patch for n in shape[:2])
    return np.random.default_rng([seed, window]).standard_normal((model.latent_channels, nx, ny), np.float32)


def _origin(place: Place) -> Origin:
    assert place.origin is not None
    return place.origin


def _with_agents(scenes: HeldOutWindows, k: int, static: np.ndarray) -> np.ndarray:
    """Static labels of a window's place and the agents of its truth, which simulations draw themselves."""
    return np.where(scenes.agents[k], scenes.labels[k], static[..., : scenes.labels.shape[3]])
