"""Building blocks of rules."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from uniscene_sim.compute.processes import run_child
from uniscene_sim.engine_support.others_code import is_interrupt
from uniscene_sim.errors import InputError, said
from uniscene_sim.layout import LayoutFrame

__all__ = [
    "RuleViolation",
    "Rules",
    "fingerprint_in_new_process",
    "hash_layouts",
    "refused_with_input_error",
    "require",
    "require_array",
]

#: Description of each rule, and a test that raises `RuleViolation` if it is broken.
Rules = list[tuple[str, Callable[[], None]]]


class RuleViolation(Exception):
    """A rule is broken."""


def require(condition: bool, message: str) -> None:
    """Raise `RuleViolation` with a message unless a condition holds."""
    if not condition:
        raise RuleViolation(message)


def require_array(name: str, value: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    """Require an array of a dtype and a shape.

    Args:
        name: of the value, for the message.
        value: what should be an array.
        dtype: expected dtype.
        shape: expected shape.
    """
    require(isinstance(value, np.ndarray), f"{name} must be an array, is a {type(value).__name__}")
    require(value.dtype == dtype and value.shape == shape,
            f"{name} must be {np.dtype(dtype).name} {shape}, is {value.dtype.name} {value.shape}")  # fmt: skip


def refused_with_input_error(what: str, call: Callable[[], object]) -> bool:
    """Whether a call raised `InputError` with a message of one line; any other exception breaks the rule."""
    try:
        call()
    except InputError as error:
        require("\n" not in str(error), f"{what}: the message of InputError must be one line, is {str(error)!r}")
        return True
    except RuleViolation:
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise RuleViolation(f"{what} must be served or refused with InputError, raised {said(error)}") from None
    return False


def hash_layouts(frames: Iterable[LayoutFrame]) -> str:
    """SHA-256 over all fields of all layouts."""
    sha = hashlib.sha256()
    for frame in frames:
        for f in fields(frame):
            value = getattr(frame, f.name)
            sha.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return sha.hexdigest()


def fingerprint_in_new_process(slot: str, name: str, on: str = "") -> str:
    """The fingerprint computed in a new process."""
    code = f"from uniscene_sim import conformance as c\nprint(c.fingerprint({slot!r}, {name!r}, {on!r}))"
    done = run_child([sys.executable, "-c", code], 600, stderr=subprocess.PIPE)
    require(done.returncode == 0, f"failed there: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip()
