"""The bench names what it measures, and says so where a peer is missing."""

import json
import sys

import numpy as np
import pytest

from uniscene_sim.bench.run_bench import as_markdown
from uniscene_sim.bench.timing import BenchRow, interleaved_ms
from uniscene_sim.cli.main import main
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.tracing.label_mesh import mesh_of_labels


def test_ratio_says_how_many_times_better():
    assert BenchRow("a", 2.0, "ms", "b", 10.0).ratio == 5.0
    assert BenchRow("a", 50.0, "1/s", "b", 10.0).ratio == 5.0
    assert BenchRow("a", 2.0, "ms").ratio is None
    assert "| a | 2 | ms | b | 10 | 5 |" in as_markdown([BenchRow("a", 2.0, "ms", "b", 10.0)])


def test_jobs_take_turns():
    calls = []
    ms = interleaved_ms({"x": lambda: calls.append("x"), "y": lambda: calls.append("y")}, repeats=2)
    assert calls == ["x", "y", "x", "x", "y", "y", "x", "x", "y", "y"]
    assert set(ms) == {"x", "y"} and all(v >= 0 for v in ms.values())


def test_a_mesh_has_every_face_between_full_and_empty():
    labels = np.full((4, 4, 4), OccClass.FREE, np.uint8)
    labels[1, 1, 1] = labels[2, 1, 1] = OccClass.CAR
    grid = OccupancyGrid(labels, np.zeros((4, 4, 4), np.uint16), GridSpec(0.5, (4, 4, 4), (0.0, 0.0, 0.0)), Pose())
    vertices, triangles = mesh_of_labels(grid)
    assert len(triangles) == 2 * 10  # two cubes that share a face
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    areas = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    assert areas.sum() == pytest.approx(10 * 0.25)
    assert vertices.min(axis=0).tolist() == [0.5, 0.5, 0.5] and vertices.max(axis=0).tolist() == [1.5, 1.0, 1.0]


def test_a_missing_peer_is_named_and_the_rest_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    assert main(["bench", "lidar", "--json", str(tmp_path / "bench.json")]) == 0
    assert "Open3D RaycastingScene (not installed" in capsys.readouterr().out
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert rows and all(set(r) == {"name", "value", "unit", "peer", "peer_value", "ratio"} for r in rows)
    assert rows[0]["value"] > 0 and rows[0]["peer_value"] is None


def test_a_file_that_cannot_be_written_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    assert main(["bench", "lidar", "--json", str(tmp_path / "no" / "bench.json")]) == 2
