"""`RosRun`: scenarios on ROS time, which never goes back, not even from one run to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

from uniscene_ros2.messages.geodesy import Origin, earth_place
from uniscene_ros2.motion import BEFORE
from uniscene_ros2.own_coordinates import control_in_map_frame
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.engine_support.late_frames import latency_ticks_of
from uniscene_sim.engine_support.source_steps import step_us_of
from uniscene_sim.errors import InputError, shown
from uniscene_sim.frames import FrameRequest, SensorFrame
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.interfaces import LayoutSource
from uniscene_sim.layout import LayoutFrame, LayoutSchema
from uniscene_sim.maps.opendrive.road_xml import MOST_XODR
from uniscene_sim.maps.xml_values import xml_text
from uniscene_sim.plugins import open_source, plugin_names
from uniscene_sim.remote.address import Remote
from uniscene_sim.rig import SensorRig
from uniscene_sim.run import prepare
from uniscene_sim.scenario_files.parts import edit_of_text
from uniscene_sim.simulator import Simulator, TraceMode, sense
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.storage.input_file import is_regular, read_input
from uniscene_sim.world.episode.map_frame import edit_in_map_frame

__all__ = ["EVERY_FRAME", "RosRun", "answered_sensor"]

#: Jump of the clock between runs, us, by which a stack notices a new run.
_GAP_US = 1_000_000
#: In place of a sensor's name: every frame is answered.
EVERY_FRAME = "every_frame"


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
        remote: simulates the sensors; None to do so here.
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
        remote: Remote | None = None,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ):
        self.rig, self.engines, self._trace, self._cache = rig, engines or {}, trace, tile_cache
        self._origin, self._remote = origin, remote
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
        self._take(self._prepare_simulator(scenario, source, seed))

    def load_source(self, source: LayoutSource) -> None:
        """Load and start a source that is open already."""
        self._take(self._simulator_of(source))

    def restart(self) -> None:
        """Start the same scenario again."""
        self._jump_clock()
        self.begin()

    def begin(self) -> None:
        """Put the world at the start of the scenario."""
        self.earth, self.earth_problem = earth_place(self.source.map, self._origin)
        self._earlier: Sequence[LayoutFrame] = ()
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
    def step_us(self) -> int:
        """The shortest step of the source."""
        return step_us_of(self.source)

    @property
    def at_tick(self) -> bool:
        """Whether a frame is due."""
        return self.layout.stamp_us % self.tick_us == 0

    def is_answered(self, answer_to: str) -> bool:
        """Whether the present frame holds a sensor, if somebody listens to it: only such frames are answered. What a
        late engine makes counts when it is delivered."""
        name = answered_sensor(self.rig, answer_to)
        if not self.at_tick or name == EVERY_FRAME:
            return self.at_tick
        spec = next(sensor for sensor in self.rig.sensors if sensor.name == name)
        now_us, late_us = self.layout.stamp_us, latency_ticks_of(self.simulator.engines[spec.slot]) * self.tick_us
        if now_us == 0:
            return bool(spec.phase_us == 0)  # the first frame of all is never late
        made_us = now_us - late_us
        return bool(made_us > 0 and made_us >= spec.phase_us and (made_us - spec.phase_us) % spec.period_us == 0)

    def steps(self) -> Iterator[tuple[LayoutFrame, Sequence[LayoutFrame]]]:
        """The layouts of the physics steps since the last call of `advance`, each with up to `motion.BEFORE` earlier
        ones."""
        known = (*self._earlier, *self.simulator.tick_layouts)
        for k in range(len(self._earlier), len(known)):
            yield known[k], known[max(k - BEFORE, 0) : k]

    def advance(self, control: Control | Trajectory | None, whole_tick: bool = True) -> None:
        """Advance to the next tick, or by a step; a control of None is the built-in driver's, places in another one are
        in the map's own coordinates."""
        self._earlier = (*self._earlier, *self.simulator.tick_layouts)[-BEFORE:]
        left_us = self.tick_us - self.layout.stamp_us % self.tick_us
        self.simulator.tick_us = left_us if whole_tick else self.step_us
        self.simulator.advance(control_in_map_frame(control, self.source.map.frame_origin))

    def edit(self, text: str) -> str:
        """Change the world, by an edit in YAML or JSON whose places are in the map's own coordinates.

        Returns:
            What is done.

        Raises:
            InputError: it cannot happen, and nothing has changed.
        """
        edit = edit_of_text(text)
        self.simulator.edit(edit_in_map_frame(edit, self.source.map.frame_origin))
        return f"{type(edit).__name__} from {1e-6 * self.stamp_us:.2f} s on"

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
            return str(getattr(self.source, "opendrive", ""))
        path = Path(scenario.map)
        for file in (path, path.with_suffix(".xodr")):
            if file.suffix == ".xodr" and is_regular(file):
                with suppress(InputError):  # it has become another file since
                    return xml_text(read_input(file, MOST_XODR, "an OpenDRIVE file"))
        return ""

    def _prepare_simulator(self, scenario: str, source: str, seed: int | None) -> Simulator[LayoutSource]:
        what = None if source and source not in plugin_names("source") else scenario
        return self._simulator_of(open_source(what, source or None, seed, ("scenario", "source")))

    def _simulator_of(self, opened: LayoutSource) -> Simulator[LayoutSource]:
        options: dict[str, Any] = {"trace": self._trace, **self.engines}
        return prepare(opened, self.rig, tile_cache=self._cache, remote=self._remote, **options)

    def _take(self, simulator: Simulator[LayoutSource]) -> None:
        self._jump_clock()
        self.simulator = simulator
        self.begin()

    def _jump_clock(self) -> None:
        self._zero_us = self.stamp_us + _GAP_US


def answered_sensor(rig: SensorRig, answer_to: str) -> str:
    """The sensor whose frames a stack answers, or `EVERY_FRAME`.

    Raises:
        InputError: the rig has no such sensor.
    """
    names = list(dict.fromkeys(sensor.name for sensor in (*rig.lidars, *rig.cameras, *rig.sensors)))
    if not answer_to:
        return names[0] if names else EVERY_FRAME
    if answer_to not in (*names, EVERY_FRAME):
        raise InputError(
            f"expected one of {', '.join((*names, EVERY_FRAME))}, got {shown(answer_to)}", field="answer_to"
        )
    return answer_to


def _request(wanted: Set[str]) -> FrameRequest:
    return FrameRequest(
        frozenset(wanted),
        window_grid=DEFAULT_GRID if "occupancy" in wanted else None,
        bev_schema=LayoutSchema() if "bev" in wanted else None,
        digests=False,
    )
