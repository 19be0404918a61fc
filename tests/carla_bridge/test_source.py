"""`CarlaSource` on a server that speaks CARLA's protocol, through the unmodified client."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from tests.carla_bridge.serving import CarlaServer

pytest.importorskip("carla")
from tests.carla_bridge.session import comes
from uniscene_carla.layout_source import CarlaSource
from uniscene_sim.conformance.sources import source_rules
from uniscene_sim.control import Control, Trajectory
from uniscene_sim.errors import InputError
from uniscene_sim.layout import Light, SignalState
from uniscene_sim.maps.signals import signal_heads
from uniscene_sim.taxonomy import AgentClass

STEP_US = 50_000


@contextmanager
def opened(server: CarlaServer, **parameters: Any) -> Iterator[CarlaSource]:
    """A source on a server, closed in the end; what is said about the ego is left unsaid."""
    words = "&".join(f"{name}={value}" for name, value in {"surroundings": "ours", **parameters}.items())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "127.0.0.1.* was spawned at spawn point")
        source = CarlaSource.open(f"carla://127.0.0.1:{server.port}?{words}")
    try:
        yield source
    finally:
        source.close()


@pytest.fixture
def server() -> Iterator[CarlaServer]:
    with CarlaServer() as running:
        yield running


def ego_of(server: CarlaServer) -> dict[str, Any]:
    [ego] = [a for a in server.state()["actors"].values() if a["attributes"].get("role_name") == "hero"]
    return ego


def bodies(source: CarlaSource, layout: Any) -> np.ndarray:
    """Agents that the server has: neither heads nor props of the map."""
    first = len(signal_heads(source.map)) + 1
    return layout.agents[layout.agents["id"] >= first]


def test_the_ego_moves_as_the_bicycle_model_says_and_the_server_hears_the_control(server):
    with opened(server) as source:
        begin = source.reset()
        assert begin.stamp_us == 0 and begin.ego_vehicle.wheelbase_m > 2.0
        steer, accel = 0.1, 2.0
        for _ in range(60):
            [*_, layout] = source.step(Control(steer, accel), STEP_US)
        told = ego_of(server)["control"]
        vehicle = layout.ego_vehicle
        assert told[0] == pytest.approx(accel / vehicle.max_accel_mps2, abs=1e-6)
        assert told[1] == pytest.approx(-steer / vehicle.max_steer_rad, abs=1e-6)
        # The closed form: the arc of a circle about a centre to the left.
        driven = 0.5 * accel * 3.0**2
        turn = driven * math.tan(steer) / vehicle.wheelbase_m
        radius = vehicle.wheelbase_m / math.tan(steer)
        at = begin.ego_pose.apply(np.array([radius * math.sin(turn), radius * (1 - math.cos(turn)), 0.0]))
        assert np.linalg.norm(at[:2] - layout.ego_pose.position[:2]) < 0.01
        assert (layout.ego_pose.yaw - begin.ego_pose.yaw) % (2 * math.pi) == pytest.approx(turn, abs=1e-3)
        assert np.linalg.norm(layout.ego_velocity) == pytest.approx(accel * 3.0, rel=1e-4)
        assert layout.ego_yaw_rate == pytest.approx(accel * 3.0 / radius, rel=1e-3)
        assert layout.ego_steer == pytest.approx(steer, abs=1e-4)
        assert layout.ego_accel == pytest.approx(accel, abs=0.05)


def test_ackermann_controls_accelerate_and_brake(server):
    with opened(server, control="ackermann") as source:
        source.reset()
        for _ in range(40):
            [*_, layout] = source.step(Control(0.05, 1.5), STEP_US)
        assert np.linalg.norm(layout.ego_velocity) == pytest.approx(3.0, abs=0.2)
        assert layout.ego_steer == pytest.approx(0.05, abs=1e-3) and layout.ego_yaw_rate > 0.0
        told = ego_of(server)
        assert told["drive"] == "ackermann" and told["ackermann"][0] == pytest.approx(-0.05)
        for _ in range(40):
            [*_, layout] = source.step(Control(0.0, -4.0), STEP_US)
        assert np.linalg.norm(layout.ego_velocity) < 0.05


def test_a_trajectory_is_followed(server):
    with opened(server) as source:
        pose = source.reset().ego_pose
        seconds = np.arange(0.0, 6.1, 0.1)
        places = pose.apply(np.column_stack([0.5 * 1.5 * seconds**2, 0.02 * seconds**3, 0.0 * seconds]))
        way = Trajectory(np.column_stack([seconds, places[:, :2]]))
        for k in range(80):
            [*_, layout] = source.step(way.later(0.05 * k), STEP_US)
        assert np.linalg.norm(layout.ego_pose.position[:2] - places[40, :2]) < 0.6


def test_layouts_come_every_ten_milliseconds_and_steps_are_whole_ticks(server):
    with opened(server) as source:
        assert source.step_us == STEP_US
        stamps = [source.reset().stamp_us]
        for _ in range(3):
            stamps += [one.stamp_us for one in source.step(Control(0.0, 1.0), 100_000)]
        assert stamps == list(range(0, 300_001, 10_000))
        for wrong in (0, -STEP_US, 10_000, 12_345):
            with pytest.raises(InputError, match="dt_us: must be a positive multiple of 50,000 us"):
                source.step(Control(), wrong)
    with opened(server, step_s=0.01) as source:
        assert [one.stamp_us for one in source.step(Control(), 20_000)] == [10_000, 20_000]


def test_vehicles_walkers_riders_and_props_are_agents_with_stable_ids(server):
    placed = {}
    for k, (type_id, cls) in enumerate([
        ("vehicle.tesla.model3", AgentClass.CAR), ("vehicle.mitsubishi.fusorosa", AgentClass.BUS),
        ("vehicle.carlamotors.firetruck", AgentClass.TRUCK), ("vehicle.bh.crossbike", AgentClass.BICYCLE),
        ("vehicle.harley-davidson.low_rider", AgentClass.MOTORCYCLE), ("walker.pedestrian.0001", AgentClass.PEDESTRIAN),
        ("static.prop.trafficcone01", AgentClass.TRAFFIC_CONE), ("static.prop.streetbarrier", AgentClass.BARRIER),
    ]):  # fmt: skip
        place = [[100.0, 12.0 * k, 0.0], [0.0, 30.0, 0.0]]
        attributes = {"color": "255,0,0"} if k == 0 else {}
        answer = server.ask("spawn", type_id=type_id, transform=place, attributes=attributes, velocity=[3.0, 4.0, 0.0])
        placed[cls] = answer["id"]
    with opened(server) as source:
        first = bodies(source, source.reset())
        seen = {AgentClass(agent["cls"]): agent for agent in first if abs(agent["pos"][0] - 100.0) < 6.0}
        assert set(seen) == set(placed)
        for cls, number in placed.items():
            actor = server.state()["actors"][str(number)]
            agent = seen[cls]
            assert agent["size"].tolist() == pytest.approx([2 * half for half in actor["extent"]], abs=1e-5)
            assert agent["rpy"][2] == pytest.approx(-math.radians(30.0), abs=1e-6)
        assert np.allclose(seen[AgentClass.CAR]["vel"], (3.0, -4.0, 0.0))
        later = bodies(source, source.step(Control(), 500_000)[-1])
        car = later[later["id"] == seen[AgentClass.CAR]["id"]][0]
        assert np.allclose(car["pos"] - seen[AgentClass.CAR]["pos"], (1.5, -2.0, 0.0), atol=0.2)
        assert car["gait"] - seen[AgentClass.CAR]["gait"] == pytest.approx(2.5, abs=0.01)
        assert car["colour"] == seen[AgentClass.CAR]["colour"]
        # Who leaves and who comes: other ids stay, and no id is given to two.
        server.ask("destroy", id=placed[AgentClass.BUS])
        server.ask("spawn", type_id="vehicle.audi.tt", transform=[[140.0, 40.0, 0.0], [0.0, 0.0, 0.0]])
        last = bodies(source, source.step(Control(), 200_000)[-1])
        assert seen[AgentClass.BUS]["id"] not in last["id"] and len(np.unique(last["id"])) == len(last)
        assert len(set(last["id"].tolist()) - set(first["id"].tolist())) == 1
        assert set(last["id"].tolist()) & set(first["id"].tolist()) == set(first["id"].tolist()) - {
            int(seen[AgentClass.BUS]["id"])
        }


def test_what_is_none_of_our_classes_is_said_once(server):
    for k in range(3):
        server.ask("spawn", type_id="vehicle.acme.hovercraft", transform=[[90.0, 15.0 * k, 0.0], [0.0, 0.0, 0.0]])
    with pytest.warns(UserWarning) as told, opened(server):
        pass
    said = [str(one.message) for one in told if "none of our classes" in str(one.message)]
    assert len(said) == 1 and "vehicle.acme.hovercraft is none of our classes; it is taken for a" in said[0]


def test_parked_vehicles_of_the_level_stand(server):
    with opened(server) as source:
        layout = source.reset()
        parked = layout.agents[(layout.agents["cls"] == AgentClass.CAR) & (layout.agents["size"][:, 0] > 4.39)]
        assert len(parked) == 1 and not parked["vel"].any()
        later = source.step(Control(), 100_000)[-1].agents
        assert np.array_equal(later[later["id"] == parked["id"][0]]["pos"], parked["pos"])


def test_surroundings_anchor_the_static_world(server):
    with opened(server, surroundings="server") as source, opened_map(server) as lanes:
        added = [thing.kind for thing in source.map.objects[len(lanes.objects) :]]
        assert sorted(added) == ["building", "building", "pole", "tree", "wall"]
        assert source.map.complete == {"building", "tree"} and source.map.ref != lanes.ref


@contextmanager
def opened_map(server: CarlaServer) -> Iterator[Any]:
    from tests.carla_bridge.serving import URBAN_GRID
    from uniscene_sim.maps.opendrive.reader import read_opendrive

    yield read_opendrive(URBAN_GRID)


def test_traffic_lights_are_the_maps_signals(server):
    with opened(server) as source:
        source.reset()
        lights = {a["id"]: a for a in server.state()["actors"].values() if a["type_id"] == "traffic.traffic_light"}
        assert len(lights) == sum(signal.kind == "traffic_light" for signal in source.map.signals)
        for state, ours, lit in (
            (0, SignalState.RED, Light.RED), (1, SignalState.YELLOW, Light.YELLOW),
            (2, SignalState.GREEN, Light.GREEN), (3, SignalState.OFF, 0),
        ):  # fmt: skip
            number = next(iter(lights))
            server.ask("light", id=number, state=state)
            layout = source.step(Control(), STEP_US)[-1]
            states = np.array([layout.signals[s.index] for s in source.map.signals if s.kind == "traffic_light"])
            told = {a["id"]: a["light"] for a in server.state()["actors"].values() if "light" in a}
            assert told[number] == state and ours in states
            wanted = sorted({0: 1, 1: 2, 2: 3, 3: 0}[told[key]] for key in lights)
            assert sorted(states.tolist()) == wanted
            heads = layout.agents[layout.agents["cls"] == AgentClass.SIGNAL_HEAD]
            assert lit in heads["lights"]


def test_weather_becomes_style(server):
    with opened(server) as source:
        assert source.reset().style.weather == "clear"
        rain = [90.0, 80.0, 60.0, 50.0, 45.0, 20.0, 0.0, 0.75, 0.1, 50.0, 1.0, 0.03, 0.0331, 0.0]
        server.ask("weather", weather=rain)
        layout = source.step(Control(), 2_000_000)[-1]
        assert layout.style.weather == "rain" and 6.0 < layout.style.time_of_day_h < 9.0


def test_brakes_and_indicators_are_lights(server):
    import carla

    number = server.ask("spawn", type_id="vehicle.tesla.model3", transform=[[100.0, 0.0, 0.0], [0.0, 0.0, 0.0]])["id"]
    client = carla.Client("127.0.0.1", server.port)
    with opened(server) as source:
        source.reset()
        car = client.get_world().get_actor(number)
        source.step(Control(), STEP_US)
        lit = carla.VehicleLightState.LeftBlinker | carla.VehicleLightState.LowBeam
        car.set_light_state(carla.VehicleLightState(lit))
        car.apply_control(carla.VehicleControl(brake=1.0))
        layout = source.step(Control(), 400_000)[-1]
        [agent] = [one for one in bodies(source, layout) if abs(one["pos"][0] - 100.0) < 3.0]
        assert agent["lights"] == Light.LEFT | Light.HEAD | Light.BRAKE


def test_an_actor_asleep_keeps_its_place_and_has_no_speed(server):
    place = [[100.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    number = server.ask("spawn", type_id="vehicle.tesla.model3", transform=place, velocity=[5.0, 0.0, 0.0])["id"]
    with opened(server) as source:
        source.step(Control(), STEP_US)
        server.ask("dormant", id=number, on=True)
        before = bodies(source, source.step(Control(), STEP_US)[-1])
        after = bodies(source, source.step(Control(), 500_000)[-1])
        [asleep] = [one for one in after if one["pos"][0] > 99.0 and one["size"][0] > 4.7]
        awake = before[before["id"] == asleep["id"]][0]
        assert not asleep["vel"].any() and asleep["pos"].tolist() == awake["pos"].tolist()


def test_a_vehicle_with_the_role_name_is_attached_to_and_left_alive(server):
    number = server.ask(
        "spawn", type_id="vehicle.audi.tt", transform=[[80.0, 1.75, 0.0], [0.0, 0.0, 0.0]],
        attributes={"role_name": "mine"}, velocity=[4.0, 0.0, 0.0],
    )["id"]  # fmt: skip
    with opened(server, ego="mine", control="none") as source:
        assert source.open_loop
        begin = source.reset()
        layout = source.step(source.driver_control(), 1_000_000)[-1]
        assert np.linalg.norm(layout.ego_pose.position - begin.ego_pose.position) == pytest.approx(4.0, abs=0.01)
        assert "apply_control_to_vehicle" not in server.state()["calls"]
        again = source.reset()  # what others drive stays
        assert again.stamp_us == 0 and np.linalg.norm(again.ego_pose.position - layout.ego_pose.position) < 0.5
    state = server.state()
    assert state["actors"][str(number)]["state"] == 1 and state["settings"][0] is False


def test_an_ego_that_comes_late_is_waited_for(server):
    import threading

    def come():
        server.ask("spawn", type_id="vehicle.audi.tt", transform=[[80.0, 1.75, 0.0], [0.0, 0.0, 0.0]],
                   attributes={"role_name": "late"})  # fmt: skip

    timer = threading.Timer(5.0, come)
    timer.start()
    with opened(server, ego="late", wait_s=60) as source:
        timer.join()
        assert source.reset().ego_vehicle.name == "vehicle.audi.tt"
    assert sum(a["type_id"].startswith("vehicle.") for a in server.state()["actors"].values()) == 1


def test_where_an_ego_is_spawned_and_where_it_goes(server):
    with opened(server, start=1, goal=2, vehicle="vehicle.audi.tt") as source:
        layout = source.reset()
        assert layout.ego_vehicle.name == "vehicle.audi.tt"
        path = source.route_path
        middle = layout.ego_pose.apply(np.array([[0.0, 0.0, 0.0]]))[0]
        assert np.hypot(*(path[0, :2] - middle[:2])) < 2.0 and not source.arrived
        assert np.array_equal(layout.route, path[: len(layout.route)])
    for parameters, wrong in (
        ({"start": 9999}, "carla://start: expected a spawn point of 0 to"),
        ({"goal": 9999}, "carla://goal: expected a spawn point of 0 to"),
        ({"vehicle": "vehicle.audi.t"}, r"carla://vehicle: no blueprint 'vehicle.audi.t' \(did you mean"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=wrong), opened(server, **parameters):
            pass
        assert server.state()["settings"][0] is False, "the server is left as it was"


def test_a_reset_brings_a_spawned_ego_back_at_rest(server):
    with opened(server) as source:
        begin = source.reset()
        for _ in range(20):
            source.step(Control(0.05, 3.0), 100_000)
        again = source.reset()
        assert again.stamp_us == 0 and np.linalg.norm(again.ego_velocity) < 1e-3
        assert np.linalg.norm(again.ego_pose.position - begin.ego_pose.position) < 0.05
        assert abs(again.ego_pose.yaw - begin.ego_pose.yaw) < 1e-3
        driven = source.step(Control(0.0, 2.0), 1_000_000)[-1]
        assert np.linalg.norm(driven.ego_velocity) == pytest.approx(2.0, abs=0.01)
    with opened(server, reset="world") as source:
        source.reset()
        source.step(Control(0.0, 3.0), 100_000)
        episode = server.state()["episode"]
        assert np.linalg.norm(source.reset().ego_velocity) < 1e-3
        assert server.state()["episode"] == episode + 1
        driven = source.step(Control(0.0, 2.0), 1_000_000)[-1]
        assert np.linalg.norm(driven.ego_velocity) == pytest.approx(2.0, abs=0.01)


def test_a_hundred_vehicles_are_all_there():
    with CarlaServer(vehicles=100) as full, opened(full) as source:
        begin = bodies(source, source.reset())
        later = bodies(source, source.step(Control(), 1_000_000)[-1])
        assert len(begin) == 101  # one is parked
        moved = np.linalg.norm(later["pos"] - begin["pos"], axis=1)
        assert (np.abs(moved[moved > 0.1] - 8.0) < 0.2).all() and (moved > 0.1).sum() == 100


def test_carlas_own_traffic_manager_drives_an_ego_on_autopilot(server):
    """The real one, which lives in the client."""
    with opened(server, control="autopilot") as source:
        assert source.open_loop
        begin = source.reset()
        fastest = max(float(np.linalg.norm(source.step(Control(), 100_000)[-1].ego_velocity)) for _ in range(50))
        layout = source.step(Control(0.0, -8.0), 100_000)[-1]  # is ignored
        assert fastest > 4.0 and np.linalg.norm(layout.ego_velocity) > 2.0
        assert np.linalg.norm(layout.ego_pose.position - begin.ego_pose.position) > 10.0
        assert not any("off_road" in one.events for one in source.step(Control(), 1_000_000))
    assert server.state()["settings"][0] is False
    assert comes(lambda: not any(a["type_id"].startswith("vehicle.") for a in server.state()["actors"].values()))


def test_actors_that_are_nowhere_or_have_no_box_cost_only_themselves(server):
    places = ([[1e9, 0.0, 0.0], [0.0] * 3], [[float("nan")] * 3, [0.0] * 3])
    ids = [server.ask("spawn", type_id="vehicle.audi.tt", transform=[[300.0 + 20 * k, 0.0, 0.0], [0.0] * 3])["id"]
           for k in range(3)]  # fmt: skip
    with opened(server) as source:
        assert len(bodies(source, source.reset())) == 4  # one is parked
        for number, place in zip(ids, places, strict=False):
            server.ask("move", id=number, transform=place)
        with pytest.warns(UserWarning, match="of 3 actors 2 are nowhere; they are left out"):
            agents = bodies(source, source.step(Control(), 100_000)[-1])
        assert np.isfinite(agents["pos"]).all() and len(agents) == 2


def test_an_actor_that_vanishes_while_it_is_described_costs_only_itself(server):
    server.ask("spawn", type_id="vehicle.audi.tt", transform=[[80.0, 30.0, 0.0], [0.0] * 3])
    with opened(server) as source:
        source.step(Control(), STEP_US)
        server.ask("spawn", type_id="vehicle.audi.tt", transform=[[80.0, 60.0, 0.0], [0.0] * 3])
        server.ask("fail", method="get_actor_bounding_box", message="Actor could not be found", times=1)
        before = len(bodies(source, source.step(Control(), STEP_US)[-1]))
        assert len(bodies(source, source.step(Control(), STEP_US)[-1])) == before + 1  # asked for again


def test_a_goal_that_lies_behind_is_reached_round_the_block(server):
    with opened(server, start=0) as source:
        begin, points = source.reset(), source._link
        assert points is not None
        ahead = begin.ego_pose.apply(np.array([12.0, 0.0, 0.0]))
    place = [[float(ahead[0]), -float(ahead[1]), 0.0], [0.0, -math.degrees(begin.ego_pose.yaw), 0.0]]
    server.ask("spawn", type_id="vehicle.audi.tt", transform=place, attributes={"role_name": "behind"})
    with opened(server, ego="behind", goal=0) as source:
        assert len(source.route_path) > 100 and not source.arrived
        assert np.hypot(*(source.route_path[-1, :2] - begin.ego_pose.position[:2])) < 4.0
        assert source.driver_control().accel_mps2 > 0.0


def test_a_route_begins_where_the_ego_is_at_a_reset(server):
    with opened(server, reset="stay") as source:
        source.reset()
        for _ in range(8):
            source.step(source.driver_control(), 1_000_000)
        layout = source.reset()
        assert np.hypot(*(layout.route[0, :2] - layout.ego_pose.position[:2])) < 2.0
        assert np.hypot(*(source.route_path[0, :2] - layout.ego_pose.position[:2])) < 2.0


def test_a_house_that_is_driven_into_is_a_contact(server):
    """As in our own world: by what was generated."""
    with opened(server) as source:
        source.reset()
        source.solid = lambda points: points[:, 2] > 0.3  # everywhere beside the roads
        events = [name for _ in range(60) for one in source.step(Control(0.6, 3.0), 100_000) for name in one.events]
        assert events.count("contact:static") >= 1 and "off_road" in events
        assert source.outcome.criteria[0].actual >= 1


@pytest.mark.parametrize("parameters", [{"step_s": 0.03}])
def test_it_follows_the_rules_of_sources(server, parameters):
    words = "&".join(f"{name}={value}" for name, value in {"surroundings": "ours", **parameters}.items())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "127.0.0.1.* was spawned at spawn point")
        rules = dict(source_rules(CarlaSource, "carla", f"carla://127.0.0.1:{server.port}?{words}"))
        assert {"layouts every 10 ms", "controls move the ego", "errors"} <= set(rules)
        for rule in rules.values():
            rule()
