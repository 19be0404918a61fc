"""`RosRun`: scenarios on ROS time, which never goes back, not even from one run to the next."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from uniscene_ros2.messages.geodesy import Origin, earth_place
from uniscene_ros2.own_coordinates import control_in_map_frame
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.layout import PHYSICS_US, LayoutFrame, LayoutSchema
from uniscene_sim.plugins import open_source, plugin_names
from uniscene_sim.rig import SensorRig
from uniscene_sim.run import prepare
from uniscene_sim.simulator import Simulator, TraceMode, sense
from uniscene_sim.storage.disk_cache import DiskCache

__all__ = ["RosRun"]

#: Jump of the clock between runs, us, by which a stack notices a new run.
_GAP_US = 1_000_000


class RosRun:
    """Runs scenarios with one rig and the same engines, one after the other.

    Args:
        scenario: name of a scenario, or file, folder or address of any source.
        rig: sensors.
        source: name of the source that opens `scenario`, or an address in its place; empty to select it by `scenario`.
        seed: replaces the scenario's own.
        engines: by slot, with or without options.
        trace: what sensor rays are traced through.
        tile_cache: keeps tiles between runs.
        origin: place on the earth of the map frame's origin, for maps without a geoReference.

    Attributes:
        earth: where the map frame lies on the earth.
        earth_problem: what is to be said about it.

    Raises:
        InputError: the scenario, an engine or the map cannot be loaded.
    """

    def __init__(
        self,
        scenario: str,
        rig: SensorRig,
        *,
        source: str = "",
        seed: int | None = None,
        engines: dict[str, str] | None = None,
        trace: TraceMode = "tiles",
        tile_cache: DiskCache | None = None,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ):
        self.rig, self._engines, self._trace, self._cache = rig, engines or {}, trace, tile_cache
        self._origin = origin
        self._zero_us = _GAP_US
        self.simulator = self._prepare_simulator(scenario, source, seed)
        self.tick_us = self.simulator.tick_us
        self.begin()

    def load(self, scenario: str, source: str = "", seed: int | None = None) -> None:
        """Load and start another scenario.

        Args:
            scenario, source, seed: see `RosRun`.

        Raises:
            InputError: it cannot be loaded; the present one continues.
        """
        simulator = self._prepare_simulator(scenario, source, seed)
        self._jump_clock()
        self.simulator = simulator
        self.begin()

    def restart(self) -> None:
        """Start the same scenario again."""
        self._jump_clock()
        self.begin()

    def begin(self) -> None:
        """Put the world at the start of the scenario."""
        self.earth, self.earth_problem = earth_place(self.source.map, self._origin)
        self.simulator.begin()

    @property
    def source(self) -> LayoutSource:
        return self.simulator.source

    @property
    def layout(self) -> LayoutFrame:
        return self.simulator.recent_layouts[-1]

    @property
    def stamp_us(self) -> int:
        """Current ROS time."""
        return self.ros_stamp_us(self.layout)

    def ros_stamp_us(self, layout: LayoutFrame) -> int:
        return self._zero_us + layout.stamp_us

    @property
    def at_tick(self) -> bool:
        """Whether a frame is due."""
        return self.layout.stamp_us % self.tick_us == 0

    def advance(self, control: Control | Trajectory | None, whole_tick: bool = True) -> None:
        """Advance to the next tick, or by 10 ms; a control of None is the built-in driver's, places in another one are
        in the map's own coordinates."""
        left_us = self.tick_us - self.layout.stamp_us % self.tick_us
        self.simulator.tick_us = left_us if whole_tick else PHYSICS_US
        self.simulator.advance(control_in_map_frame(control, self.source.map.frame_origin))

    def sense(self, wanted: Set[str]) -> SensorFrame:
        """The current frame with the wanted sensors, "occupancy" and "bev"; can be called again with others."""
        return sense([self.simulator], _request(wanted))[0]

    def flush(self, wanted: Set[str]) -> Iterator[SensorFrame]:
        """Frames that late engines have not delivered at the end of a run."""
        return self.simulator.flush(_request(wanted))

    def map_text(self) -> str:
        """The map as OpenDRIVE text, empty if it has no such form."""
        scenario = getattr(self.source, "scenario", None)  # other sources have no map file
        if scenario is None:
            return ""
        path = Path(scenario.map)
        for file in (path, path.with_suffix(".xodr")):
            if file.suffix == ".xodr" and file.is_file():
                return file.read_text()
        return ""

    def _prepare_simulator(self, scenario: str, source: str, seed: int | None) -> Simulator[LayoutSource]:
        what = None if source and source not in plugin_names("source") else scenario
        opened = open_source(what, source or None, seed, ("scenario", "source"))
        return prepare(opened, self.rig, tile_cache=self._cache, trace=self._trace, **self._engines)  # type: ignore[arg-type]

    def _jump_clock(self) -> None:
        self._zero_us = self.stamp_us + _GAP_US


def _request(wanted: Set[str]) -> FrameRequest:
    return FrameRequest(
        frozenset(wanted),
        window_grid=DEFAULT_GRID if "occupancy" in wanted else None,
        bev_schema=LayoutSchema() if "bev" in wanted else None,
        digests=False,
    )
