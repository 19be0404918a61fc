"""Message types by name, and the message packages that are not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["Packages"]


class Packages:
    """Finds message types and remembers missing packages.

    Attributes:
        missing: package -> topics that need it.
    """

    def __init__(self) -> None:
        self.missing: dict[str, list[str]] = {}

    def find(self, type_name: str, used_for: str) -> Any | None:
        """The class of a type like "sensor_msgs/Image", None if its package is not installed."""
        package, name = type_name.split("/")
        try:
            return getattr(import_module(f"{package}.msg"), name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != package:
                raise
            self.missing.setdefault(package, []).append(used_for)
            return None

    @property
    def report(self) -> list[str]:
        """One line for each missing package."""
        return [f"{package} is not installed: no {', '.join(uses)}" for package, uses in sorted(self.missing.items())]
