"""Each program of `examples/` runs as it stands and does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
#: Run here; `ros2_stack.py` is what tests/ros2 drives with.
RUN_HERE = {
    "drive_in_a_loop", "read_frames", "own_camera_engine", "paint_a_map", "train_rl", "behaviour_cloning", "self_play",
}  # fmt: skip


def run(name: str, folder: Path, *words: str) -> list[str]:
    """Lines that a program prints, started in a folder."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *words], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_each_example_is_run_and_listed():
    programs = {path.stem for path in EXAMPLES.glob("*.py")}
    assert programs == RUN_HERE | {"ros2_stack"}
    page = (EXAMPLES / "README.md").read_text()
    assert all(f"({name}.py)" in page for name in programs)
    assert "examples" in (ROOT / "tests" / "ros2" / "conftest.py").read_text()


def test_drive_in_a_loop_stops_behind_the_leader(tmp_path):
    lines = run("drive_in_a_loop", tmp_path, "hard_brake")
    assert lines[-1] == "SUCCESS"
    assert "collision: 0.00, expected <= 0" in lines


def test_read_frames_saves_an_image_and_a_cloud(tmp_path):
    lines = run("read_frames", tmp_path, "cut_in", "--ticks", "2", "--out", "frames")
    assert [line.split(":")[0] for line in lines] == ["0.0 s", "0.1 s", "0.2 s"]
    points = int(lines[-1].split(",")[1].split()[0])
    assert np.asarray(Image.open(tmp_path / "frames" / "front.png")).shape == (84, 84, 3)
    header, body = (tmp_path / "frames" / "lidar.ply").read_bytes().split(b"end_header\n")
    assert f"element vertex {points}\n".encode() in header
    table = np.frombuffer(body, "<f4").reshape(-1, 4)
    assert len(table) == points > 1000 and np.linalg.norm(table[:, :3], axis=1).max() < 61


def test_own_camera_engine_draws_depth(tmp_path):
    assert run("own_camera_engine", tmp_path, "--out", "grey.png") == ["grey.png"]
    image = np.asarray(Image.open(tmp_path / "grey.png")).astype(int)
    assert (image.max(axis=2) == image.min(axis=2)).all()  # grey
    assert image[80, 42, 0] > image[60, 42, 0] > 0 and image[5, 42, 0] == 0  # the road comes nearer, the sky is far


def test_own_camera_engine_keeps_the_rules_as_an_installed_one(tmp_path):
    """With the entry point that its docstring names, in a distribution on the path."""
    said = (EXAMPLES / "own_camera_engine.py").read_text()
    group, name, value = re.search(r'\[project\.entry-points\."(.*)"\]\s+(\S+) = "(.*)"', said).groups()
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    path = os.pathsep.join([str(tmp_path), str(EXAMPLES)])
    done = subprocess.run(
        [sys.executable, "-m", "uniscene_sim.cli.main", "check", f"{name}:80"],
        env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0 and "FAIL" not in done.stdout, done.stdout + done.stderr


def test_paint_a_map_drives_through_the_bend(tmp_path):
    lines = run("paint_a_map", tmp_path, "--out", "painted")
    assert lines[0] == "SUCCESS"
    assert {p.name for p in (tmp_path / "painted").iterdir()} == {"bend.npz", "bend.yaml"}


@pytest.mark.slow
def test_self_play_trains_one_policy_for_all(tmp_path):
    pytest.importorskip("stable_baselines3")
    lines = run("self_play", tmp_path, "--steps", "128", "--agents", "2", "--out", "agent.zip")
    assert lines[0] == "trained for 128 steps: agent.zip" and (tmp_path / "agent.zip").is_file()
    assert lines[2].startswith("after: ") and lines[2].endswith("of them clean")


def test_train_rl_trains_and_tests(tmp_path):
    pytest.importorskip("stable_baselines3")
    lines = run("train_rl", tmp_path, "--steps", "256", "--worlds", "2", "--episodes", "1", "--out", "agent.zip")
    assert lines[0] == "trained for 256 steps: agent.zip" and (tmp_path / "agent.zip").is_file()
    assert 0.0 <= float(lines[1].removeprefix("mean route completion: ")) <= 1.0


@pytest.mark.slow
def test_behaviour_cloning_learns_from_the_driver(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    lines = run("behaviour_cloning", tmp_path, "--episodes", "2", "--epochs", "2", "--tests", "1")
    assert lines[0].startswith("2 episodes, ") and (tmp_path / "sets/uniscene/lane_following-v0/data").is_dir()
    assert re.fullmatch(r"success on 1 held-out seeds: clone [01]\.00, driver 1\.00", lines[1])
