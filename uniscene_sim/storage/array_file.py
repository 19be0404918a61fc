"""Arrays of training data as files: written whole or not at all, and checked when read."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from uniscene_sim.errors import InputError

__all__ = ["read_arrays", "write_arrays"]


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name as one compressed `.npz`."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(buffer.getvalue())
    part.replace(path)


def read_arrays(path: Path, names: Collection[str], what: str) -> dict[str, np.ndarray]:
    """Arrays of a file by name.

    Args:
        path: the file.
        names: arrays that it must hold.
        what: what the file holds, for the error message.

    Raises:
        InputError: the file is missing or damaged, or lacks an array.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            if lacking := [name for name in names if name not in file]:
                raise InputError(f"not there, expected arrays {', '.join(names)}", file=path, field=lacking[0])
            return {name: file[name] for name in names}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"expected {what} as .npz, but {error}", file=path) from None
