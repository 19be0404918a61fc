"""Rules of camera and LiDAR engines, tested at two times in a street with sensors of few pixels or beams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from uniscene_sim.assembly import tile_store
from uniscene_sim.conformance.chunks import chunk_rules, expect_chunk_and_latency
from uniscene_sim.conformance.rules import (
    Rules,
    fingerprint_in_new_process,
    hash_layouts,
    refused_with_input_error,
    require,
    require_array,
)
from uniscene_sim.frames import CameraFrame, LidarSweep, digest
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import AGENT_DTYPE, LayoutFrame
from uniscene_sim.rig import CameraSpec, LidarSpec
from uniscene_sim.rigs.lidar_makes import REAL_EFFECTS
from uniscene_sim.taxonomy import EGO_ID, AgentClass, OccClass
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["NEW_ID", "TEST_LIDARS", "car_ahead", "sensor_rules", "street_digests", "views_of_a_street"]

_RANGE_M = 40.0
TEST_CAMERAS = (
    CameraSpec("front", 48, 32, 30.0, 30.0, 24.0, 16.0, Pose(1.7, 0.0, 1.5), max_range_m=_RANGE_M),
    CameraSpec("left", 32, 24, 20.0, 20.0, 16.0, 12.0, Pose(1.0, 0.4, 1.5, yaw=1.2), max_range_m=_RANGE_M),
)
TEST_LIDARS = tuple(
    LidarSpec(name, Pose(x, 0.0, 1.8), tuple(np.radians(np.linspace(-20.0, 5.0, 8))), 90, max_range_m=_RANGE_M)
    for name, x in (("top", 0.9), ("front", 3.4))
)
NEW_ID = 60_000


def views_of_a_street() -> tuple[WorldView, WorldView]:
    """Two views of a street, half a second apart, each with its history."""
    source = ScenarioSource.open("cut_in")
    store = tile_store("procedural", source.map, source.seed)
    views, history = [], [source.reset()]
    for _ in range(2):
        for _ in range(5):
            history += source.step(source.driver_control(), 100_000)
        atlas = TileAtlas(store)
        atlas.update(history[-1].ego_pose.x, history[-1].ego_pose.y, _RANGE_M + 8.0)
        views.append(WorldView(history[-1], tuple(history[-12:-1]), atlas))
    return views[0], views[1]


def _step_engine(engine: Any, views: list[WorldView], specs: tuple[Any, ...]) -> list[dict[str, Any]]:
    result = engine().step([None] * len(views), views, specs)
    require(isinstance(result, tuple) and len(result) == 2, "step() must return (state, outputs)")
    require(len(result[0]) == len(views), "step() must return a state for each world")
    outputs: list[dict[str, Any]] = result[1]
    return outputs


def _digests(outputs: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{name: digest(record) for name, record in world.items()} for world in outputs]


def sensor_rules(slot: str, engine: Any, name: str) -> Rules:
    """Rules of an engine of the slot `camera` or `lidar`."""
    specs: tuple[Any, ...] = TEST_CAMERAS if slot == "camera" else TEST_LIDARS
    record = CameraFrame if slot == "camera" else LidarSweep
    a, b = views_of_a_street()

    def attributes() -> None:
        require(isinstance(getattr(engine, "name", None), str), "name must be a string")
        coupling = getattr(engine, "coupling", None)
        require(coupling in ("independent", "joint"), f"coupling must be 'independent' or 'joint', is {coupling!r}")
        if slot == "camera" or hasattr(engine, "chunk") or hasattr(engine, "latency_ticks"):
            expect_chunk_and_latency(engine)

    def outputs() -> None:
        found = _step_engine(engine, [a, b], specs)
        require(len(found) == 2, f"2 worlds must give 2 outputs, gave {len(found)}")
        for view, world in zip((a, b), found, strict=True):
            wanted = [s.name for s in specs]
            require(sorted(world) == sorted(wanted), f"sensors must be {wanted}, are {list(world)}")
            for spec in specs:
                frame = world[spec.name]
                kind = type(frame).__name__
                require(isinstance(frame, record), f"{spec.name} must be a {record.__name__}, is a {kind}")
                expected = view.frame.stamp_us
                require(frame.stamp_us == expected, f"{spec.name}.stamp_us must be {expected}, is {frame.stamp_us}")
                (_check_image if slot == "camera" else _check_sweep)(frame, spec, view.frame)

    def repeats() -> None:
        require(_digests(_step_engine(engine, [a, b], specs)) == _digests(_step_engine(engine, [a, b], specs)),
                "the same call on a new engine gave other output")  # fmt: skip
        one = engine()
        first = _digests(one.step([None], [a], specs)[1])
        one.step([None], [b], specs)
        again = _digests(one.step([None], [a], specs)[1])
        require(again == first, "the same call gave other output after another one: state must be passed, not kept")

    def batch() -> None:
        both, swapped = _digests(_step_engine(engine, [a, b], specs)), _digests(_step_engine(engine, [b, a], specs))
        alone = [_digests(_step_engine(engine, [v], specs))[0] for v in (a, b)]
        require(both == alone, "a batch of two worlds gave other output than each alone")
        require(swapped == both[::-1], "the order of worlds in a batch changes their output")

    def independent() -> None:
        if getattr(engine, "coupling", None) != "independent":
            return
        together = _digests(_step_engine(engine, [a], specs))[0]
        for spec in specs:
            alone = _digests(_step_engine(engine, [a], (spec,)))[0]
            require(alone[spec.name] == together[spec.name],
                    f"coupling is 'independent', but {spec.name} changes with the other sensors")  # fmt: skip

    def untouched() -> None:
        before = hash_layouts((a.frame, *a.history))
        _step_engine(engine, [a], specs)
        require(hash_layouts((a.frame, *a.history)) == before, "step() must not change the layout that it is given")

    def conditions() -> None:
        crowded = replace(a, frame=car_ahead(a.frame))
        empty, full = _step_engine(engine, [a], specs[:1])[0], _step_engine(engine, [crowded], specs[:1])[0]
        first = specs[0].name
        require(digest(empty[first]) != digest(full[first]), "a car put 9 m ahead of the ego changes nothing")
        count = int((full[first].instance == NEW_ID).sum())
        require(count > 3, f"of a car put 9 m ahead of the ego {count} samples carry its instance, expected some")

    def errors() -> None:
        before = _digests(_step_engine(engine, [a], specs))
        one = engine()
        require(one.step([], [], specs)[1] == [], "no worlds must give no outputs")
        require(one.step([None], [a], ())[1] == [{}], "no sensors must give an empty dict for each world")
        for spec in _unusual_sensors(slot):

            def call(spec: Any = spec) -> None:
                made = one.step([None], [a], (spec,))[1][0][spec.name]
                (_check_image if slot == "camera" else _check_sweep)(made, spec, a.frame)

            refused_with_input_error(f"the sensor {spec.name!r}", call)
        require(_digests(one.step([None], [a], specs)[1]) == before, "after an error the engine goes on in another way")

    def new_process() -> None:
        require(
            fingerprint_in_new_process(slot, name) == street_digests(slot, engine), "a new process gave other output"
        )

    return [
        ("declares its attributes", attributes), ("shapes, types and ranges", outputs), ("repeats", repeats),
        ("repeats in a new process", new_process), ("batch equals single worlds", batch),
        *chunk_rules(
            engine,
            lambda one, states, views: one.step(states, views, specs),
            lambda output: _digests([output]),
            lambda output: {record.stamp_us for record in output.values()},
            (a, b),
        ),
        ("coupling as declared", independent), ("leaves its input alone", untouched),
        ("conditions show in the output", conditions), ("errors", errors),
    ]  # fmt: skip


def _unusual_sensors(slot: str) -> tuple[Any, ...]:
    """Sensors that an engine need not support; it must simulate each correctly or refuse it."""
    if slot == "lidar":
        single = LidarSpec("one_beam", Pose(0.9, 0.0, 1.8), (-0.1,), 30, max_range_m=_RANGE_M)
        return (
            single,
            replace(single, name="backwards", pose=Pose(0.0, 0.0, 1.8, yaw=np.pi)),
            replace(TEST_LIDARS[0], name="real", detect_range_m=30.0, range_noise_m=0.02, divergence_rad=0.01),
            replace(TEST_LIDARS[0], name="effects", detect_range_m=30.0, **REAL_EFFECTS),
            replace(TEST_LIDARS[0], name="dual", divergence_rad=0.01, returns="dual"),
        )
    pinhole = TEST_CAMERAS[0]
    return (
        replace(pinhole, name="fisheye", model="fisheye", distortion=(0.01, 0.0, 0.0, 0.0), fx=9.0, fy=9.0),
        replace(pinhole, name="brown_conrady", model="brown_conrady", distortion=(-0.1, 0.01, 0.0, 0.0, 0.0)),
        replace(pinhole, name="one_pixel", width=1, height=1, cx=0.5, cy=0.5),
        replace(pinhole, name="own_body", ego_visible=True),
    )


def _check_image(frame: CameraFrame, spec: CameraSpec, layout: LayoutFrame) -> None:
    size = (spec.height, spec.width)
    require_array(f"{spec.name}.rgb", frame.rgb, np.uint8, (*size, 3))
    require_array(f"{spec.name}.depth", frame.depth, np.float32, size)
    require_array(f"{spec.name}.semantic", frame.semantic, np.uint8, size)
    require_array(f"{spec.name}.instance", frame.instance, np.uint16, size)
    require(bool((frame.depth >= 0).all()), f"{spec.name}.depth must be at least 0 or inf, has NaN or less")
    _check_labels(spec.name, frame.semantic, frame.instance, layout)


def _check_sweep(sweep: LidarSweep, spec: LidarSpec, layout: LayoutFrame) -> None:
    count = len(sweep.xyz)
    require(count > 0, f"{spec.name} hits nothing on a street with houses")
    for field, dtype, shape in (
        ("xyz", np.float32, (count, 3)), ("intensity", np.float32, (count,)), ("ring", np.uint16, (count,)),
        ("time_s", np.float32, (count,)), ("label", np.uint8, (count,)), ("instance", np.uint16, (count,)),
    ):  # fmt: skip
        require_array(f"{spec.name}.{field}", getattr(sweep, field), dtype, shape)
    if sweep.return_number is not None:
        require_array(f"{spec.name}.return_number", sweep.return_number, np.uint8, (count,))
    if sweep.cause is not None:
        require_array(f"{spec.name}.cause", sweep.cause, np.uint8, (count,))
    require(bool(np.isfinite(sweep.xyz).all()), f"{spec.name}.xyz must be finite")
    far = float(np.linalg.norm(sweep.xyz, axis=1).max())
    require(far <= spec.max_range_m + 2.0, f"{spec.name}.xyz must lie within {spec.max_range_m:g} m, reach {far:.1f} m")
    beams = len(spec.elevation_rad)
    require(int(sweep.ring.max()) < beams, f"{spec.name}.ring must be below {beams}, reaches {int(sweep.ring.max())}")
    low, high = float(sweep.time_s.min()), float(sweep.time_s.max())
    span = spec.period_us * 1e-6
    within = -span - 1e-6 <= low and high <= 1e-6
    require(within, f"{spec.name}.time_s must lie in [-{span:g}, 0], is [{low:g}, {high:g}]")
    inside = (sweep.intensity >= 0) & (sweep.intensity <= 1)
    require(bool(inside.all()), f"{spec.name}.intensity must lie in [0, 1]")
    _check_labels(spec.name, sweep.label, sweep.instance, layout)


def _check_labels(sensor: str, labels: np.ndarray, instances: np.ndarray, layout: LayoutFrame) -> None:
    require(int(labels.max()) <= max(OccClass), f"{sensor}: labels must be of the taxonomy, has {int(labels.max())}")
    unknown = set(np.unique(instances).tolist()) - {0, EGO_ID} - set(layout.agents["id"].tolist())
    require(not unknown, f"{sensor}: instances {sorted(unknown)[:5]} are none of the layout's agents")


def car_ahead(frame: LayoutFrame) -> LayoutFrame:
    """The layout with a car of id `NEW_ID` 9 m ahead of the ego."""
    row = np.zeros(1, AGENT_DTYPE)
    row["id"], row["cls"], row["size"] = NEW_ID, AgentClass.CAR, (4.5, 1.8, 1.5)
    row["pos"] = frame.ego_pose.apply(np.array([9.0, 0.0, 0.0]))
    row["rpy"][0, 2] = frame.ego_pose.yaw
    return replace(frame, agents=np.concatenate([frame.agents, row]))


def street_digests(slot: str, engine: Any) -> str:
    """Digests of both views, to be compared with those of a new process."""
    specs: tuple[Any, ...] = TEST_CAMERAS if slot == "camera" else TEST_LIDARS
    return repr(_digests(_step_engine(engine, list(views_of_a_street()), specs)))
