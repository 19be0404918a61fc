"""`CarlaAddress`: where a server is, and what is wanted of it, as carla://HOST:PORT?ego=hero&control=none says."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from uniscene_sim.errors import InputError, did_you_mean, shown
from uniscene_sim.layout import PHYSICS_US
from uniscene_sim.limits.bounds import DAY_S

__all__ = ["CarlaAddress"]

_FIELD = "carla://"
_HOST, _NAME = re.compile(r"[A-Za-z0-9._%:-]{1,255}"), re.compile(r"[\w.:/ -]{1,100}")
_NUMBER = re.compile(r"-?([0-9]{1,12}(\.[0-9]{0,12})?|\.[0-9]{1,12})(e-?[0-9]{1,2})?")
_STEP_S = PHYSICS_US * 1e-6
_CHOICES = {
    "control": ("vehicle", "ackermann", "autopilot", "none"),
    "surroundings": ("server", "ours"),
    "reset": ("start", "stay", "world"),
}
#: Least and most of each number.
_BOUNDS = {
    "start": (0, 10**6), "goal": (0, 10**6), "step_s": (0.01, 0.1), "timeout_s": (0.1, 3600.0),
    "wait_s": (0.0, 3600.0), "reconnect_s": (0.0, 3600.0), "duration_s": (0.1, DAY_S),
}  # fmt: skip


@dataclass(frozen=True)
class CarlaAddress:
    """A server, and options; each field but the first two is a parameter of the address.

    Attributes:
        host, port: of the server.
        ego: role_name of the vehicle that sensors ride on. If no vehicle has it, one is spawned.
        vehicle: blueprint of an ego that is spawned.
        start: number of the spawn point where it is spawned; None for the first that is free.
        goal: number of the spawn point that its route leads to; None for straight ahead.
        control: how it is driven: by `vehicle` controls (throttle, brake, steer) or by `ackermann` controls; or, and
            then controls given here are ignored, by the `autopilot` of CARLA's Traffic Manager, or by `none` of ours:
            another client drives it.
        step_s: length of the server's ticks, a multiple of 10 ms.
        reset: what a reset does: brings an ego that was spawned here back to the `start`, lets everything `stay` as it
            is, or loads the `world` anew. An ego of others always stays.
        surroundings: houses, walls, poles and plants stand where the `server` has them, or are `ours`.
        wait_s: how long an ego is waited for before one is spawned.
        timeout_s: longest time for an answer of the server.
        reconnect_s: how long a lost server is tried again; 0 ends the run.
        duration_s: longest run.
    """

    host: str = "localhost"
    port: int = 2000
    ego: str = "hero"
    vehicle: str = "vehicle.lincoln.mkz_2020"
    start: int | None = None
    goal: int | None = None
    control: str = "vehicle"
    step_s: float = 0.05
    reset: str = "start"
    surroundings: str = "server"
    wait_s: float = 0.0
    timeout_s: float = 20.0
    reconnect_s: float = 0.0
    duration_s: float = 300.0

    @classmethod
    def of(cls, text: str) -> CarlaAddress:
        """The address that a text says.

        Raises:
            InputError: another scheme, an unknown parameter, or a value that is none.
        """
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
            given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise InputError(f"expected carla://HOST:PORT?ego=NAME, got {shown(text)}: {error}", field=_FIELD) from None
        told = parts.path.strip("/") or parts.fragment or "@" in parts.netloc
        if parts.scheme.lower() != "carla" or not host or told or not _HOST.fullmatch(host):
            raise InputError(f"expected carla://HOST:PORT?ego=NAME, got {shown(text)}", field=_FIELD)
        if port == 0 or port == 65535:  # the port after it is the stream's
            raise InputError(f"expected a port of 1 to 65534, got {port}", field=_FIELD)
        types = {field.name: str(field.type) for field in fields(cls) if field.name not in ("host", "port")}
        values: dict[str, Any] = {}
        for name, value in given:
            if name not in types:
                expected = f"expected some of {', '.join(types)}"
                raise InputError(f"no parameter {shown(name)}{did_you_mean(name, types)}; {expected}", field=_FIELD)
            if name in values:
                raise InputError("is given twice", field=_FIELD + name)
            values[name] = _value(name, types[name], value)
        return cls(host, 2000 if port is None else port, **values)

    @property
    def open_loop(self) -> bool:
        """Whether the ego ignores controls."""
        return self.control in ("autopilot", "none")

    @property
    def server(self) -> str:
        """HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def step_us(self) -> int:
        return round(self.step_s * 1e6)


def _value(name: str, kind: str, text: str) -> Any:
    """What a parameter says."""
    field = _FIELD + name
    if kind == "str":
        choices = _CHOICES.get(name)
        if choices and text not in choices:
            raise InputError(f"expected one of {', '.join(choices)}, got {shown(text)}", field=field)
        if not _NAME.fullmatch(text):
            raise InputError(f"expected a name, got {shown(text)}", field=field)
        return text
    low, high = _BOUNDS[name]
    whole = kind.startswith("int")
    value = float(text) if _NUMBER.fullmatch(text) else float("nan")
    if not low <= value <= high or (whole and value % 1):
        what = "a whole number" if whole else "a number"
        raise InputError(f"expected {what} of {low:,} to {high:,}, got {shown(text)}", field=field)
    if name == "step_s" and abs(value / _STEP_S - round(value / _STEP_S)) > 1e-6:
        raise InputError(f"expected a multiple of 0.01, got {shown(text)}", field=field)
    return int(value) if whole else round(value, 2) if name == "step_s" else value
