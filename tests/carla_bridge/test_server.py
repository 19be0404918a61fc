"""The real `carla.Client` takes the test server for a simulator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from tests.carla_bridge.server.motion import MAX_ACCEL, MAX_BRAKE
from tests.carla_bridge.server.world import World
from tests.carla_bridge.serving import CarlaServer

carla: Any = pytest.importorskip("carla")
from tests.carla_bridge.session import STEP_S, Session, comes, connected  # noqa: E402


@pytest.fixture
def session() -> Iterator[Session]:
    with CarlaServer() as server:
        yield connected(server)


def test_the_client_gets_to_know_the_world(session: Session) -> None:
    assert session.client.get_server_version() == "0.9.16"
    town = session.world.get_map()
    assert town.name == "Carla/Maps/UrbanGrid"
    for point in town.get_spawn_points():
        lane = town.get_waypoint(point.location, project_to_road=False)
        assert lane.lane_type == carla.LaneType.Driving
        assert abs((lane.transform.rotation.yaw - point.rotation.yaw + 180.0) % 360.0 - 180.0) < 0.1
    found = session.world.get_blueprint_library().find("vehicle.harley-davidson.low_rider")
    assert found.get_attribute("number_of_wheels").as_int() == 2
    assert found.get_attribute("base_type").as_str() == "motorcycle"
    houses = session.world.get_environment_objects(carla.CityObjectLabel.Buildings)
    assert len(houses) == len(session.world.get_level_bbs(carla.CityObjectLabel.Buildings)) == 2


def test_ticks_are_counted_and_timed(session: Session) -> None:
    before = session.world.get_snapshot()
    session.run(1.0)
    after = session.world.get_snapshot()
    assert after.frame - before.frame == 20
    assert after.timestamp.elapsed_seconds - before.timestamp.elapsed_seconds == pytest.approx(1.0, abs=1e-6)
    assert after.timestamp.delta_seconds == pytest.approx(STEP_S)
    told = session.server.state()
    assert told["frame"] == after.frame and told["calls"]["tick_cue"] >= 20 and told["clients"] == 1
    assert 0.0 < told["tick_ms"] < 50.0


def test_a_vehicle_goes_round_the_circle_of_its_steering(session: Session) -> None:
    car = session.spawn("vehicle.lincoln.mkz_2020")
    start = car.get_transform()
    car.apply_control(carla.VehicleControl(throttle=1.0))
    session.run(2.0)
    ahead = start.location + carla.Location(start.get_forward_vector() * (MAX_ACCEL * 2.0**2 / 2))
    assert car.get_location().distance(ahead) < 1e-3
    assert car.get_velocity().length() == pytest.approx(2.0 * MAX_ACCEL, rel=1e-4)

    wheels = car.get_physics_control().wheels
    front, rear = ((wheels[k].position + wheels[k + 1].position) / 200.0 for k in (0, 2))
    radius = (front - rear).length() / math.tan(math.radians(0.3 * wheels[0].max_steer_angle))
    half = (front - rear).length() / 2
    car.apply_control(carla.VehicleControl(steer=0.3))
    session.run(1.5)
    yaw, turn = math.radians(start.rotation.yaw), 2.0 * MAX_ACCEL * 1.5 / radius
    centre = rear.x - radius * math.sin(yaw), rear.y + radius * math.cos(yaw)  # to the right
    yaw += turn
    x = centre[0] + radius * math.sin(yaw) + half * math.cos(yaw)
    y = centre[1] - radius * math.cos(yaw) + half * math.sin(yaw)
    assert math.hypot(car.get_location().x - x, car.get_location().y - y) < 2e-3
    assert (car.get_transform().rotation.yaw - math.degrees(yaw) + 180.0) % 360.0 == pytest.approx(180.0, abs=0.02)
    assert car.get_angular_velocity().z == pytest.approx(math.degrees(turn / 1.5), rel=1e-3)
    assert car.get_control().steer == pytest.approx(0.3)


def test_brakes_end_in_standing_and_reverse_goes_back(session: Session) -> None:
    car = session.spawn("vehicle.audi.tt")
    start, ahead = car.get_location(), car.get_transform().get_forward_vector()
    car.apply_control(carla.VehicleControl(throttle=1.0))
    session.run(1.0)
    car.apply_control(carla.VehicleControl(brake=1.0))
    session.run(2.0)
    assert car.get_velocity().length() == 0.0
    went = (car.get_location() - start).dot(ahead)
    assert went == pytest.approx(MAX_ACCEL / 2 + MAX_ACCEL**2 / (2 * MAX_BRAKE), abs=1e-3)
    car.apply_control(carla.VehicleControl(throttle=0.5, reverse=True))
    session.run(1.0)
    assert car.get_velocity().dot(ahead) == pytest.approx(-0.5 * MAX_ACCEL, rel=1e-4)


def test_ackermann_steers_to_the_right_and_keeps_its_bounds(session: Session) -> None:
    car = session.spawn("vehicle.tesla.model3")
    yaw = car.get_transform().rotation.yaw
    car.apply_ackermann_control(carla.VehicleAckermannControl(steer=0.1, speed=3.0, acceleration=2.0))
    session.run(1.0)
    assert car.get_velocity().length() == pytest.approx(2.0, rel=0.02)
    session.run(2.0)
    assert car.get_velocity().length() == pytest.approx(3.0, rel=0.02)
    assert 5.0 < (car.get_transform().rotation.yaw - yaw) % 360.0 < 90.0
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=0.0, acceleration=100.0))
    session.run(3.0 / MAX_BRAKE + STEP_S)
    assert car.get_velocity().length() == 0.0
    assert car.get_ackermann_controller_settings().speed_kd == 0.25


def test_velocities_that_were_given_are_kept(session: Session) -> None:
    car = session.spawn("vehicle.mercedes.sprinter", carla.Transform(carla.Location(50, 20, 0), carla.Rotation(yaw=90)))
    car.set_target_velocity(carla.Vector3D(3.0, 0.0, 0.0))
    session.run(2.0)
    assert car.get_location().x == pytest.approx(56.0, abs=1e-3) and car.get_transform().rotation.yaw == 90.0
    car.enable_constant_velocity(carla.Vector3D(5.0, 0.0, 0.0))  # in its own frame
    session.run(1.0)
    assert car.get_location().y == pytest.approx(25.0, abs=1e-3)
    assert car.get_velocity().y == pytest.approx(5.0, abs=1e-4)


def test_walkers_walk_where_they_look(session: Session) -> None:
    walker = session.spawn("walker.pedestrian.0001", carla.Transform(carla.Location(10, 10, 0.93)))
    walker.apply_control(carla.WalkerControl(carla.Vector3D(0.0, 1.0, 0.0), 1.4))
    session.run(2.0)
    assert walker.get_location().y == pytest.approx(12.8, abs=1e-3)
    assert walker.get_transform().rotation.yaw == pytest.approx(90.0)
    assert walker.get_control().speed == pytest.approx(1.4)


def test_no_two_bodies_in_one_place_and_the_destroyed_leave_with_a_tick(session: Session) -> None:
    car = session.spawn("vehicle.tesla.model3")
    library = session.world.get_blueprint_library()
    with pytest.raises(RuntimeError, match=r"^Spawn failed because of collision at spawn position$"):
        session.world.spawn_actor(library.find("vehicle.audi.tt"), car.get_transform())
    cart = carla.Transform(carla.Location(x=-4.0))
    attached = session.world.spawn_actor(library.find("static.prop.shoppingcart"), cart, attach_to=car)
    car.set_target_velocity(carla.Vector3D(4.0, 0.0, 0.0))
    session.run(1.0)
    assert attached.parent.id == car.id
    assert attached.get_location().distance(car.get_transform().transform(cart.location)) < 1e-3
    assert car.destroy() and attached.destroy()
    assert car.id in [actor.id for actor in session.world.get_actors()]
    session.world.tick()
    assert not {car.id, attached.id} & {actor.id for actor in session.world.get_actors()}


def test_batches_spawn_what_moves_then(session: Session) -> None:
    library = session.world.get_blueprint_library()
    point = session.first_point()
    velocity = point.get_forward_vector() * 8.0
    spawn = carla.command.SpawnActor(library.find("vehicle.carlamotors.firetruck"), point)
    spawn = spawn.then(carla.command.ApplyTargetVelocity(carla.command.FutureActor, velocity))
    first, second = session.client.apply_batch_sync([spawn, spawn], True)
    assert not first.error and second.error == "Spawn failed because of collision at spawn position"
    session.run(1.0)
    truck = session.world.get_actor(first.actor_id)
    assert truck.get_velocity().distance(velocity) < 1e-4
    assert truck.get_location().distance(point.location) > 7.0
    (gone,) = session.client.apply_batch_sync([carla.command.DestroyActor(99999)], False)
    assert gone.error == "unable to destroy actor: not found"


def test_a_path_is_followed_to_its_end(session: Session) -> None:
    place = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    answer = session.server.ask(
        "spawn", type_id="vehicle.audi.tt", transform=place, path=[[10.0, 0.0], [10.0, 5.0]], speed=5.0,
        attributes={"role_name": "scripted"},
    )  # fmt: skip
    session.world.tick()
    car = session.world.get_actor(answer["id"])
    assert car.attributes["role_name"] == "scripted" and car.attributes["base_type"] == "car"
    session.run(2.45)
    assert (car.get_location().x, car.get_location().y) == pytest.approx((10.0, 2.5), abs=1e-3)
    session.run(2.0)
    assert car.get_location().y == pytest.approx(5.0) and car.get_velocity().length() == 0.0


def test_lights_stand_where_the_map_has_them_and_change(session: Session) -> None:
    placed = {mark.id: mark for mark in session.world.get_map().get_all_landmarks_of_type("1000001")}
    session.world.tick()
    lights = list(session.world.get_actors().filter("traffic.traffic_light"))
    assert {light.get_opendrive_id() for light in lights} == set(placed) != set()
    for light in lights:  # what the client reads from the map is moved beside the lane that a light stands on
        ours, theirs = light.get_transform(), placed[light.get_opendrive_id()].transform
        assert ours.location.distance(theirs.location) < 0.75
        assert ours.get_forward_vector().distance(theirs.get_forward_vector()) < 1e-3
    one = next(light for light in lights if light.get_state() == carla.TrafficLightState.Green)
    one.set_green_time(1.0)
    one.set_yellow_time(0.5)
    one.set_state(carla.TrafficLightState.Green)
    session.run(0.9)
    assert one.get_state() == carla.TrafficLightState.Green
    session.run(0.2)
    assert one.get_state() == carla.TrafficLightState.Yellow
    one.freeze(True)
    session.run(2.0)
    assert one.get_state() == carla.TrafficLightState.Yellow and one.is_frozen()
    session.server.ask("light", id=one.id, state=0)
    session.world.tick()
    assert one.get_state() == carla.TrafficLightState.Red


def test_weather_goes_both_ways(session: Session) -> None:
    session.world.set_weather(carla.WeatherParameters(cloudiness=70.0, sun_altitude_angle=-15.0))
    assert session.world.get_weather().sun_altitude_angle == -15.0
    session.server.ask("weather", weather=[20.0, *[0.0] * 13])
    assert session.world.get_weather().cloudiness == 20.0


def test_the_dormant_and_the_moved_are_seen(session: Session) -> None:
    car = session.spawn("vehicle.tesla.model3")
    session.server.ask("dormant", id=car.id, on=True)
    session.world.tick()
    assert car.is_dormant
    session.server.ask("move", id=car.id, transform=[[1.0, 2.0, 3.0], [0.0, 45.0, 0.0]])
    session.world.tick()
    assert car.get_location().z == 3.0 and car.get_transform().rotation.yaw == 45.0


def test_an_asynchronous_server_ticks_by_itself() -> None:
    with CarlaServer(rate=50, vehicles=20) as server:
        world = carla.Client("127.0.0.1", server.port).get_world()
        frames = [world.wait_for_tick(2.0).frame for _ in range(10)]
        assert frames == list(range(frames[0], frames[0] + 10))
        cars = world.get_actors().filter("vehicle.*")
        point = world.get_map().get_spawn_points()[0]
        world.spawn_actor(world.get_blueprint_library().find("vehicle.audi.tt"), point)  # there is room
        assert len(cars) == 20 and all(car.get_velocity().length() == pytest.approx(8.0, rel=1e-5) for car in cars)


def test_two_clients_see_one_world(session: Session) -> None:
    other = carla.Client("127.0.0.1", session.server.port).get_world()
    car = session.spawn("vehicle.tesla.model3")
    assert comes(lambda: other.get_snapshot().frame == session.world.get_snapshot().frame)
    assert other.get_actor(car.id).type_id == "vehicle.tesla.model3"
    assert session.server.state()["clients"] == 2
    frame = session.world.get_snapshot().frame
    session.server.ask("extra_tick")
    assert session.world.tick() == frame + 2


class Shuttle(World):
    """A world that moves what it likes: one car that jumps a metre a tick."""

    def populate(self) -> None:
        self.car = self.add("vehicle.tesla.model3", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])

    def advance(self, delta_s: float) -> None:
        self.car.location[0] += 1.0


def test_a_world_of_ones_own() -> None:
    with CarlaServer(world="tests.carla_bridge.test_server:Shuttle", sync=True) as server:
        world = connected(server).world
        before = server.state()["frame"]
        world.tick()
        (car,) = world.get_actors().filter("vehicle.*")
        assert car.get_location().x == before + 1.0
