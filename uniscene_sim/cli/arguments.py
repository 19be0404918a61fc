"""Shared by the commands of `uniscene-sim`: types of arguments, and tables written as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from uniscene_sim import __version__
from uniscene_sim.errors import InputError

__all__ = ["json_writer", "positive_integer", "seed_argument"]


def seed_argument(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError("expected an integer in [0, 2^32)")
    return value


def positive_integer(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected a positive integer")
    return value


def json_writer(stack: ExitStack, path: Path | None) -> Callable[[list[dict[str, Any]]], None]:
    """A function that writes rows of a table to a JSON file, which is opened before the rows are measured."""
    if path is None:
        return lambda rows: None
    try:
        file = stack.enter_context(open(path, "a", encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=path, field="--json") from error

    def write(rows: list[dict[str, Any]]) -> None:
        facts = {"version": __version__, "machine": platform.machine(), "cores": os.cpu_count()}
        file.truncate(0)
        file.write(json.dumps({**facts, "rows": rows}, indent=2) + "\n")

    return write
