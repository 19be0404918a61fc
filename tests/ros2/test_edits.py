"""The service `~/edit`: it says what is done or why not, and the run goes on."""

from diagnostic_msgs.srv import AddDiagnostics
from nav_msgs.msg import Odometry


def test_a_stack_edits_the_world(start, domain, client):
    odom = client.listen(Odometry, "/odom", 100)
    node = start("node", domain, scenario="cut_in", driver="builtin", mode="realtime")
    client.until(lambda: odom, 120)

    def edit(text):
        return client.call(AddDiagnostics, "/uniscene/edit", AddDiagnostics.Request(load_namespace=text))

    add = "{kind: add, agent: {name: box, class: barrier, behaviour: parked, spawn: {relative_to: ego, ahead_m: 90}}}"
    answer = edit(add)
    assert answer.success and answer.message.startswith("AddAgent from "), answer.message
    for text, why in (
        (add, "'box' is taken"),
        ("{kind: remove, name: nobody}", "is nobody"),
        ('{"kind": "style", "weather": "hail"}', "is not one of clear"),
        ("{kind: [", "not valid YAML"),
        ("", "is empty"),
    ):
        answer = edit(text)
        assert not answer.success and why in answer.message and answer.message.isprintable(), answer.message
    assert edit('{"kind": "remove", "name": "box"}').success
    seen = len(odom)
    client.until(lambda: len(odom) > seen, 60)
    assert "Traceback" not in node.log
