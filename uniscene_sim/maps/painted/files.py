"""Painted maps on disk: one `.npz`, or a folder with a PNG for each channel and `map.yaml`.

The NPZ holds `channels` (C,) text, `raster` uint8 (C, X, Y), `resolution_m` and `origin` (2,). In the folder the
picture `<channel>.png` is north up: its columns run along x, its rows against y, and what is not black is set.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from uniscene_sim.errors import InputError
from uniscene_sim.maps.painted.cells import (
    COARSEST_M,
    FINEST_M,
    MOST_CELLS,
    PAINTABLE,
    PaintedRaster,
    check_channel,
    check_size,
)
from uniscene_sim.storage.array_file import array_names, read_arrays
from uniscene_sim.storage.input_file import MIB, is_folder, is_regular, read_input, reading
from uniscene_sim.storage.output_file import Outputs, is_private, output_file, told
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["HEAD_FILE", "is_painted", "read_painted", "save_painted"]

HEAD_FILE = "map.yaml"
_ARRAYS = ("channels", "raster", "resolution_m", "origin")
_WHAT = "a painted map"
_MOST = (len(PAINTABLE) * MOST_CELLS) + MIB  # bytes
_MOST_PICTURE = 4 * MOST_CELLS
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_NUMBER = {"type": "number"}
_HEAD_SCHEMA = {
    "type": "object",
    "properties": {
        "resolution_m": {"type": "number", "minimum": FINEST_M, "maximum": COARSEST_M},
        "origin": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
    },
    "required": ["resolution_m", "origin"],
    "additionalProperties": False,
}


def is_painted(path: str | Path) -> bool:
    """Whether a file or folder is a painted map, by its content: a `map.yaml`, or an array `raster`."""
    if is_folder(path):
        return is_regular(Path(path) / HEAD_FILE)
    try:
        return "raster" in array_names(path, _WHAT, _MOST)
    except InputError:
        return False


def read_painted(path: str | Path) -> PaintedRaster:
    """A painted map; InputError, naming file and field, if it is malformed."""
    path = Path(path)
    if is_folder(path):
        return _read_folder(path)
    arrays = read_arrays(path, _ARRAYS, _WHAT, _MOST)
    with reading(path, _WHAT):
        for name, shape in (("resolution_m", ()), ("origin", (2,))):
            array = arrays[name]
            if array.dtype.kind not in "fiu" or array.shape != shape:
                raise InputError(f"expected numbers of shape {shape}, got {array.dtype} {array.shape}", field=name)
        if arrays["channels"].dtype.kind != "U" or arrays["channels"].ndim != 1:
            raise InputError(f"expected a row of text, got {arrays['channels'].dtype}", field="channels")
        x, y = arrays["origin"].tolist()
        names = tuple(arrays["channels"].tolist())
        return PaintedRaster(path.stem, names, arrays["raster"], float(arrays["resolution_m"]), (x, y))


def _read_folder(path: Path) -> PaintedRaster:
    if not is_regular(path / HEAD_FILE):
        raise InputError(f"no {HEAD_FILE} in this folder; expected resolution_m and origin there", file=path)
    head = YamlFile(path / HEAD_FILE, _HEAD_SCHEMA, "the place of a painted map").data
    files = sorted(path.glob("*.png"))
    for file in files:
        with reading(file, "a channel"):
            check_channel(file.stem)
    pictures = {file.stem: _read_picture(file) for file in files}
    if not pictures:
        raise InputError("no <channel>.png in this folder, expected at least drivable_area.png", file=path)
    first, shape = next((name, cells.shape) for name, cells in pictures.items())
    for name, cells in pictures.items():
        if cells.shape != shape:
            mine, others = (" x ".join(map(str, s)) for s in (cells.shape, shape))
            raise InputError(f"is {mine} pixels, but {first}.png is {others}", file=path / f"{name}.png")
    x, y = head["origin"]
    raster = np.stack(list(pictures.values()))
    with reading(path, _WHAT):
        return PaintedRaster(path.resolve().name, tuple(pictures), raster, head["resolution_m"], (x, y))


def _read_picture(file: Path) -> np.ndarray:
    """Cells bool (X, Y) of a north-up picture; its size is read from its head, before anything is unpacked."""
    with reading(file, "a PNG"):
        body = read_input(file, _MOST_PICTURE, "a PNG")
        if not body.startswith(_PNG) or len(body) < 24:
            raise InputError("cannot be read as a PNG, expected one, black where nothing is set")
        check_size(*struct.unpack(">II", body[16:24]))
        with Image.open(io.BytesIO(body), formats=["PNG"]) as image:
            pixels = np.asarray(image.convert("RGBA"))  # the visible colours, whatever the palette
    return np.flipud(pixels[..., :3].any(axis=2) & (pixels[..., 3] > 0)).T


def save_painted(painted: PaintedRaster, path: str | Path) -> None:
    """Write the map, whole or not at all. A folder replaces nothing but a painted map."""
    path = Path(path)
    if path.suffix != ".npz":
        _write_folder(painted, path)
        return
    with output_file(path) as part, open(part, "wb") as stream:
        _write_npz(painted, stream)


def _write_npz(painted: PaintedRaster, stream: Any) -> None:
    np.savez_compressed(
        stream,
        channels=np.array(painted.channels),
        raster=painted.raster,
        resolution_m=np.array(painted.resolution_m),
        origin=np.array(painted.own_origin),
    )


def _write_folder(painted: PaintedRaster, path: Path) -> None:
    ours = {HEAD_FILE, *(f"{name}.png" for name in PAINTABLE)}
    there = sorted(f.name for f in path.iterdir() if not is_private(f)) if path.is_dir() else []
    if strange := [name for name in there if name not in ours]:
        what = f"holds {strange[0]!r} too"
        raise InputError(f"{what}; expected a new folder, one with a painted map alone, or a .npz", file=path)
    pictures = {f"{name}.png": cells for name, cells in zip(painted.channels, painted.raster, strict=True)}
    head = {"resolution_m": painted.resolution_m, "origin": list(painted.own_origin)}
    with Outputs() as outputs:
        part = outputs.folder(path, [*pictures, HEAD_FILE])
        with told(path):
            for name, cells in pictures.items():
                Image.fromarray(np.flipud(cells.T) * np.uint8(255)).save(part / name)
            (part / HEAD_FILE).write_text(yaml.safe_dump(head, sort_keys=False), encoding="utf-8")
        outputs.publish(stale=[path / name for name in there if name not in pictures and name != HEAD_FILE])
