"""The node's parameters: one table for `ros2 param`, launch files and the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from uniscene_ros2.messages.clouds import LAYOUTS
from uniscene_ros2.profiles import PROFILES
from uniscene_ros2.run import EVERY_FRAME
from uniscene_sim.errors import InputError, shown
from uniscene_sim.limits.bounds import SEED
from uniscene_sim.limits.numbers import real_number, whole_number
from uniscene_sim.plugins import DEFAULTS
from uniscene_sim.recording.options import SWEEP_KINDS
from uniscene_sim.simulator import TRACE_MODES

__all__ = ["NODE_PARAMETERS", "NodeParameter", "descriptor", "refusal_reason"]


@dataclass(frozen=True)
class NodeParameter:
    """A parameter.

    Attributes:
        fixed: read only at the start.
        span: minimum and maximum.
        choices: allowed values, if they can be listed.
        is_valid: a further check of a value; `expected` describes valid values.
    """

    name: str
    default: Any
    text: str
    fixed: bool = True
    span: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    is_valid: Callable[[Any], bool] = lambda value: True
    expected: str = ""

    def parse(self, text: str) -> Any:
        """Parse the text of an argument of the command line or of a launch file.

        Raises:
            InputError: the text is not of this parameter's type.
        """
        try:
            return _PARSERS[type(self.default)](text)
        except ValueError as error:
            raise InputError(str(error), field=self.name) from None


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"expected true or false, got {shown(text)}")
    return text.lower() == "true"


_PARSERS: dict[type, Callable[[str], Any]] = {bool: _truth, int: whole_number, float: real_number, str: str}


NODE_PARAMETERS = (
    NodeParameter(
        "scenario", "cut_in", "Name of a scenario, file, folder or address; setting it loads it.", fixed=False
    ),
    NodeParameter("source", "", "Source that opens the scenario, or an address in its place.", fixed=False),
    NodeParameter("seed", -1, "Replaces the scenario's own; -1 keeps it.", fixed=False, span=(-1, SEED.most)),
    NodeParameter("rig", "nuscenes-small", "Preset or YAML file."),
    NodeParameter("profile", "plain", "Names of topics and frames.", choices=tuple(PROFILES)),
    NodeParameter(
        "role",
        "ego_vehicle",
        "Name of the ego in topics of the profile carla.",
        is_valid=lambda v: re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,63}", v) is not None,
        expected="a letter, then letters, digits and underscores, at most 64",
    ),
    NodeParameter(
        "cloud_layout", "XYZIRT", "Fields of point clouds, if the profile does not define them.", choices=tuple(LAYOUTS)
    ),
    NodeParameter(
        "reliability",
        "profile",
        "Of images, sweeps, IMU, GNSS and clock: reliable, as RViz asks for by default; the profile's own.",
        choices=("profile", "best_effort", "reliable"),
    ),
    *(
        NodeParameter(slot, name, f"Engine of the slot {slot}, as NAME or NAME:OPTIONS.")
        for slot, name in DEFAULTS.items()
    ),
    NodeParameter("trace", "tiles", "What sensor rays are traced through.", choices=TRACE_MODES),
    NodeParameter("remote", "", "HOST:PORT of a `uniscene-sim serve` that simulates the sensors; empty: this node."),
    NodeParameter("tls_ca", "", "Certificates (PEM) that the remote's must go back to; empty: no TLS."),
    NodeParameter(
        "mode",
        "lockstep",
        "Wait for the stack after each frame, or run in real time.",
        fixed=False,
        choices=("lockstep", "realtime"),
    ),
    NodeParameter(
        "driver",
        "stack",
        "Who drives: the stack under test, or the built-in driver.",
        fixed=False,
        choices=("stack", "builtin"),
    ),
    NodeParameter("paused", False, "Start paused."),
    NodeParameter(
        "answer_from",
        "last_message",
        "In lockstep: the first control received after this message of a frame answers it.",
        fixed=False,
        choices=("last_message", "first_message"),
    ),
    NodeParameter(
        "answer_to",
        "",
        f"In lockstep: the sensor whose frames the stack answers, or {EVERY_FRAME}; at other frames the last control "
        "holds. Empty: the first LiDAR, else the first camera.",
        fixed=False,
    ),
    NodeParameter(
        "resend_s",
        1.0,
        "In lockstep: a frame without a usable answer is sent again after this long.",
        fixed=False,
        span=(0.05, 3600.0),
    ),
    NodeParameter(
        "lockstep_timeout_s",
        10.0,
        "A run whose stack does not answer for this long ends as TIMEOUT.",
        fixed=False,
        span=(0.1, 3600.0),
    ),
    NodeParameter(
        "connect_timeout_s", 120.0, "The same for the first answer of a run.", fixed=False, span=(0.1, 86400.0)
    ),
    NodeParameter(
        "control_stale_s",
        0.5,
        "In real time the ego brakes after this long without a control, simulated time; older stamps are refused.",
        fixed=False,
        span=(0.01, 60.0),
    ),
    NodeParameter("realtime_factor", 1.0, "Simulated seconds per second.", fixed=False, span=(0.01, 100.0)),
    NodeParameter(
        "origin_lat_deg", 0.0, "Latitude of the map's origin, if it has no geoReference.", span=(-90.0, 90.0)
    ),
    NodeParameter(
        "origin_lon_deg", 0.0, "Longitude of the map's origin, if it has no geoReference.", span=(-180.0, 180.0)
    ),
    NodeParameter("origin_alt_m", 0.0, "Height of the map's origin over the ellipsoid.", span=(-500.0, 9000.0)),
    NodeParameter("record", "", "Folder for a recording of each run, as MCAP; empty for none."),
    NodeParameter("record_images", "jpeg", "Of a recording: jpeg, png, raw, h264 or none; jpeg:QUALITY, h264:CRF."),
    NodeParameter("record_sweeps", "exact", "Of a recording.", choices=SWEEP_KINDS),
    NodeParameter("record_limit", 64.0, "Size in GiB at which a recording ends.", span=(0.001, 1e6)),
    NodeParameter("exit_at_end", False, "End the node with the run: exit code 0 if the criteria hold."),
)


def descriptor(setting: NodeParameter) -> ParameterDescriptor:
    out = ParameterDescriptor(name=setting.name, description=setting.text, read_only=setting.fixed)
    if setting.choices:
        out.additional_constraints = f"one of {', '.join(setting.choices)}"
    if setting.span is not None and isinstance(setting.default, float):
        out.floating_point_range = [FloatingPointRange(from_value=setting.span[0], to_value=setting.span[1])]
    elif setting.span is not None:
        out.integer_range = [IntegerRange(from_value=int(setting.span[0]), to_value=int(setting.span[1]), step=1)]
    return out


def refusal_reason(setting: NodeParameter, value: Any) -> str | None:
    """Why a value is invalid, None if it is valid."""
    if type(value) is not type(setting.default):
        return f"{setting.name}: expected {type(setting.default).__name__}, got {shown(value)}"
    if setting.choices and value not in setting.choices:
        return f"{setting.name}: expected one of {', '.join(setting.choices)}, got {shown(value)}"
    if setting.span is not None and not setting.span[0] <= value <= setting.span[1]:
        return f"{setting.name}: expected {setting.span[0]:g} to {setting.span[1]:g}, got {shown(value)}"
    if not setting.is_valid(value):
        return f"{setting.name}: expected {setting.expected}, got {shown(value)}"
    return None
