"""A world behind two ports, and the clock that drives it."""

from __future__ import annotations

import threading
import time

from tests.carla_bridge.server.actor_calls import ActorCalls
from tests.carla_bridge.server.episode_calls import EpisodeCalls
from tests.carla_bridge.server.faults import Faults
from tests.carla_bridge.server.rpc import RpcServer, listening_pair, methods_of
from tests.carla_bridge.server.stream import MAP_CHANGED, StreamServer, episode_state
from tests.carla_bridge.server.world import FIXED_DELTA, SYNCHRONOUS, World


class Server:
    """`rate_hz` is that of the asynchronous mode. `lock` guards the world."""

    def __init__(self, world: World, port: int = 0, rate_hz: float = 20.0, version: str = "0.9.16") -> None:
        self.world, self.version, self._rate_hz = world, version, rate_hz
        self.lock = threading.RLock()
        rpc_listener, stream_listener = listening_pair(port)
        self.port, self.stream_port = rpc_listener.getsockname()[1], stream_listener.getsockname()[1]
        self.stream = StreamServer(stream_listener)
        self.faults = Faults()
        self.episode_calls = EpisodeCalls(self)
        methods = methods_of(self.episode_calls, ActorCalls(world))
        self.rpc = RpcServer(rpc_listener, methods, self.faults.before, self.lock)
        self._ticks, self._tick_s = 0, 0.0
        self._last_tick = self._started = time.perf_counter()

    def start(self) -> None:
        """Listens and ticks in threads of its own."""
        self.rpc.start()
        self.stream.start()
        threading.Thread(target=self._run, daemon=True).start()

    def step(self) -> int:
        """One frame, told to all subscribers; its number. A delta that is not fixed is the time since the last one."""
        with self.lock:
            now = time.perf_counter()
            fixed = self.world.settings[FIXED_DELTA]
            delta_s = fixed[1] if fixed[0] else max(now - self._last_tick, 1e-6)
            self._last_tick = now
            self.world.tick(delta_s)
            message = episode_state(
                list(self.world.actors.values()),
                frame=self.world.frame,
                elapsed_s=self.world.elapsed_s,
                delta_s=delta_s,
                episode=self.world.episode,
                flags=MAP_CHANGED if self.world.map_changed else 0,
                platform_s=now - self._started,
            )
            self.world.map_changed = False
            if not self.faults.no_state:
                self.stream.publish(message)
            return self.world.frame

    def note_tick(self, seconds: float) -> None:
        self._ticks += 1
        self._tick_s += seconds

    @property
    def tick_ms(self) -> float:
        """Mean time of a `tick_cue` in here, of all since the last time this was asked."""
        mean = 1000.0 * self._tick_s / self._ticks if self._ticks else 0.0
        self._ticks, self._tick_s = 0, 0.0
        return mean

    def _run(self) -> None:
        """The clock of the asynchronous mode."""
        due = time.perf_counter()
        while True:
            due = max(due + 1.0 / self._rate_hz, time.perf_counter())
            time.sleep(max(due - time.perf_counter(), 0.0))
            self.faults.wait_thawed()
            if not self.world.settings[SYNCHRONOUS]:
                self.step()
