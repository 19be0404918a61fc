"""Message types by name, and the message packages that are not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rclpy.logging import get_logger

from uniscene_ros2.message_build import DEFINITIONS, add_built_package
from uniscene_sim.errors import InputError

__all__ = ["Packages"]


class Packages:
    """Finds message types and remembers missing packages.

    Attributes:
        missing: package -> topics that need it.
        built: package -> why it could not be built, "" if it was.
    """

    def __init__(self) -> None:
        self.missing: dict[str, list[str]] = {}
        self.built: dict[str, str] = {}

    def find(self, type_name: str, used_for: str) -> Any | None:
        """The class of a type like "sensor_msgs/Image", None if its package is neither installed nor can be built."""
        package, name = type_name.split("/")
        try:
            return getattr(import_module(f"{package}.msg"), name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != package:
                raise
        if package in DEFINITIONS and package not in self.built:
            self.built[package] = self._build(package)
            if not self.built[package]:
                return self.find(type_name, used_for)
        self.missing.setdefault(package, []).append(used_for)
        return None

    @staticmethod
    def _build(package: str) -> str:
        try:
            add_built_package(package, get_logger("uniscene").info)
            import_module(f"{package}.msg")
        except (InputError, ImportError, OSError) as error:
            return str(error)
        return ""

    @property
    def report(self) -> list[str]:
        """One line for each missing package."""
        return [
            f"{package} is not installed: no {', '.join(uses)}"
            + (f" ({self.built[package]})" if self.built.get(package) else "")
            for package, uses in sorted(self.missing.items())
        ]
