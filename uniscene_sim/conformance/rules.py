"""What rules are made of."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import numpy as np

from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutFrame

__all__ = ["Broken", "Rules", "array", "expect", "expect_input_error_alone", "hash_of_layouts", "in_a_new_process"]

#: What a rule asks, and the test that raises `Broken` where it is not kept.
Rules = list[tuple[str, Callable[[], None]]]


class Broken(Exception):
    """A rule is not kept."""


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise Broken(message)


def array(name: str, value: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    expect(isinstance(value, np.ndarray), f"{name} must be an array, is a {type(value).__name__}")
    expect(value.dtype == dtype and value.shape == shape,
            f"{name} must be {np.dtype(dtype).name} {shape}, is {value.dtype.name} {value.shape}")  # fmt: skip


def expect_input_error_alone(what: str, call: Callable[[], object]) -> bool:
    """Whether a call was refused; anything but an `InputError` of one line is no refusal."""
    try:
        call()
    except InputError as error:
        expect("\n" not in str(error), f"{what}: the message of InputError must be one line, is {str(error)!r}")
        return True
    except Broken:
        raise
    except Exception as error:
        seen = f"raised {type(error).__name__}: {error}"
        raise Broken(f"{what} must be served or refused with InputError, {seen}") from None
    return False


def hash_of_layouts(frames: Iterable[LayoutFrame]) -> str:
    """SHA-256 over every field of each."""
    sha = hashlib.sha256()
    for frame in frames:
        for f in fields(frame):
            value = getattr(frame, f.name)
            sha.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return sha.hexdigest()


def in_a_new_process(slot: str, name: str, on: str = "") -> str:
    """The fingerprint that another process finds."""
    code = f"from uniscene_sim import conformance as c\nprint(c.fingerprint({slot!r}, {name!r}, {on!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    expect(done.returncode == 0, f"failed there: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip()
