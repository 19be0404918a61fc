"""Edits while a run goes on: what changes, what does not, and what is refused."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.edit import AddAgent, ChangeStyle, CloseLane, MoveAgent, MoveCrossing, RemoveAgent, Undo
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.frames import FrameRequest
from uniscene_sim.maps.edited_map import edited_map
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import prepare
from uniscene_sim.scenario import AgentSpec, Spawn
from uniscene_sim.scenario_files.parts import edit_of_text
from uniscene_sim.world.scenario_source import ScenarioSource
from uniscene_sim.world.traffic.lane_change import is_closed

CONE = AddAgent(
    AgentSpec("a cone", "traffic_cone", Spawn(relative_to="ego", ahead_m=9, lateral_m=3), behaviour="parked")
)
THERE, BACK = MoveCrossing(90.0, 72.0, (0.0, -9.0)), MoveCrossing(90.0, 63.0, (0.0, 9.0))
PICTURES = FrameRequest(bev_schema=None, window_grid=None)


@pytest.fixture(scope="module")
def simulator():
    return prepare("crossing_pedestrian", load_rig("rl"))


def drive(simulator, edits=None, ticks=4):
    """Frames of a run that is edited before some ticks."""
    frames = [simulator.reset(PICTURES)]
    for k in range(ticks):
        for edit in (edits or {}).get(k, ()):
            simulator.edit(edit)
        frames.append(simulator.step(request=PICTURES))
    return frames


@pytest.fixture(scope="module")
def plain(simulator):
    return [dict(frame.digests) for frame in drive(simulator)]


@pytest.mark.parametrize(
    "there, back",
    [
        (CONE, RemoveAgent("a cone")),
        (THERE, BACK),
        (ChangeStyle("fog", 20.0), Undo()),
        (RemoveAgent("walker"), Undo()),
        (MoveAgent("walker", Spawn(99.0, 60.0, free=True)), Undo()),
        (CloseLane(Spawn(relative_to="ego", ahead_m=120)), RemoveAgent("closing")),
    ],
    ids=lambda edit: type(edit).__name__,
)
def test_the_next_tick_shows_an_edit_and_taking_it_back_gives_the_old_bytes(simulator, plain, there, back):
    frames = drive(simulator, {0: [there], 2: [back]})
    digests = [dict(frame.digests) for frame in frames]
    assert frames[1].layout.edits and not frames[0].layout.edits
    if not isinstance(there, CloseLane | MoveAgent):  # these happen out of the cameras' sight
        assert digests[1] != plain[1]
    assert digests[0] == plain[0] and digests[3:] == plain[3:]
    assert [dict(f.digests) for f in drive(simulator, {0: [there], 2: [back]})] == digests
    now = simulator.source.get_state()
    assert len(now.bodies) == len(simulator.source._begin.state.bodies) and now.added == ()


def test_a_crossing_that_moves_changes_the_tiles_around_it_and_no_other(simulator):
    source = simulator.source
    edited = edited_map(source.map, [THERE])
    assert edited.map.ref != source.map.ref
    assert edited_map(source.map, [THERE, BACK]).map is source.map and edited_map(source.map, [THERE]) is edited
    [frame] = drive(simulator, ticks=0)
    before = {key: simulator.store.get(*key) for key in simulator.store.around(90, 60, 120)}
    unedited = simulator.store
    simulator.edit(THERE)
    assert simulator.step(request=PICTURES).layout.map_ref == edited.map.ref != frame.layout.map_ref
    assert simulator.map is edited.map and edited.tiles < set(before)
    changed = set()
    for key, tile in before.items():
        other = simulator.store.get(*key)
        if key not in edited.tiles:
            assert other is tile  # not even made again
        elif not np.array_equal(other.paint, tile.paint):
            changed.add(key)
            x, y = np.nonzero((other.paint != tile.paint).any(axis=0))
            at = np.stack([x, y], axis=1) * 0.1 + np.multiply(key, 64.0)
            assert (np.abs(at - (90.0, 67.7)) <= (8.0, 7.5)).all(), at.max(axis=0)
        for name in ("materials", "bricks", "ground"):  # nothing that stands has changed
            assert np.array_equal(getattr(other, name), getattr(tile, name), equal_nan=name == "ground")
    assert changed
    simulator.edit(Undo())
    simulator.step(request=PICTURES)
    assert simulator.store is unedited and simulator.map is source.map


def test_traffic_sees_a_closed_lane_and_routes_avoid_it():
    source = ScenarioSource.open("construction_zone")
    source.reset()
    source.edit(CloseLane(Spawn(relative_to="ego", ahead_m=150), 60.0, "works"))
    now = source.step(source.driver_control(), 100_000)[-1]
    static_map = edited_map(source.map, now.edits).map
    assert static_map.closings and now.map_ref == static_map.ref != source.map.ref
    barriers = now.agents[now.agents["id"] > 65_000]
    assert len(barriers) > 8 and (barriers["vel"] == 0).all()
    begins = source._world.population._places
    for closing in static_map.closings:
        assert not any(p.lane == closing.lane and closing.begin_m <= p.s <= closing.end_m for p in begins)
    before = _through(source, static_map)
    for _ in range(50):
        source.step(source.driver_control(), 100_000)
    # Some who were on their way through it have moved over, and nobody has come to it.
    assert _through(source, static_map) < before


def _through(source, static_map):
    """Ids of those whose path leads over a closed lane."""
    state = source.get_state()
    ways = zip(state.bodies[1:], state.paths[1:], state.counts[1:], strict=True)
    return {int(b["id"]) for b, path, n in ways if is_closed(static_map, path[int(max(b["s"], 0)) : int(n)])}


def test_edits_are_part_of_the_state():
    one, two = ScenarioSource.open("crossing_pedestrian"), ScenarioSource.open("crossing_pedestrian")
    for source in (one, two):
        source.reset()
    for edit in (CONE, THERE, ChangeStyle("snow")):
        one.edit(edit)
    one.step(one.driver_control(), 100_000)
    two.set_state(one.get_state())
    for _ in range(3):
        a, b = (s.step(s.driver_control(), 100_000)[-1] for s in (one, two))
        assert a.edits == b.edits and a.map_ref == b.map_ref and a.style.weather == b.style.weather == "snow"
        assert a.agents.tobytes() == b.agents.tobytes()
    assert one.reset().edits == ()


@pytest.mark.parametrize(
    "edit, says",
    [
        (RemoveAgent("nobody"), "'nobody' is nobody; expected #ID or one of"),
        (RemoveAgent("ego"), "the ego is driven"),
        (RemoveAgent("#64000"), "is nobody"),
        (MoveAgent("walker", Spawn(9000.0, 0.0, free=True)), "off the map"),
        (MoveAgent("walker", Spawn(9000.0, 0.0)), "from the nearest driving lane"),
        (AddAgent(AgentSpec("x", "car", Spawn(relative_to="ego", ahead_m=1))), "would stand on the ego"),
        (AddAgent(AgentSpec("walker", "car", Spawn(10.0, 10.0))), "is taken"),
        (AddAgent(AgentSpec("x", "car", Spawn(relative_to="who"))), "is nobody"),
        (CloseLane(Spawn(relative_to="ego", ahead_m=1)), "the ego stands there"),
        (MoveCrossing(40.0, 40.0, (1.0, 0.0)), "no crossing within"),
        (MoveCrossing(90.0, 72.0, (30.0, 0.0)), "leads off the road"),
        (Undo(), "no edit to take back"),
    ],
)
def test_what_cannot_happen_is_one_error_and_changes_nothing(edit, says):
    source = ScenarioSource.open("crossing_pedestrian")
    source.reset()
    before = source.get_state()
    with pytest.raises(InputError) as error:
        source.edit(edit)
    assert says in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) <= 280
    assert source.get_state() is before and source.step(source.driver_control(), 10_000)[-1].edits == ()


def test_edits_can_be_taken_back_down_to_the_first_one():
    source = ScenarioSource.open("cut_in")
    source.reset()
    source.edit(ChangeStyle("fog"))
    for edit in (CONE, MoveAgent("#65001", Spawn(relative_to="ego", ahead_m=40, lateral_m=2)), RemoveAgent("a cone")):
        source.edit(edit)
    assert source.get_state().edits == (ChangeStyle("fog"),)  # what was done to the cone by its id went with it
    someone = next(int(b["id"]) for b in source.get_state().bodies[1:] if b["ambient"])
    source.edit(RemoveAgent(f"#{someone}"))
    source.step(source.driver_control(), 2_000_000)
    with pytest.warns(InputWarning, match=f"in place of #{someone}, who does not come back"):
        source.edit(Undo())
    source.edit(Undo())
    assert source.get_state().edits == ()


@pytest.mark.parametrize("name", ["#\u00b2", "#17", "ego", "two\nlines", "\ud800", "\0"])
def test_names_that_files_cannot_hold_or_that_are_ids_are_refused(name):
    with pytest.raises(InputError, match="expected another name"):
        AddAgent(replace(CONE.agent, name=name))
    with pytest.raises(InputError, match="expected another name"):
        CloseLane(Spawn(relative_to="ego", ahead_m=80), name=name)
    if name != "#17":  # a prop of the map
        with pytest.raises(InputError, match=r"nobody; expected|ego is driven"):
            ScenarioSource.open("crossing_pedestrian").edit(RemoveAgent(name))


SCENARIO = """
map: urban_grid
duration_s: 3
ego: {spawn: {x: 91.75, y: 20, yaw_deg: 90}, speed_mps: 7}
events:
  - trigger: {kind: time, value: 0.25}
    edits:
      - {kind: add, agent: {name: box, class: barrier, behaviour: parked, spawn: {relative_to: ego, ahead_m: 40}}}
      - {kind: add, agent: {name: man, class: pedestrian, spawn: {x: 97, y: 50, free: true}}}
      - {kind: style, weather: rain, time_of_day_h: 21}
      - {kind: move_crossing, x: 90, y: 72, by: [0, -9]}
      - {kind: move_crossing, x: 45, y: 45, by: [0, -9]}
    actions: [{kind: cross, agent: man, to: [84, 50]}]
  - {trigger: {kind: time, value: 0.6}, edits: [{kind: remove, name: box}]}
"""


def test_scenario_files_hold_edits(tmp_path):
    path = tmp_path / "edited.yaml"
    path.write_text(SCENARIO)
    source = ScenarioSource.open(str(path))
    first = source.reset()
    with pytest.warns(InputWarning, match=r"events\[0\].edits\[4\] at 0.25 s is left out: .*no crossing"):
        layouts = source.step(source.driver_control(), 500_000)
    counts = [len(layout.agents) - len(first.agents) for layout in layouts]
    assert [layout.stamp_us for layout in layouts] == list(range(10_000, 510_000, 10_000))
    assert counts == [0] * 24 + [2] * 26 and layouts[24].style.weather == "rain" and layouts[23].edits == ()
    assert any("events[0].edits[4]: cannot happen" in hint for hint in source.hints(lambda: np.zeros((0, 5))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        last = source.step(source.driver_control(), 500_000)[-1]
    assert len(last.agents) - len(first.agents) == 1 and last.agents[-1]["vel"][0] < -1.0
    # In ticks of another length it is the same.
    again = ScenarioSource.open(str(path))
    again.reset()
    with pytest.warns(InputWarning):
        for _ in range(100):
            [now] = again.step(again.driver_control(), 10_000)
    assert now.agents.tobytes() == last.agents.tobytes() or len(now.agents) == len(last.agents)


@pytest.mark.parametrize(
    "text, says",
    [
        ("{kind: delete, name: x}", "kind: 'delete' is not one of add, remove"),
        ("{kind: remove}", "'name' is a required property"),
        ("{kind: remove, name: x, speed_mps: 3}", "speed_mps: unknown field"),
        ("{kind: style, time_of_day_h: 25}", "time_of_day_h"),
        ("{kind: close_lane, at: {x: 1, y: 2}, length_m: 1e9}", "length_m"),
        ("{kind: add, agent: {name: ego, class: car, spawn: {x: 1, y: 1}}}", "agent.name"),
        ("{kind: add, agent: {name: a, class: car, spawn: {}, behaviour: trajectory, trajectory: [[0,0,0],[1,1,1]]}}",
         "behaviour"),
        ("[]", "expected"),
        ("{kind: undo", "not valid YAML"),
        ("x" * 100_000, "characters"),
    ],
)  # fmt: skip
def test_a_request_is_checked(text, says):
    with pytest.raises(InputError, match=says.replace("[", r"\[")):
        edit_of_text(text)
