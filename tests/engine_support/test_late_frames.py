"""Engines with chunk and latency: each frame comes once, as late as it is declared, with the stamp of what it shows."""

import pickle
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim import plugins
from uniscene_sim.assembly import assemble
from uniscene_sim.camera.raycast.engine import PlainCameras
from uniscene_sim.engine_support.late_frames import EngineQueue, Moment, add_results, next_call, take_due
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest, digest
from uniscene_sim.metrics.consistency import consistency
from uniscene_sim.occupancy.window import ExactWindow
from uniscene_sim.rig import SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.simulator import Simulator, sense
from uniscene_sim.world.scenario_source import ScenarioSource

_LATE = spec_from_file_location("late_camera", Path(__file__).parents[1] / "third_party" / "late_camera.py")
assert _LATE is not None and _LATE.loader is not None
_late_camera = module_from_spec(_LATE)
_LATE.loader.exec_module(_late_camera)
LateCameras = _late_camera.LateCameras

TICKS, TICK_US = 11, 100_000
BARE = FrameRequest(window_grid=None, bev_schema=None)


def sharp(chunk: int, latency_ticks: int) -> type:
    """The ray engine, late: what it makes of a moment hangs on nothing else. Notes the size of each call."""

    class Sharp(PlainCameras):
        name, calls = "sharp", []

        def step(self, state, views, specs):
            assert len(views) % len(state) == 0 and len(views) // len(state) <= chunk
            self.calls.append(len(views))
            return super().step(state, views, specs)

    Sharp.chunk, Sharp.latency_ticks = chunk, latency_ticks
    return Sharp


def simulator(camera, rig=None, scenario="cut_in", **options) -> Simulator:
    """With a camera engine that is not installed."""
    made = assemble(ScenarioSource.open(scenario), rig or load_rig("rl"), camera="raycast-plain", **options)
    engines = made.engines | {"camera": camera}
    return Simulator(made.source, made.rig, made.store, engines, trace=made.trace, request=made.request)


def run(camera, ticks=TICKS, request=BARE, rig=None):
    world = simulator(camera, rig)
    return [world.reset(request), *(world.step(request=request) for _ in range(ticks))], list(world.flush(request))


@pytest.fixture(scope="module")
def on_time():
    """Digests of the front camera by stamp."""
    frames, after = run(PlainCameras())
    assert not after
    return {f.stamp_us: f.digests["front"] for f in frames}


@pytest.mark.parametrize(("chunk", "latency"), [(1, 0), (1, 3), (2, 1), (3, 2), (3, 4), (4, 20)])
def test_each_frame_comes_once_and_when_it_was_declared(on_time, chunk, latency):
    engine = sharp(chunk, latency)()
    frames, after = run(engine)
    came = [(f.stamp_us, f.cameras["front"]) for f in frames if "front" in f.cameras]
    assert came[0][0] == came[0][1].stamp_us == 0, "the first frame is made at reset"
    for now_us, image in came[1:]:
        assert now_us - image.stamp_us == latency * TICK_US
    late = [f.cameras["front"] for f in after]
    everything = [image for _, image in came] + late
    assert [image.stamp_us for image in everything] == sorted(on_time), "every moment, once, in order"
    assert [digest(image) for image in everything] == [on_time[image.stamp_us] for image in everything]
    assert len(late) == min(latency, TICKS)
    calls, rest = engine.calls, TICKS - (sum(engine.calls) - 1)
    assert calls[0] == 1 and rest == 0 and max(calls) == min(chunk, TICKS)
    assert len(calls) == 1 + -(-TICKS // chunk), "called once for a chunk"


def test_an_engine_with_memory_goes_through_its_chunks_in_order():
    frames, after = run(LateCameras())
    shown = [f.cameras["front"] for f in (*frames, *after) if "front" in f.cameras]
    alone, clear = LateCameras(), run(PlainCameras())[0]
    expected = clear[0].cameras["front"].rgb.astype(float)
    for image, frame in zip(shown[1:], clear[1:], strict=True):
        expected = 0.75 * frame.cameras["front"].rgb + 0.25 * expected
        assert np.array_equal(image.rgb, np.round(expected).astype(np.uint8))
    assert alone.chunk == 3


def test_cameras_that_fire_apart_get_theirs(on_time):
    rig = load_rig("rl")
    slow = replace(rig.cameras[0], name="slow", period_us=200_000, phase_us=100_000)
    frames, after = run(sharp(3, 4)(), rig=SensorRig("two", (*rig.cameras, slow), rig.lidars))
    front = [f.cameras["front"] for f in (*frames, *after) if "front" in f.cameras]
    others = [f.cameras["slow"] for f in (*frames, *after) if "slow" in f.cameras]
    assert [digest(image) for image in front] == [on_time[k] for k in sorted(on_time)]
    assert [image.stamp_us for image in others] == [k for k in sorted(on_time) if k % 200_000]
    for frame in frames[1:]:
        for image in frame.cameras.values():
            assert frame.stamp_us - image.stamp_us == 4 * TICK_US


def test_a_latency_too_short_for_the_chunk_is_refused():
    with pytest.raises(InputError, match=r"camera engine 'sharp': chunk 3 needs a latency of 2 ticks, has 1"):
        simulator(sharp(3, 1)())


def test_a_tick_may_be_sensed_again():
    world = simulator(LateCameras())
    frames, again = [world.reset(BARE)], []
    for _ in range(6):
        again += sense([world], FrameRequest(frozenset({"lidar"}), None, None)) and sense([world], BARE)
        frames.append(world.step(request=BARE))
    assert [f.digests for f in frames[:-1]] == [f.digests for f in again]
    assert [f.digests for f in frames] == [f.digests for f in run(LateCameras(), 6)[0]]


def test_late_images_are_annotated_as_of_their_own_moment():
    request = replace(BARE, annotations=frozenset({"flow", "boxes"}), digests=False)
    late, after = run(sharp(1, 2)(), request=request)
    clear, _ = run(PlainCameras(), request=request)
    by_stamp = {f.stamp_us: f for f in clear}
    compared = 0
    for frame in (*late, *after):
        for name, image in frame.cameras.items():
            ours = frame.annotations.cameras[name]
            theirs = by_stamp[image.stamp_us].annotations.cameras[name]
            np.testing.assert_array_equal(ours.optical_flow, theirs.optical_flow)
            np.testing.assert_array_equal(ours.boxes["id"], theirs.boxes["id"])
            compared += 1
    assert compared == TICKS + 1
    rig = load_rig("rl")
    assert consistency(clear[3], rig) is not None and consistency(late[3], rig) is None, "not of the same moment"


@pytest.mark.parametrize("name", ["late", "sharp"])
def test_states_of_an_env_hold_what_is_under_way(monkeypatch, name):
    engines = {"late": LateCameras, "sharp": sharp(2, 3)}
    installed = plugins.load_plugin
    monkeypatch.setattr(plugins, "load_plugin", lambda slot, n, *field: engines.get(n) or installed(slot, n))
    pytest.importorskip("gymnasium")
    from uniscene_sim.env.env import UniSceneEnv

    settings = {"scenario": "cut_in", "observations": ("ego", "front_rgb"), "camera": name}
    env = UniSceneEnv(**settings)
    first, _ = env.reset(seed=5)
    assert first["front_rgb"].any(), "reset has an image"
    actions = [np.array([0.02 * k - 0.05, 0.3], np.float32) for k in range(9)]
    for k, action in enumerate(actions[:5]):
        observed = env.step(action)[0]
        assert np.array_equal(observed["front_rgb"], first["front_rgb"]) == (k < engines[name].latency_ticks)
    saved = pickle.dumps(env.get_state())
    expected = [env.step(action)[0]["front_rgb"] for action in actions[5:]]
    again = UniSceneEnv(**settings)
    for branch in (env, again):  # in the same env, and in another one
        now, _ = branch.set_state(pickle.loads(saved))
        assert np.array_equal(now["front_rgb"], observed["front_rgb"])
        got = [branch.step(action)[0]["front_rgb"] for action in actions[5:]]
        assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
    assert not np.array_equal(expected[0], expected[-1])


class LateWindow(ExactWindow):
    chunk, latency_ticks = 2, 3


def test_windows_may_be_late_too():
    def windows(engine):
        made = assemble(ScenarioSource.open("cut_in"), SensorRig("none"), bev_schema=None)
        world = Simulator(made.source, made.rig, made.store, {"window": engine}, request=made.request)
        frames = [world.reset(), *(world.step() for _ in range(6))]
        return [(f.stamp_us, f.occupancy) for f in (*frames, *world.flush()) if f.occupancy]

    clear = windows(ExactWindow(None, 0))
    late = windows(LateWindow(None, 0))
    assert [o.stamp_us for _, o in late] == [stamp_us for stamp_us, _ in clear] == [o.stamp_us for _, o in clear]
    assert [now - o.stamp_us for now, o in late[1:4]] == [3 * TICK_US] * 3
    assert [digest(o) for _, o in late] == [digest(o) for _, o in clear]


# --- the queue alone --------------------------------------------------------------------------------------------------


def test_a_queue_against_a_plain_account():
    """Any chunk, latency, period and gap: what comes when, by bookkeeping on lists."""
    layout = simulator(PlainCameras()).reset(BARE).layout
    random = np.random.default_rng(3)
    for _ in range(200):
        chunk, period = int(random.integers(1, 5)), int(random.integers(1, 4))
        latency = int(random.integers(chunk - 1, 9))
        queue, expected, got, known = EngineQueue(), [], [], 0
        for tick in range(30):
            due = tick % period == 0 and random.random() < 0.8
            now = Moment(replace(layout, stamp_us=tick), ())
            queue, pending = next_call(queue, now, ("spec",) if due else (), chunk, latency)
            if due:
                expected.append((tick if tick == 0 else tick + latency, tick))
            if pending.moments:
                known += len(pending.moments)
                records = [{"camera": m.layout.stamp_us} for m in pending.moments]
                queue = add_results(queue, pending, known, records, latency)
            queue, made = take_due(queue, tick)
            got += [(tick, m.records["camera"]) for m in made]
        assert got == [(when, of) for when, of in expected if when < 30]
