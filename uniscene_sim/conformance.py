"""`uniscene-sim check`: whether an engine keeps the rules that its interface promises, and what is wrong where not.

The engine runs on a street of the library, at two moments and with two sensors of a few pixels or beams.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import Any

import numpy as np

from uniscene_sim import plugins
from uniscene_sim.camera.raycast import EGO_ID
from uniscene_sim.engines import WorldView
from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraFrame, LidarSweep, digest
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame
from uniscene_sim.occupancy import tiles as layout_of_tiles
from uniscene_sim.occupancy.procedural import ProceduralOccupancy
from uniscene_sim.occupancy.store import TileStore
from uniscene_sim.occupancy.tiles import CELL_M, Tile
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.taxonomy import AgentClass, OccClass
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.world.opendrive import load_map
from uniscene_sim.world.scenario import find_scenario, load_scenario
from uniscene_sim.world.source import ScenarioSource

__all__ = ["Finding", "check"]

_RANGE_M = 40.0
_CAMERAS = (
    CameraSpec("front", 48, 32, 30.0, 30.0, 24.0, 16.0, Pose(1.7, 0.0, 1.5), max_range_m=_RANGE_M),
    CameraSpec("left", 32, 24, 20.0, 20.0, 16.0, 12.0, Pose(1.0, 0.4, 1.5, yaw=1.2), max_range_m=_RANGE_M),
)
_LIDARS = tuple(
    LidarSpec(name, Pose(x, 0.0, 1.8), tuple(np.radians(np.linspace(-20.0, 5.0, 8))), 90, max_range_m=_RANGE_M)
    for name, x in (("top", 0.9), ("front", 3.4))
)
_TILES = ((1, 1), (1, 2), (2, 1))
_NEW_ID = 60_000


@dataclass(frozen=True)
class Finding:
    """Whether one rule is kept; `detail` says what was expected and what was seen where it is not."""

    rule: str
    good: bool
    detail: str = ""


class _Broken(Exception):
    """A rule is not kept."""


def check(slot: str, name: str) -> Iterator[Finding]:
    """Findings of an engine, one a rule, as they are made.

    Args:
        slot: occupancy, camera or lidar.
        name: as installed, or `module:attribute` of one under development.

    Raises:
        InputError: no such engine, or one that cannot be constructed.
    """
    engine = _engine_class(slot, name)
    rules = _tile_rules(engine, name) if slot == "occupancy" else _sensor_rules(slot, engine, name)
    for rule, test in rules:
        try:
            test()
        except _Broken as broken:
            yield Finding(rule, False, str(broken))
        except Exception as error:
            yield Finding(rule, False, f"raised {type(error).__name__}: {error}")
        else:
            yield Finding(rule, True)


def _engine_class(slot: str, name: str) -> Any:
    if ":" not in name:
        return plugins.load_engine(slot, name)
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        raise InputError(f"{name!r} cannot be loaded: {error}", field="NAME") from error


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise _Broken(message)


# --- sensors ------------------------------------------------------------------------------------------------------


def _views() -> tuple[WorldView, WorldView]:
    """Two moments of a street, half a second apart, each with its history."""
    scenario = load_scenario(find_scenario("cut_in"))
    static_map = load_map(scenario.map)
    source = ScenarioSource(scenario, static_map)
    occupancy: Any = ProceduralOccupancy(static_map, scenario.seed)
    store = TileStore(occupancy)
    views, history = [], [source.reset()]
    for _ in range(2):
        for _ in range(5):
            history += source.step(source.driver_control(), 100_000)
        atlas = TileAtlas(store)
        atlas.update(history[-1].ego_pose.x, history[-1].ego_pose.y, _RANGE_M + 8.0)
        views.append(WorldView(history[-1], tuple(history[-12:-1]), atlas))
    return views[0], views[1]


def _run(engine: Any, views: list[WorldView], specs: tuple[Any, ...]) -> list[dict[str, Any]]:
    result = engine().step(None, views, specs)
    _expect(isinstance(result, tuple) and len(result) == 2, "step() must return (state, outputs)")
    return result[1]


def _digests(outputs: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{name: digest(record) for name, record in world.items()} for world in outputs]


def _sensor_rules(slot: str, engine: Any, name: str) -> list[tuple[str, Callable[[], None]]]:
    specs: tuple[Any, ...] = _CAMERAS if slot == "camera" else _LIDARS
    record = CameraFrame if slot == "camera" else LidarSweep
    a, b = _views()

    def attributes() -> None:
        _expect(isinstance(getattr(engine, "name", None), str), "name must be a string")
        coupling = getattr(engine, "coupling", None)
        _expect(coupling in ("independent", "joint"), f"coupling must be 'independent' or 'joint', is {coupling!r}")
        for number, least in (("chunk", 1), ("latency_ticks", 0)) if slot == "camera" else ():
            value = getattr(engine, number, None)
            _expect(isinstance(value, int) and value >= least, f"{number} must be an integer of at least {least}, "
                    f"is {value!r}")  # fmt: skip

    def outputs() -> None:
        found = _run(engine, [a, b], specs)
        _expect(len(found) == 2, f"2 worlds must give 2 outputs, gave {len(found)}")
        for view, world in zip((a, b), found, strict=True):
            wanted = [s.name for s in specs]
            _expect(sorted(world) == sorted(wanted), f"sensors must be {wanted}, are {list(world)}")
            for spec in specs:
                frame = world[spec.name]
                kind = type(frame).__name__
                _expect(isinstance(frame, record), f"{spec.name} must be a {record.__name__}, is a {kind}")
                expected = view.frame.stamp_us
                _expect(frame.stamp_us == expected, f"{spec.name}.stamp_us must be {expected}, is {frame.stamp_us}")
                (_check_image if slot == "camera" else _check_sweep)(frame, spec, view.frame)

    def repeats() -> None:
        _expect(_digests(_run(engine, [a, b], specs)) == _digests(_run(engine, [a, b], specs)),
                "the same call on a new engine gave other output")  # fmt: skip
        one = engine()
        first = _digests(one.step(None, [a], specs)[1])
        one.step(None, [b], specs)
        again = _digests(one.step(None, [a], specs)[1])
        _expect(again == first, "the same call gave other output after another one: state must be passed, not kept")

    def batch() -> None:
        both, swapped = _digests(_run(engine, [a, b], specs)), _digests(_run(engine, [b, a], specs))
        alone = [_digests(_run(engine, [v], specs))[0] for v in (a, b)]
        _expect(both == alone, "a batch of two worlds gave other output than each alone")
        _expect(swapped == both[::-1], "the order of worlds in a batch changes their output")

    def independent() -> None:
        if getattr(engine, "coupling", None) != "independent":
            return
        together = _digests(_run(engine, [a], specs))[0]
        for spec in specs:
            alone = _digests(_run(engine, [a], (spec,)))[0]
            _expect(alone[spec.name] == together[spec.name],
                    f"coupling is 'independent', but {spec.name} changes with the other sensors")  # fmt: skip

    def untouched() -> None:
        before = _inputs_hash(a)
        _run(engine, [a], specs)
        _expect(_inputs_hash(a) == before, "step() must not change the layout that it is given")

    def conditions() -> None:
        crowded = replace(a, frame=_with_a_car_ahead(a.frame))
        empty, full = _run(engine, [a], specs[:1])[0], _run(engine, [crowded], specs[:1])[0]
        first = specs[0].name
        _expect(digest(empty[first]) != digest(full[first]), "a car put 9 m ahead of the ego changes nothing")
        seen = int((full[first].instance == _NEW_ID).sum())
        _expect(seen > 3, f"of a car put 9 m ahead of the ego {seen} samples carry its instance, expected some")

    def anew() -> None:
        _expect(_in_a_new_process(slot, name) == _digest_of_run(slot, engine), "a new process gave other output")

    return [
        ("declares its attributes", attributes), ("shapes, types and ranges", outputs), ("repeats", repeats),
        ("repeats in a new process", anew), ("batch equals single worlds", batch),
        ("coupling as declared", independent), ("leaves its input alone", untouched),
        ("conditions show in the output", conditions),
    ]  # fmt: skip


def _array(name: str, value: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    _expect(isinstance(value, np.ndarray), f"{name} must be an array, is a {type(value).__name__}")
    _expect(value.dtype == dtype and value.shape == shape,
            f"{name} must be {np.dtype(dtype).name} {shape}, is {value.dtype.name} {value.shape}")  # fmt: skip


def _check_image(frame: CameraFrame, spec: CameraSpec, layout: LayoutFrame) -> None:
    size = (spec.height, spec.width)
    _array(f"{spec.name}.rgb", frame.rgb, np.uint8, (*size, 3))
    _array(f"{spec.name}.depth", frame.depth, np.float32, size)
    _array(f"{spec.name}.semantic", frame.semantic, np.uint8, size)
    _array(f"{spec.name}.instance", frame.instance, np.uint16, size)
    _expect(bool((frame.depth >= 0).all()), f"{spec.name}.depth must be at least 0 or inf, has NaN or less")
    _check_labels(spec.name, frame.semantic, frame.instance, layout)


def _check_sweep(sweep: LidarSweep, spec: LidarSpec, layout: LayoutFrame) -> None:
    count = len(sweep.xyz)
    _expect(count > 0, f"{spec.name} hits nothing on a street with houses")
    for field, dtype, shape in (
        ("xyz", np.float32, (count, 3)), ("intensity", np.float32, (count,)), ("ring", np.uint16, (count,)),
        ("time_s", np.float32, (count,)), ("label", np.uint8, (count,)), ("instance", np.uint16, (count,)),
    ):  # fmt: skip
        _array(f"{spec.name}.{field}", getattr(sweep, field), dtype, shape)
    _expect(bool(np.isfinite(sweep.xyz).all()), f"{spec.name}.xyz must be finite")
    far = float(np.linalg.norm(sweep.xyz, axis=1).max())
    _expect(far <= spec.max_range_m + 2.0, f"{spec.name}.xyz must lie within {spec.max_range_m:g} m, reach {far:.1f} m")
    beams = len(spec.elevation_rad)
    _expect(int(sweep.ring.max()) < beams, f"{spec.name}.ring must be below {beams}, reaches {int(sweep.ring.max())}")
    low, high = float(sweep.time_s.min()), float(sweep.time_s.max())
    span = spec.period_us * 1e-6
    within = -span - 1e-6 <= low and high <= 1e-6
    _expect(within, f"{spec.name}.time_s must lie in [-{span:g}, 0], is [{low:g}, {high:g}]")
    inside = (sweep.intensity >= 0) & (sweep.intensity <= 1)
    _expect(bool(inside.all()), f"{spec.name}.intensity must lie in [0, 1]")
    _check_labels(spec.name, sweep.label, sweep.instance, layout)


def _check_labels(sensor: str, labels: np.ndarray, instances: np.ndarray, layout: LayoutFrame) -> None:
    _expect(int(labels.max()) <= max(OccClass), f"{sensor}: labels must be of the taxonomy, has {int(labels.max())}")
    strange = set(np.unique(instances).tolist()) - {0, EGO_ID} - set(layout.agents["id"].tolist())
    _expect(not strange, f"{sensor}: instances {sorted(strange)[:5]} are none of the layout's agents")


def _with_a_car_ahead(frame: LayoutFrame) -> LayoutFrame:
    row = np.zeros(1, AGENT_DTYPE)
    row["id"], row["cls"], row["size"] = _NEW_ID, AgentClass.CAR, (4.5, 1.8, 1.5)
    row["pos"] = frame.ego_pose.apply(np.array([9.0, 0.0, 0.0]))
    row["rpy"][0, 2] = frame.ego_pose.yaw
    return replace(frame, agents=np.concatenate([frame.agents, row]))


def _inputs_hash(view: WorldView) -> str:
    sha = hashlib.sha256()
    for frame in (view.frame, *view.history):
        for f in fields(frame):
            value = getattr(frame, f.name)
            sha.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return sha.hexdigest()


# --- occupancy ----------------------------------------------------------------------------------------------------


def _tile_rules(engine: Any, name: str) -> list[tuple[str, Callable[[], None]]]:
    static_map = load_map(load_scenario(find_scenario("cut_in")).map)

    def tile(index: tuple[int, int], seed: int = 7) -> Tile:
        return engine(static_map, seed).tile(*index)

    def attributes() -> None:
        _expect(isinstance(getattr(engine, "name", None), str), "name must be a string")
        key = getattr(engine(static_map, 7), "cache_key", "absent")
        _expect(key is None or (isinstance(key, str) and key != "absent"), "cache_key must be a string or None")

    def outputs() -> None:
        for index in _TILES:
            _check_tile(tile(index), index)

    def repeats() -> None:
        one = engine(static_map, 7)
        forth = [_tile_hash(one.tile(*i)) for i in _TILES]
        back = [_tile_hash(one.tile(*i)) for i in _TILES[::-1]][::-1]
        _expect(forth == back, "a tile changes with the tiles made before it")
        _expect(forth == [_tile_hash(tile(i)) for i in _TILES], "a new engine made another tile")

    def anew() -> None:
        there = _in_a_new_process("occupancy", name)
        _expect(there == _digest_of_run("occupancy", engine), "a new process made another tile")

    def seeded() -> None:
        _expect(any(_tile_hash(tile(i)) != _tile_hash(tile(i, 8)) for i in _TILES), "another seed makes the same world")

    def seams() -> None:
        here, north, east = (tile(i).ground[0] for i in _TILES)
        for one, other, side in ((here[:, -1], north[:, 0], "north"), (here[-1], east[0], "east")):
            gap = float(np.abs(one - other).max())
            _expect(gap < 1e-3, f"ground on the {side} edge must equal the neighbour's, differs by {gap:.3f} m")

    return [
        ("declares its attributes", attributes), ("shapes, types and ranges", outputs), ("repeats", repeats),
        ("repeats in a new process", anew), ("seed shows in the world", seeded), ("ground meets at edges", seams),
    ]  # fmt: skip


def _check_tile(tile: Tile, index: tuple[int, int]) -> None:
    t = layout_of_tiles
    _expect(tile.index == index, f"index must be {index}, is {tile.index}")
    cells = tile.base_z / CELL_M
    _expect(abs(cells - round(cells)) < 1e-6, f"base_z must be a multiple of {CELL_M} m, is {tile.base_z}")
    _array("blocks", tile.blocks, np.int32, (t.TILE_BLOCKS, t.TILE_BLOCKS, t.BLOCKS_Z))
    count, decks = len(tile.materials), len(tile.ground)
    _array("materials", tile.materials, np.uint8, (count, *(t.BLOCK_CELLS,) * 3))
    _array("brick_of", tile.brick_of, np.int32, (count, *(t.BLOCK_CELLS,) * 3))
    _array("bricks", tile.bricks, np.uint64, (len(tile.bricks),))
    _array("ground", tile.ground, np.float32, (decks, t.GROUND_SAMPLES, t.GROUND_SAMPLES))
    _array("paint", tile.paint, np.uint8, (decks, t.PAINT_CELLS, t.PAINT_CELLS))
    _expect(decks > 0 and bool(np.isfinite(tile.ground[0]).all()), "ground of deck 0 must be complete and finite")
    _expect(-1 <= tile.blocks.min() and tile.blocks.max() < count, f"blocks must name rows of materials, of {count}")
    if count:
        named = -1 <= tile.brick_of.min() and tile.brick_of.max() < len(tile.bricks)
        _expect(named, "brick_of must name rows of bricks")


def _tile_hash(tile: Tile) -> str:
    sha = hashlib.sha256(repr((tile.index, tile.base_z)).encode())
    for f in fields(tile):
        value = getattr(tile, f.name)
        if isinstance(value, np.ndarray):
            sha.update(f"{f.name}{value.dtype}{value.shape}".encode() + value.tobytes())
    return sha.hexdigest()


# --- a new process ------------------------------------------------------------------------------------------------


def _digest_of_run(slot: str, engine: Any) -> str:
    if slot == "occupancy":
        static_map = load_map(load_scenario(find_scenario("cut_in")).map)
        return repr([_tile_hash(engine(static_map, 7).tile(*i)) for i in _TILES])
    specs: tuple[Any, ...] = _CAMERAS if slot == "camera" else _LIDARS
    return repr(_digests(_run(engine, list(_views()), specs)))


def _in_a_new_process(slot: str, name: str) -> str:
    code = (
        f"from uniscene_sim import conformance as c\n"
        f"print(c._digest_of_run({slot!r}, c._engine_class({slot!r}, {name!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    _expect(done.returncode == 0, f"failed there: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip()
