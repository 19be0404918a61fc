"""Hypothesis without deadlines (kernels compile on first use) and with repeatable examples; where others' data lies."""

import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("uniscene", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("uniscene")

#: Scenarios among the files of tests are inputs, not tests of the plug-in that this package brings.
collect_ignore_glob = ["*.yaml", "*.yml"]

# Neither tests nor the processes that they start touch the user's cache, but for kernels: those are known by their
# content and signed, and would be compiled for minutes.
os.environ.setdefault("NUMBA_CACHE_DIR", os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))
_cache = tempfile.TemporaryDirectory(prefix="uniscene-cache-")
os.environ["UNISCENE_CACHE"] = _cache.name

# A shell that runs the tests in the background has them, and all that they start, ignore these.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

#: Folders whose tests look at what is made of towns: there a town is planned, and each of its tiles made, once for all
#: tests of a process. That both are the same each time, `occupancy`, `conformance` and `golden` test.
TOWNS_MADE_ONCE = {"annotations", "camera", "carla_bridge", "engine_support", "env", "evaluation", "export", "lidar",
                   "metrics", "recording", "remote", "ros2", "tracing"}  # fmt: skip
_plans: dict = {}
_tiles: dict = {}


#: Tests that wait for other processes, signals or a network, which a busy machine may keep waiting: tried up to three
#: times, and each further try is told in the summary. What must be the same each time is tested elsewhere, and once.
WAITING = ("bench/", "carla_bridge/", "cli/", "compute/test_processes", "compute/test_threads", "fuzz/",
           "occupancy/test_tile_cache", "packaging/", "recording/test_keeping", "recording/test_mcap", "remote/",
           "ros2/", "storage/")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def towns_made_once(request):
    if request.path.relative_to(Path(__file__).parent).parts[0] not in TOWNS_MADE_ONCE:
        yield
        return
    from uniscene_sim.occupancy.procedural import engine

    plan_map, make = engine.plan_map, engine.ProceduralOccupancy.tile

    def plan(static_map, seed):
        key = type(static_map), static_map.ref, seed
        if key not in _plans:
            _plans[key] = plan_map(static_map, seed)
        return _plans[key].copy()

    def tile(self, ix, iy):
        key = type(self), type(self.map), self.map.ref, self.seed, ix, iy
        if key not in _tiles:
            if len(_tiles) >= 120:  # of 2.6 MB each
                _tiles.pop(next(iter(_tiles)))
            _tiles[key] = make(self, ix, iy)
        return _tiles[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "plan_map", plan)
        patch.setattr(engine.ProceduralOccupancy, "tile", tile)
        yield


#: The longest files, each over half a minute: begun last, one of them would run while the other processes of the suite
#: have nothing left to do.
BEGUN_FIRST = (
    "conformance/test_conformance.py", "golden/test_digests.py", "fuzz/test_fuzz.py", "ros2/test_install.py",
    "lidar/test_learned_lidar.py", "recording/test_replay.py", "world/test_traffic_town.py",
    "occupancy/test_learned_occupancy.py", "training/test_train_command.py", "evaluation/test_eval_lidar.py",
    "evaluation/test_eval_occupancy.py", "env/test_env.py", "annotations/test_annotations.py",
    "occupancy/test_tile_cache.py", "test_readme.py", "recording/test_mcap.py", "ros2/test_lockstep.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    here, place = Path(__file__).parent, {name: k for k, name in enumerate(BEGUN_FIRST)}
    items.sort(key=lambda item: place.get(item.path.relative_to(here).as_posix(), len(place)))
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(WAITING):
            item.add_marker(pytest.mark.flaky(reruns=2))


SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of maps and recordings made by others; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the folder of maps and recordings made by others is not beside the checkout")
    return SHARED
