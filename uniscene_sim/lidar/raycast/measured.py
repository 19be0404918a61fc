"""What a real sensor read of surfaces: intensity and drop-out by class and range, and how far behind the face of a cell
its returns lie. For `raycast:measured=true`.

The constants are those of PandaSet's Pandar64 (sequence 002, frames 0 to 55; CC BY 4.0, Hesai and Scale AI);
`uniscene-sim train sensor` measures them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.keyed_random import normal_pair, unit_hash4
from uniscene_sim.errors import InputError
from uniscene_sim.lidar.raycast.footprint import Echoes
from uniscene_sim.lidar.raycast.receiver import Returns
from uniscene_sim.lidar.raycast.trace import Hits
from uniscene_sim.rig import LidarSpec
from uniscene_sim.storage.input_file import MIB, read_json, reading
from uniscene_sim.taxonomy import AGENT_OCC_CLASS, GROUND_CLASSES, MATERIAL_LABEL, AgentClass, OccClass

__all__ = ["BINS", "BIN_M", "MeasuredSensor", "measured_returns", "pandar64", "read_measured"]

#: Bins of range; the last holds all that is farther.
BIN_M, BINS = 10.0, 10
_CLASSES = int(OccClass.FREE)
_FLATTEST = 0.02  # least |dz| of a ray that meets ground
_GROUND = np.isin(np.arange(_CLASSES + 1), GROUND_CLASSES)
#: Keys of random numbers, beyond those of the receiver.
_DROP, _NOISE = 210, 211


@dataclass(frozen=True)
class MeasuredSensor:
    """Readings by `OccClass` (20) and range (10 bins of 10 m).

    Attributes:
        intensity: float64 (20, 10), mean of the returns, 0..1.
        dropped: float64 (20, 10), share of beams that do not return.
        behind_m: float64 (20,) m, median of how far a return lies behind the face of the 0.4 m cell that its ray enters
            first: along the ray, of ground in height.
    """

    intensity: np.ndarray
    dropped: np.ndarray
    behind_m: np.ndarray

    def reading(self, label: np.ndarray, range_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Intensity and drop-out rate of surfaces of classes (R,) at finite or infinite ranges (R,) m."""
        at = np.minimum(label, _CLASSES - 1), np.minimum(range_m / BIN_M, BINS - 1).astype(int)
        return self.intensity[at], self.dropped[at]

    def behind_face(self, label: np.ndarray, down: np.ndarray) -> np.ndarray:
        """How far behind the faces of cells of classes (R,) returns lie along rays, m (R,).

        Args:
            label: uint8 (R,) OccClass.
            down: (R,), z of the rays' unit directions.
        """
        behind = self.behind_m[np.minimum(label, _CLASSES - 1)]
        out: np.ndarray = np.where(_GROUND[label], behind / np.maximum(np.abs(down), _FLATTEST), behind)
        return out


def read_measured(path: str | Path) -> MeasuredSensor:
    """Constants as `uniscene-sim train sensor` writes them.

    Raises:
        InputError: the file is missing or damaged.
    """
    what = "the constants of a measured sensor"
    data = read_json(Path(path), MIB, what)
    with reading(path, what):
        arrays = []
        for name, shape, low, high in (("intensity", (_CLASSES, BINS), 0, 1), ("dropped", (_CLASSES, BINS), 0, 1),
                                       ("behind_m", (_CLASSES,), -1, 1)):  # fmt: skip
            array = np.array([data[name][of.name] for of in OccClass if of != OccClass.FREE], np.float64)
            if array.shape != shape or not ((array >= low) & (array <= high)).all():
                raise InputError(f"expected {shape[1] if len(shape) > 1 else 'a'} number from {low} to {high} of each "
                                 "class", field=name)  # fmt: skip
            arrays.append(array)
    return MeasuredSensor(*arrays)


@lru_cache(maxsize=1)
def pandar64() -> MeasuredSensor:
    """The constants of PandaSet's Pandar64."""
    return read_measured(str(files(__package__) / "pandar64.json"))


def measured_returns(
    key: np.uint64, sensor: MeasuredSensor, spec: LidarSpec, hits: Hits, agent_class: np.ndarray, cells: bool
) -> tuple[Echoes, Returns]:
    """Echoes and returns (A, R, 1) of a sensor that reads as a real one was seen to.

    Args:
        key: of random numbers.
        sensor: the readings.
        spec: for range noise and limits.
        hits: (A, R).
        agent_class: AgentClass (N,) of the rows of agents.
        cells: whether hits lie on faces of 0.4 m cells.
    """
    label, row = MATERIAL_LABEL[hits.material], hits.agent_row
    of_rows = AGENT_OCC_CLASS[np.append(agent_class, np.uint8(AgentClass.CAR))]  # the ego after the agents
    label = np.where(row >= 0, of_rows[np.maximum(row, 0)], label)
    hit = np.isfinite(hits.distance)
    far = hits.distance.copy()
    if cells:
        far[hit] += sensor.behind_face(label[hit], hits.direction[..., 2][hit])
    bright, risk = sensor.reading(label, far)
    echo = far.copy()
    _lose(key, far, risk, spec.range_noise_m, spec.min_range_m, spec.max_range_m)
    one = (..., None)
    return (
        Echoes(echo[one], hits.cosine[one], hits.material[one], row[one], np.zeros(far.shape, np.bool_)),
        Returns(far[one], bright.astype(np.float32)[one], np.zeros((*far.shape, 1), np.uint8)),
    )


@njit(cache=True)
def _lose(key, far, risk, noise, nearest, farthest):
    """Set beams (A, R) that are lost or out of range to inf, and add range noise to the others."""
    for c in range(far.shape[0]):
        for r in range(far.shape[1]):
            if far[c, r] == np.inf:
                continue
            if unit_hash4(key, c, r, _DROP) < risk[c, r]:
                far[c, r] = np.inf
                continue
            if noise > 0.0:
                far[c, r] += noise * normal_pair(unit_hash4(key, c, r, _NOISE), unit_hash4(key, c, r, _NOISE + 1))[0]
            if not nearest <= far[c, r] <= farthest:
                far[c, r] = np.inf
