"""The package as ROS 2 builds and starts it. `launch` itself is not on PyPI: launching is not tested here."""

import os
import re
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from nav_msgs.msg import Odometry

from tests.checkout import copy_of_the_checkout
from uniscene_ros2.parameters import NODE_PARAMETERS
from uniscene_sim.storage.data_folders import data_dir

ROOT = Path(__file__).parents[2]
#: As a Jazzy on Ubuntu 24.04 has them; later setuptools know no `develop --editable`.
COLCON = ("colcon-core<0.20", "colcon-ros==0.5.0", "colcon-recursive-crawl==0.2.3", "setuptools==68.1.2")


@pytest.fixture(scope="module")
def colcon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colcon")
    venv.create(folder, with_pip=True)
    done = subprocess.run([folder / "bin/pip", "install", "-q", *COLCON], capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"colcon cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin"


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("--symlink-install",)], ids=["copied", "symlinked"])
def test_colcon_builds_a_workspace_whose_node_runs(colcon, tmp_path, start, domain, client, how):
    workspace = tmp_path / "ws"
    copy_of_the_checkout(workspace / "src" / "uniscene_sim")
    path = f"{colcon}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [colcon / "colcon", "build", *how],
        cwd=workspace,
        env={**os.environ, "PATH": path, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    prefix = workspace / "install" / "uniscene_sim"
    for file in (
        "share/ament_index/resource_index/packages/uniscene_sim",
        "share/uniscene_sim/package.xml",
        "share/uniscene_sim/launch/sim.launch.py",
        "share/uniscene_sim/scenarios/maps/urban_grid.xodr",
        "lib/uniscene_sim/uniscene-sim",
    ):
        assert (prefix / file).is_file(), file
    # The script that `ros2 run` finds, by the Python that has numba and rclpy, from outside the checkout.
    say = "import uniscene_sim, uniscene_ros2; print(uniscene_sim.__file__, uniscene_ros2.__file__)"
    script = f"{sys.executable} {prefix}/lib/uniscene_sim/uniscene-ros2 --rig rl"

    def run(words):
        shell = f". {workspace}/install/setup.sh && cd / && {sys.executable} -c '{say}' && exec {script} {words}"
        return start("sh", domain, "-c", shell, environ={"PYTHONPATH": ""})

    ran = run("--scenario cut_on")
    assert ran.wait() == 2 and "cut_in" in ran.log  # it knows what there is
    assert all(str(workspace) in file for file in ran.log.splitlines()[0].split())
    if not how:  # once is enough
        odom = client.listen(Odometry, "/odom", 10)
        ran = run("--exit-at-end --paused --ros-args -p driver:=builtin")
        client.until(lambda: odom, 120, "the first frame")  # it drives only when it was heard
        assert client.trigger("play").success
        assert ran.wait() == 0 and "cut_in: SUCCESS" in ran.log, ran.log


def test_ros_arguments_reach_the_node(start, domain, client):
    ros = ("--ros-args", "-p", "driver:=builtin", "-p", "mode:=realtime", "-r", "/odom:=/elsewhere")
    odom = client.listen(Odometry, "/elsewhere", 10)
    node = start("node", domain, "--scenario", "cut_in", "--rig", "rl", *ros, rig=None)
    client.until(lambda: odom and odom[-1].header.stamp.sec >= 2, what="remapped odometry")
    assert "drives itself" in node.log


def test_package_xml_and_launch_file_name_what_there_is():
    package = (ROOT / "package.xml").read_text()
    assert re.search(r"<build_type>ament_python</build_type>", package)
    imported = set()
    for file in (ROOT / "bridges" / "uniscene_ros2").glob("*.py"):
        imported |= set(re.findall(r"^(?:from|import) (\w+)(?:\.msg|\.srv|\b)", file.read_text(), re.MULTILINE))
    for name in imported & {"rclpy", "sensor_msgs", "nav_msgs", "std_msgs", "std_srvs", "geometry_msgs",
                            "visualization_msgs", "diagnostic_msgs", "rosgraph_msgs", "builtin_interfaces",
                            "rcl_interfaces"}:  # fmt: skip
        assert f"<exec_depend>{name}</exec_depend>" in package
    compile((ROOT / "launch" / "sim.launch.py").read_text(), "sim.launch.py", "exec")
    assert data_dir("scenarios") == ROOT / "scenarios"


def test_launch_arguments_are_read_by_the_type_of_their_parameter():
    by_name = {s.name: s for s in NODE_PARAMETERS}
    assert by_name["paused"].parse("True") is True and by_name["paused"].parse("false") is False
    assert by_name["seed"].parse("7") == 7 and by_name["scenario"].parse("7") == "7"
    assert by_name["realtime_factor"].parse("2") == 2.0
    for name, text in (("paused", "maybe"), ("seed", "x")):
        with pytest.raises(ValueError, match=text):
            by_name[name].parse(text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_without_a_word(start, domain, number):
    node = start("node", domain, scenario="hard_brake", driver="builtin", mode="realtime")
    node.until("drives itself")
    node.child.send_signal(number)
    assert node.wait() == 0
    assert "Traceback" not in node.log


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no POSIX shared memory to look at")
def test_the_node_has_a_segment_that_holds_seconds_of_images(start, domain):
    def segments():
        return {f for f in Path("/dev/shm").glob("fastrtps_*") if f.stat().st_size >= 128 * 2**20}

    before = segments()
    node = start("node", domain, scenario="hard_brake")
    node.until("waits for a control")
    assert segments() - before


def test_the_bench_in_short_loses_next_to_nothing():
    """Whoever is held up for half a second loses what nobody keeps for him: a busy machine gets another try, and one
    on which a tick's work takes far longer than its time of the processor cannot tell."""
    from uniscene_sim.bench import ros2

    left = {"all but diagnostics", "images, sweep, odometry"}
    for _ in range(3):
        rows = {row.name.removeprefix("ROS 2, "): row.value for row in ros2.rows("--seconds", "3", "--resets", "5")}
        for what in list(left):
            sent = rows[f"{what}: messages sent in 3 s at 10 Hz"]
            assert sent >= 30 * (30 + 13)
            if rows[f"{what}: messages lost"] <= 0.01 * sent:
                left.remove(what)
        if not left:
            break
    work = "the bridge's own work a tick"
    if any(rows[f"{what}: {work}, p99"] > 2.0 * rows[f"{what}: {work} (processor), p99"] for what in left):
        pytest.skip("this machine is too busy to tell who loses messages")
    assert not left, {name: value for name, value in rows.items() if "messages" in name}
    # How much a process grows hangs on the machine; that resets leave nothing behind, `test_time` tests.
    assert "5 resets: growth in memory" in rows
