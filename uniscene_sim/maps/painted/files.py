"""Painted maps on disk: one `.npz`, or a folder with a PNG for each channel and `map.yaml`.

The NPZ holds `channels` (C,) text, `raster` uint8 (C, X, Y), `resolution_m` and `origin` (2,). In the folder the
picture `<channel>.png` is north up: its columns run along x, its rows against y, and what is not black is set.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml
from PIL import Image

from uniscene_sim.errors import InputError
from uniscene_sim.maps.painted.cells import COARSEST_M, FINEST_M, PAINTABLE, PaintedRaster, check_channel, check_size
from uniscene_sim.storage.yaml_file import YamlFile

__all__ = ["HEAD_FILE", "is_painted", "read_painted", "save_painted"]

HEAD_FILE = "map.yaml"
_ARRAYS = ("channels", "raster", "resolution_m", "origin")
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
    path = Path(path)
    if path.is_dir():
        return (path / HEAD_FILE).is_file()
    try:
        with zipfile.ZipFile(path) as archive:
            return "raster.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_painted(path: str | Path) -> PaintedRaster:
    """A painted map; InputError, naming file and field, if it is malformed."""
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise InputError(f"no such painted map; expected a .npz file or a folder with {HEAD_FILE}", file=path)
    try:
        arrays = _read_arrays(path)
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise InputError(f"missing; expected the arrays {', '.join(_ARRAYS)}", field=missing[0])
        for name, shape in (("resolution_m", ()), ("origin", (2,))):
            array = arrays[name]
            if array.dtype.kind not in "fiu" or array.shape != shape:
                raise InputError(f"expected numbers of shape {shape}, got {array.dtype} {array.shape}", field=name)
        if arrays["channels"].dtype.kind != "U" or arrays["channels"].ndim != 1:
            raise InputError(f"expected a row of text, got {arrays['channels'].dtype}", field="channels")
        x, y = arrays["origin"].tolist()
        names = tuple(arrays["channels"].tolist())
        return PaintedRaster(path.stem, names, arrays["raster"], float(arrays["resolution_m"]), (x, y))
    except InputError as error:
        raise InputError(str(error), file=path) from None
    except Exception as error:  # zlib, zip and header errors of a damaged file have no common base
        why = f"damaged or not a painted map ({type(error).__name__}), expected a .npz of {', '.join(_ARRAYS)}"
        raise InputError(why, file=path) from None


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an NPZ; none is unpacked before its size is checked."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as stream:
                shape = _shape(stream)
            if name == "raster.npy" and len(shape) == 3:
                check_size(*shape[1:])
            if np.prod(shape, dtype=np.float64) > len(PAINTABLE) * 2.0**24:
                raise InputError(f"too large, has shape {shape}", field=name.removesuffix(".npy"))
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def _shape(stream: IO[bytes]) -> tuple[int, ...]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)[0]


def _read_folder(path: Path) -> PaintedRaster:
    if not (path / HEAD_FILE).is_file():
        raise InputError(f"no {HEAD_FILE} in this folder; expected resolution_m and origin there", file=path)
    head = YamlFile(path / HEAD_FILE, _HEAD_SCHEMA).data
    pictures = {file.stem: _read_picture(file) for file in sorted(path.glob("*.png"))}
    if not pictures:
        raise InputError("no <channel>.png in this folder, expected at least drivable_area.png", file=path)
    first, shape = next((name, cells.shape) for name, cells in pictures.items())
    for name, cells in pictures.items():
        if cells.shape != shape:
            mine, others = (" x ".join(map(str, s)) for s in (cells.shape, shape))
            raise InputError(f"is {mine} pixels, but {first}.png is {others}", file=path / f"{name}.png")
    x, y = head["origin"]
    raster = np.stack(list(pictures.values()))
    try:
        return PaintedRaster(path.resolve().name, tuple(pictures), raster, head["resolution_m"], (x, y))
    except InputError as error:
        raise InputError(str(error), file=path) from None


def _read_picture(file: Path) -> np.ndarray:
    """Cells bool (X, Y) of a north-up picture."""
    try:
        check_channel(file.stem)
        with Image.open(file) as image:
            check_size(*image.size)
            pixels = np.asarray(image.convert("RGBA"))  # the visible colours, whatever the palette
    except InputError as error:
        raise InputError(str(error), file=file) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"cannot be read as a PNG: {error}", file=file) from None
    return np.flipud(pixels[..., :3].any(axis=2) & (pixels[..., 3] > 0)).T


def save_painted(painted: PaintedRaster, path: str | Path) -> None:
    """Write the map beside `path`, then move it into place. A folder replaces nothing but a painted map."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.suffix == ".npz":
            with open(part, "wb") as stream:
                _write_npz(painted, stream)
            os.replace(part, path)
        else:
            _write_folder(painted, path, part)
    except OSError as error:
        raise InputError(f"cannot write the map: {error.strerror}", file=path) from None
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def _write_npz(painted: PaintedRaster, stream: Any) -> None:
    np.savez_compressed(
        stream,
        channels=np.array(painted.channels),
        raster=painted.raster,
        resolution_m=np.array(painted.resolution_m),
        origin=np.array(painted.own_origin),
    )


def _write_folder(painted: PaintedRaster, path: Path, part: Path) -> None:
    ours = {HEAD_FILE, *(f"{name}.png" for name in PAINTABLE)}
    strange = sorted(f.name for f in path.iterdir() if f.name not in ours) if path.is_dir() else []
    if strange or path.is_file():
        what = f"holds {strange[0]!r} too" if strange else "is a file"
        raise InputError(f"{what}; expected a new folder, one with a painted map alone, or a .npz", file=path)
    part.mkdir(parents=True)
    for name, cells in zip(painted.channels, painted.raster, strict=True):
        Image.fromarray(np.flipud(cells.T) * np.uint8(255)).save(part / f"{name}.png")
    head = {"resolution_m": painted.resolution_m, "origin": list(painted.own_origin)}
    (part / HEAD_FILE).write_text(yaml.safe_dump(head, sort_keys=False), encoding="utf-8")
    if path.is_dir():
        shutil.rmtree(path)
    os.replace(part, path)
