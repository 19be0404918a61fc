"""A stack drives, knowing topics only: it completes scenarios, dies, comes late, goes on to the next one."""

import json

import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter


def said(stack):
    return json.loads(stack.log.splitlines()[-1])


@pytest.mark.parametrize(("words", "status", "code"), [((), "SUCCESS", 0), (("--blind",), "FAILURE", 1)])
def test_a_stack_that_sees_the_leader_in_the_lidar_completes_the_scenario_and_a_blind_one_does_not(
    start, domain, words, status, code
):
    node = start("node", domain, "--exit-at-end", scenario="hard_brake")
    stack = start("stack", domain, *words)
    assert node.wait() == code
    assert stack.wait() == 0
    report = said(stack)
    assert report["ended"][-1]["status"] == status
    assert report["ended"][-1]["controls"]["used"] == 140  # one answer to each frame of 14 s
    collision = next(c for c in report["ended"][-1]["criteria"] if c["name"] == "collision")
    assert collision["success"] is (status == "SUCCESS")


def test_a_stack_that_comes_late_is_waited_for(start, domain):
    node = start("node", domain, "--exit-at-end", scenario="cut_in")
    node.until("waits for a control")
    stack = start("stack", domain, "--cruise", "8")
    assert node.wait() == 0, node.log
    assert stack.wait() == 0
    assert said(stack)["ended"][-1]["controls"]["used"] == 80


def test_a_stack_that_dies_ends_the_run_as_timeout_and_the_next_one_drives_after_a_reset(start, domain, client):
    statuses = client.statuses()
    node = start("node", domain, scenario="hard_brake", lockstep_timeout_s="5")
    dead = start("stack", domain, "--die-after", "20")
    client.until(lambda: statuses and statuses[-1]["status"] == "TIMEOUT", 120, "TIMEOUT")
    assert dead.wait() == 9
    assert "no control in" in node.log
    assert client.trigger("reset").success
    stack = start("stack", domain)
    client.until(lambda: statuses[-1]["status"] == "SUCCESS", 120, "SUCCESS")
    assert stack.wait() == 0
    assert [s["status"] for s in statuses] == ["RUNNING", "TIMEOUT", "RUNNING", "SUCCESS"]


def test_the_next_scenario_is_loaded_without_restarting_node_or_stack(start, domain, client):
    statuses = client.statuses()
    start("node", domain, scenario="cut_in")
    stack = start("stack", domain, "--cruise", "8", "--runs", "2")
    client.until(lambda: statuses and statuses[-1]["status"] == "SUCCESS", 120, "the first end")
    refused = client.set(scenario="no_such_thing")
    assert not refused.successful and "no_such_thing" in refused.reason
    plain = SetParameters.Request(parameters=[Parameter("scenario", value="no_such_thing").to_parameter_msg()])
    (refused,) = client.call(SetParameters, "/uniscene/set_parameters", plain).results
    assert not refused.successful and "no_such_thing" in refused.reason
    plain.parameters[0].value.string_value = "hard_brake"
    (taken,) = client.call(SetParameters, "/uniscene/set_parameters", plain).results
    assert taken.successful
    client.until(lambda: statuses[-1]["status"] == "SUCCESS" and statuses[-1]["scenario"] == "hard_brake", 120)
    assert stack.wait() == 0
    assert [s["scenario"] for s in said(stack)["ended"]] == ["cut_in", "hard_brake"]
