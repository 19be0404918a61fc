"""Files that KITTI's odometry, KITTI's raw recordings, SemanticKITTI and CarlaSC share: sweeps, labels, poses,
calibrations, times.

KITTI's poses are those of the left grey camera in that of the first frame (x right, y down, z forward); with the row
`Tr` of `calib.txt`, camera <- LiDAR, they become those of the LiDAR. CarlaSC's need none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from uniscene_sim.errors import InputError, shown
from uniscene_sim.storage.input_file import MIB, read_input, read_text, reading

__all__ = ["BASE_FROM_VELODYNE", "matrix_of", "read_calibration", "read_packed", "read_poses", "read_rows",
           "read_sweep", "read_voxel_labels"]  # fmt: skip

#: KITTI's LiDAR over the road and before the rear axle, to whole cells ahead; (4, 4) base_link <- LiDAR.
BASE_FROM_VELODYNE = np.array([[1, 0, 0, 0.8], [0, 1, 0, 0], [0, 0, 1, 1.73], [0, 0, 0, 1.0]])
_MOST, _MOST_TEXT = 64 * MIB, 16 * MIB


def read_sweep(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points float64 (N, 3), m, in the LiDAR's frame, and reflectances float32 (N,), 0 to 1.

    Raises:
        InputError: missing, or no rows of four float32.
    """
    body = read_input(file, _MOST, "a sweep: rows of x, y, z, reflectance as float32")
    if len(body) % 16 or not body:
        raise InputError(f"has {len(body)} bytes, expected rows of 16: x, y, z, reflectance as float32", file=file)
    rows = np.frombuffer(body, "<f4").reshape(-1, 4)
    if not np.isfinite(rows).all():
        raise InputError("expected finite numbers", file=file)
    return rows[:, :3].astype(np.float64), rows[:, 3].copy()


def read_packed(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Bits, bool of a shape, eight to a byte and the highest first.

    Raises:
        InputError: missing, or of another size.
    """
    count = int(np.prod(shape)) // 8
    body = read_input(file, _MOST, f"{count} bytes of bits")
    if len(body) != count:
        raise InputError(f"has {len(body)} bytes, expected {count}: one bit for each of {shape} voxels", file=file)
    return np.unpackbits(np.frombuffer(body, np.uint8)).reshape(shape).astype(bool)


def read_voxel_labels(file: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers of voxels, of a shape, or of points where it is (N,).

    Raises:
        InputError: missing, or of another size.
    """
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    body = read_input(file, _MOST, "labels")
    if len(body) != count:
        told = f"{count}: one {np.dtype(dtype).name} for each of {' x '.join(map(str, shape))}"
        raise InputError(f"has {len(body)} bytes, expected {told}", file=file)
    return np.frombuffer(body, dtype).reshape(shape)


def read_rows(file: Path, columns: int, what: str) -> np.ndarray:
    """Numbers float64 (N, columns) of a text file, a row a line.

    Raises:
        InputError: missing, no numbers, or another count of columns; names the line.
    """
    out = []
    for number, line in enumerate(read_text(file, _MOST_TEXT, what).splitlines(), 1):
        if line.strip():
            out.append(_numbers(line, columns, file, number, what))
    if not out:
        raise InputError(f"is empty, expected {what}", file=file)
    return np.array(out)


def read_poses(file: Path) -> np.ndarray:
    """Matrices float64 (N, 4, 4) of lines of twelve numbers.

    Raises:
        InputError: as `read_rows`, or a matrix that does not turn.
    """
    rows = read_rows(file, 12, "poses: twelve numbers a line")
    out = np.tile(np.eye(4), (len(rows), 1, 1))
    out[:, :3] = rows.reshape(-1, 3, 4)
    wrong = np.abs(out[:, :3, :3] @ out[:, :3, :3].transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2)) > 0.02
    if wrong.any():
        raise InputError("expected rotations", file=file, line=int(wrong.argmax()) + 1)
    return out


def read_calibration(file: Path) -> dict[str, np.ndarray]:
    """Numbers by name of lines `NAME: numbers`; what is no number, such as a date, is left out.

    Raises:
        InputError: missing, or a line without a name.
    """
    out: dict[str, np.ndarray] = {}
    for number, line in enumerate(read_text(file, MIB, "a calibration of KITTI").splitlines(), 1):
        if not line.strip():
            continue
        name, colon, rest = line.partition(":")
        if not colon:
            raise InputError("expected `NAME: numbers`", file=file, line=number)
        with reading(file, "a calibration of KITTI"):
            try:
                out[name.strip()] = np.array([float(word) for word in rest.split()])
            except ValueError:
                continue
    return out


def matrix_of(calibration: dict[str, np.ndarray], name: str, file: Path) -> np.ndarray:
    """(4, 4) of twelve numbers of a calibration; InputError if they are not there."""
    found = calibration.get(name)
    if found is None or len(found) != 12 or not np.isfinite(found).all():
        raise InputError("expected twelve numbers", file=file, field=name)
    return np.vstack([found.reshape(3, 4), [0, 0, 0, 1]])


def _numbers(line: str, count: int, file: Path, number: int, what: str) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        raise InputError(f"expected {what}, got {shown(line)}", file=file, line=number) from None
    if len(values) != count or not np.isfinite(values).all():
        raise InputError(f"expected {count} finite numbers, got {len(values)}", file=file, line=number)
    return values
