"""The faults of the test server look to the real `carla.Client` like those of a simulator."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.carla_bridge.serving import ROOT, URBAN_GRID, CarlaServer

pytest.importorskip("carla")
from tests.carla_bridge.session import Session, comes, connected

TIME_OUT = "time-out of"


@pytest.fixture
def session() -> Iterator[Session]:
    with CarlaServer() as server:
        yield connected(server)


def another_map() -> None:
    """A client whose question after a change of the map is not answered ends its process: not in that of the tests."""
    with CarlaServer() as server:
        session = connected(server)
        car = session.spawn("vehicle.tesla.model3")
        told = server.ask("load", town="Roundabout", map=str(URBAN_GRID.with_name("roundabout.xodr")))
        session.world.tick()
        assert comes(lambda: session.world.get_map().name == "Carla/Maps/Roundabout")
        assert session.client.get_world().id == told["episode"]
        assert car.id not in [actor.id for actor in session.world.get_actors()]
        assert session.client.load_world("UrbanGrid").get_map().name == "Carla/Maps/UrbanGrid"
        with pytest.raises(RuntimeError, match=r"^Map 'Atlantis' not found$"):
            session.client.load_world("Atlantis")


def test_another_map_comes_through_the_stream() -> None:
    script = "from tests.carla_bridge.test_faults import another_map; another_map()"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("fault", ["die", "die_in_tick", "freeze", "no_state"])
def test_a_tick_without_an_answer_is_a_time_out(session: Session, fault: str) -> None:
    session.server.ask(fault)
    session.client.set_timeout(0.5)
    with pytest.raises(RuntimeError, match=TIME_OUT):
        session.world.tick(0.5)


def test_what_was_frozen_goes_on(session: Session) -> None:
    session.server.ask("freeze")
    session.client.set_timeout(0.3)
    with pytest.raises(RuntimeError, match=TIME_OUT):
        session.world.get_weather()
    session.server.ask("thaw")
    session.client.set_timeout(5.0)
    assert session.world.get_weather().cloudiness == 10.0


def test_a_late_tick_was_a_tick(session: Session) -> None:
    frame = session.world.tick()
    session.server.ask("delay", method="tick_cue", seconds=0.6)
    session.client.set_timeout(0.2)
    with pytest.raises(RuntimeError, match=TIME_OUT):
        session.world.tick()
    session.client.set_timeout(5.0)
    assert session.world.tick() == frame + 2


def test_refusals_have_the_text_of_the_server(session: Session) -> None:
    for method, call in (("get_weather_parameters", session.world.get_weather), ("tick_cue", session.world.tick)):
        session.server.ask("fail", method=method, message="the episode is over")
        with pytest.raises(RuntimeError, match=r"^the episode is over$"):
            call()
        call()
    session.server.ask("malformed_map")
    with pytest.raises(RuntimeError, match=r"^failed to generate map$"):
        session.world.get_map()
    with pytest.raises(RuntimeError, match=re.escape("no such command")):
        session.server.ask("dance")


def test_a_server_comes_back_on_its_port(session: Session) -> None:
    port = session.server.port
    session.server.restart(version="0.9.15", sync=True)
    assert session.server.port == port
    again = connected(session.server)
    assert again.client.get_server_version() == "0.9.15"
    assert again.world.tick() == 3
