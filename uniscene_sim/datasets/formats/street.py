"""`SeenStreet`: a street as LiDARs saw it, sweep by sweep, in the data set's own world frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uniscene_sim.geometry import Pose

__all__ = ["UNKNOWN", "Moment", "SeenStreet", "SeenSweep"]

#: Label of a point of which nobody says what it is: its ray was free up to there, and that is all.
UNKNOWN = 255


@dataclass(frozen=True)
class SeenSweep:
    """N rays, each from where its sensor was when it fired."""

    ends: np.ndarray  # float64 (N, 3) m, world
    origins: np.ndarray  # float64 (N, 3) m, world
    label: np.ndarray  # uint8 (N,) OccClass, or UNKNOWN
    intensity: np.ndarray  # float32 (N,) 0 to 1
    time_s: np.ndarray  # float64 (N,) since the moment's stamp
    moving: np.ndarray  # bool (N,) of an agent: no part of the static world
    sensor: np.ndarray  # uint8 (N,) which of the LiDARs


@dataclass(frozen=True)
class Moment:
    """A moment at which all that is around is labelled.

    Attributes:
        number: of the frame in the data set.
        pose: base_link in the world, on the ground.
        agents: (A,) AGENT_DTYPE in the world; `id` is the instance, the same in all moments.
        images: pictures taken then, by camera.
    """

    number: int
    stamp_us: int
    pose: Pose
    agents: np.ndarray
    images: dict[str, Path]


@dataclass(frozen=True)
class SeenStreet:
    """A drive.

    Attributes:
        maker: whose data it is, as `Windows.maker` has it.
        moments: in the order of time.
        sweep: that of a moment, read when asked for; None where it is missing.
        plan: channels of a layout, bool (X, Y) by name, that the data set's map has around a pose of `GENERATED_GRID`;
            None without a map.
        losses: what of the data set is left out, a line each.
        labelled: whether points have classes; without, there are sweeps and no windows.
    """

    name: str
    maker: str
    moments: tuple[Moment, ...]
    sweep: Callable[[Moment], SeenSweep | None]
    plan: Callable[[Pose], dict[str, np.ndarray]] | None = None
    losses: tuple[str, ...] = ()
    labelled: bool = True
