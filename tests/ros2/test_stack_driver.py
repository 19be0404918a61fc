"""A ROS 2 stack as the driver under test: one stack drives a batch, without a restart."""

import json
import sys


def test_one_stack_drives_a_batch(start, domain, tmp_path):
    stack = start("stack", domain, "--runs", "2")
    merged = tmp_path / "merged.json"
    words = ("-m", "uniscene_sim.cli", "test", "hard_brake", "cut_in", "--driver", "ros2", "--rig", "rl")
    batch = start(sys.executable, domain, *words, "--out", str(tmp_path), "--json", str(merged))
    assert batch.wait(240) in (0, 1), batch.log
    results = json.loads(merged.read_text())["results"]
    assert [r["scenario"] for r in results] == ["hard_brake[nominal]", "cut_in[nominal]"], "one after the other"
    assert all(r["status"] in ("SUCCESS", "FAILURE") and r["simulated_s"] > 7 for r in results), results
    stack.wait(30)
    ended = json.loads(stack.log.splitlines()[-1])["ended"]
    assert [run["status"] for run in ended] == [r["status"] for r in results], "the stack was told the same"
