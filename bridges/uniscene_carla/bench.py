"""Benchmark of the bridge: `python -m uniscene_carla.bench` prints rows as JSON, `uniscene-sim bench carla` a table.

The server is the one of the tests, so that no CARLA is needed, but a checkout is. It measures its own time, which is
taken off. Beside it a plain client asks for the same ticks and reads where each vehicle is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uniscene_carla.layout_source import CarlaSource
from uniscene_sim.bench.timing import BenchRow
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.recording.capture import capture
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.output_file import scratch_folder

__all__ = ["main"]

_CHECKOUT = Path(__file__).resolve().parents[2]
_TICKS, _WARM_UP = 400, 40
_STEP_S, _STEP_US = 0.05, 50_000
_CAPTURE_S = 30.0
_PLAIN = """
import json, sys, time
import carla
client = carla.Client("127.0.0.1", int(sys.argv[1]))
world = client.get_world()
settings = world.get_settings()
settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
world.apply_settings(settings)
def tick():
    world.tick()
    return [(one.id, one.get_transform(), one.get_velocity()) for one in world.get_snapshot()]
for _ in range(int(sys.argv[3])):
    tick()
began = time.perf_counter()
for _ in range(int(sys.argv[2])):
    tick()
print(json.dumps((time.perf_counter() - began) / int(sys.argv[2])))
settings.synchronous_mode, settings.fixed_delta_seconds = False, None
world.apply_settings(settings)
"""


def main() -> int:
    warnings.simplefilter("ignore")  # that an ego was spawned
    print(json.dumps([asdict(row) for row in rows()]))
    return 0


def rows() -> Iterator[BenchRow]:
    """Rows of this benchmark.

    Raises:
        InputError: there is no checkout.
    """
    for vehicles in (20, 100):
        with _server(vehicles) as server:
            own_s, served_s = _bridge_tick(server)
            plain_s = _plain_tick(server)
            name = f"CARLA bridge, {vehicles} vehicles, its own work a tick"
            yield BenchRow(name, 1e3 * (own_s - served_s), "ms", "plain client reading transforms",
                           1e3 * (plain_s - served_s))  # fmt: skip
    with _server(20) as server:
        pace = _capture_pace(server)
        yield BenchRow("CARLA capture, 20 vehicles", pace, "ticks/s", "plain client reading transforms",
                       1.0 / _plain_tick(server))  # fmt: skip


@contextmanager
def _server(vehicles: int) -> Iterator[Any]:
    """A server of the tests with so many vehicles."""
    sys.path.insert(0, str(_CHECKOUT))
    try:
        from tests.carla_bridge.serving import CarlaServer
    except ImportError:
        raise InputError("needs a checkout of the project, whose tests have a server", field="carla") from None
    with CarlaServer(vehicles=vehicles) as server:
        yield server


def _open(server: Any, control: str) -> CarlaSource:
    source = CarlaSource.open(f"carla://127.0.0.1:{server.port}?surroundings=ours&control={control}")
    source.reset()
    for _ in range(_WARM_UP):
        list(source.step(Control(), _STEP_US))
    return source


def _bridge_tick(server: Any) -> tuple[float, float]:
    """Seconds of a tick with a control through the bridge, all layouts read, and those that the server took for it."""
    source = _open(server, "vehicle")
    server.state()  # its clock begins anew
    began = time.perf_counter()
    for k in range(_TICKS):
        list(source.step(Control(0.01 * (k % 2), 0.2), _STEP_US))
    spent = (time.perf_counter() - began) / _TICKS
    served = 1e-3 * server.state()["tick_ms"]
    source.close()
    return spent, served


def _plain_tick(server: Any) -> float:
    command = [sys.executable, "-c", _PLAIN, str(server.port), str(_TICKS), str(_WARM_UP)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _capture_pace(server: Any) -> float:
    """Ticks of the server captured in a second."""
    source = _open(server, "none")
    with scratch_folder() as folder:
        done = capture(source, folder / "layouts.mcap", load_rig("nuscenes-small"), seconds=_CAPTURE_S)
    source.close()
    return done.world_s / _STEP_S / done.wall_s


if __name__ == "__main__":
    sys.exit(main())
