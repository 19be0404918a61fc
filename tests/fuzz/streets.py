"""Examples of files of recorded streets, and how they are read: pickled tables, sweeps, poses of KITTI's odometry."""

from __future__ import annotations

import gzip
import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.datasets.formats.pickled_tables import write_table
from tests.fuzz.case import Bases
from uniscene_sim.datasets.formats.nuscenes_plan import NuScenesPlan
from uniscene_sim.datasets.formats.pandas_pickle import read_table
from uniscene_sim.datasets.formats.semantic_kitti import base_poses
from uniscene_sim.datasets.formats.street import Moment, SeenSweep
from uniscene_sim.datasets.formats.sweep_file import read_seen_sweep, write_seen_sweep
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import AGENT_DTYPE

__all__ = ["odometry", "plans", "read_pickle", "read_plan", "read_poses_of", "read_sweep_of", "sweeps", "tables"]


@cache
def tables() -> Bases:
    columns = {"x": np.arange(4.0), "class": np.arange(4), "still": np.ones(4, bool),
               "label": np.array(["Car", "Bus", None, "Car"], object)}  # fmt: skip
    found = {}
    with tempfile.TemporaryDirectory() as home:
        for name, old in (("old", True), ("new", False)):
            write_table(Path(home, "t.pkl.gz"), columns, old)
            found[name] = {"t.pkl": gzip.decompress(Path(home, "t.pkl.gz").read_bytes())}
    return found


def read_pickle(folder: Path) -> None:
    for column in read_table(folder / "t.pkl").values():
        assert column.ndim == 1 and column.dtype.kind in "biufO"


@cache
def sweeps() -> Bases:
    ends = np.arange(12.0).reshape(4, 3)
    sweep = SeenSweep(ends, np.zeros((4, 3)), np.array([11, 15, 4, 255], np.uint8), np.ones(4, np.float32),
                      np.zeros(4), np.array([False, False, True, False]), np.zeros(4, np.uint8))  # fmt: skip
    moment = Moment(0, 0, Pose(), np.zeros(0, AGENT_DTYPE), {"front": Path("00.jpg")})
    with tempfile.TemporaryDirectory() as home:
        write_seen_sweep(Path(home, "s.npz"), moment, sweep)
        return {"sweep": {"s.npz": Path(home, "s.npz").read_bytes()}}


def read_sweep_of(folder: Path) -> None:
    sweep = read_seen_sweep(folder / "s.npz")
    assert np.isfinite(sweep.ends).all() and len(sweep.ends) == len(sweep.label)


def odometry() -> Bases:
    poses = "1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 0 0 1 0 0 0 0 1 2.5\n"
    files = {"calib.txt": "P0: 7 0 6 0 0 7 1 0 0 0 1 0\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n", "poses.txt": poses,
             "times.txt": "0.0\n1.0e-1\n"}  # fmt: skip
    return {"drive": {name: text.encode() for name, text in files.items()}}


def read_poses_of(folder: Path) -> None:
    poses, stamps = base_poses(folder)
    assert len(poses) == len(stamps) and all(np.isfinite(pose.matrix).all() for pose in poses)


def plans() -> Bases:
    nodes = [{"token": f"n{k}", "x": x, "y": y} for k, (x, y) in enumerate([(0, 0), (9, 0), (9, 9), (0, 9), (4, 4)])]
    ring = {"exterior_node_tokens": ["n0", "n1", "n2", "n3"], "holes": [{"node_tokens": ["n4", "n1", "n2"]}]}
    data = {
        "version": "1.3", "node": nodes, "polygon": [{"token": "p", **ring}], "road_divider": [],
        "line": [{"token": "l", "node_tokens": ["n0", "n2"]}], "lane_divider": [{"token": "d", "line_token": "l"}],
        "drivable_area": [{"token": "a", "polygon_tokens": ["p"]}],
        **{name: [{"token": "r", "polygon_token": "p"}]
           for name in ("ped_crossing", "walkway", "stop_line", "carpark_area")},
    }  # fmt: skip
    return {"place": {"m.json": json.dumps(data).encode()}}


def read_plan(folder: Path) -> None:
    channels = NuScenesPlan(folder / "m.json").around(Pose(3.0, 3.0, yaw=0.5))
    assert all(cells.shape == (200, 200) for cells in channels.values())
