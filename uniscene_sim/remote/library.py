"""gRPC, imported when it is needed: quiet, without proxies, and with one error where it is missing."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

from uniscene_sim.errors import InputError
from uniscene_sim.wire.uniscene.v1 import service_pb2

__all__ = ["METHOD", "MIB", "SERVICE", "VERSION", "grpc_library"]

MIB = 1 << 20
VERSION = version("uniscene_sim")
_SENSORS = service_pb2.DESCRIPTOR.services_by_name["Sensors"]
SERVICE: str = _SENSORS.full_name
METHOD: str = _SENSORS.methods[0].name


def grpc_library() -> Any:
    """The module `grpc`.

    Raises:
        InputError: it is not installed.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would print is raised as well
    try:
        import grpc
    except ImportError as error:
        raise InputError(f"no gRPC here ({error}): pip install 'uniscene_sim[remote]'", field="remote") from error
    return grpc
