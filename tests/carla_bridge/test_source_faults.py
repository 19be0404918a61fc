"""What the server or the client may do to a run: each is one clear error, and the server is left as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest

from tests.carla_bridge.server.world import SETTINGS
from tests.carla_bridge.serving import CarlaServer

pytest.importorskip("carla")
from tests.carla_bridge.session import comes
from tests.carla_bridge.test_source import STEP_US, ego_of, opened
from uniscene_carla import client_link
from uniscene_sim.cli.main import main
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError

GO = Control(0.0, 1.0)


@pytest.fixture
def server() -> Iterator[CarlaServer]:
    with CarlaServer() as running:
        yield running


LONG_RUN = """
import sys
from uniscene_carla import client_link
from uniscene_sim.cli.main import main
sys.exit(main(["run", sys.argv[1], "--rig", "rl", "--out", sys.argv[2], "--no-cache"]))
"""


def vehicles(server: CarlaServer) -> int:
    return sum(actor["type_id"].startswith("vehicle.") for actor in server.state()["actors"].values())


def is_as_it_was(server: CarlaServer) -> bool:
    return server.state()["settings"] == SETTINGS and vehicles(server) == 0


def test_a_normal_end_leaves_the_server_as_it_was(server):
    with opened(server) as source:
        source.step(GO, STEP_US)
        assert server.state()["settings"][0] is True and vehicles(server) == 1
    assert comes(lambda: is_as_it_was(server))


def test_a_source_that_is_forgotten_leaves_the_server_as_it_was(server):
    with pytest.warns(UserWarning, match="was spawned"):
        from uniscene_carla.layout_source import CarlaSource

        source = CarlaSource.open(f"carla://127.0.0.1:{server.port}?surroundings=ours")
    source.step(GO, STEP_US)
    del source
    assert comes(lambda: is_as_it_was(server))


def test_a_synchronous_server_stays_so_with_its_own_settings(server):
    with CarlaServer(sync=True) as strict:
        before = strict.state()["settings"]
        with opened(strict) as source:
            source.step(GO, STEP_US)
        assert strict.state()["settings"] == before and comes(lambda: vehicles(strict) == 0)


def test_an_absent_server_is_told_at_once(capsys, tmp_path):
    command = ["run", "carla://127.0.0.1:9?timeout_s=1", "--out", str(tmp_path / "out")]
    began = time.monotonic()
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "carla://: no answer from 127.0.0.1:9 to its version; expected a CARLA" in error
    assert time.monotonic() - began < 15 and not (tmp_path / "out").exists()


def test_an_unknown_host_is_told():
    from uniscene_carla.layout_source import CarlaSource

    with pytest.raises(InputError, match=r"nowhere\.invalid:2000 refuses its version: resolve: Host not"):
        CarlaSource.open("carla://nowhere.invalid")


def test_another_version_is_told():
    with CarlaServer(version="0.9.13") as old:
        with pytest.raises(InputError, match=r"is CARLA 0.9.13; expected a server of 0.9.16, or carla==0.9.13"):
            with opened(old):
                pass
    with CarlaServer(version="5ab1c2f-dirty") as built:
        with pytest.warns(UserWarning, match="calls its version '5ab1c2f-dirty', this client is 0.9.16"), opened(built):
            pass


def test_a_malformed_map_is_told(server):
    server.ask("malformed_map", on=True)
    with pytest.raises(InputError, match="refuses its map: failed to generate map"), opened(server):
        pass
    assert comes(lambda: is_as_it_was(server))


def test_a_map_without_lanes_is_told():
    with CarlaServer(map="/dev/null", town="Nowhere") as empty:
        with pytest.raises(InputError, match="refuses its map: failed to generate map"), opened(empty):
            pass
        assert comes(lambda: is_as_it_was(empty))


@pytest.mark.parametrize("fault", ["freeze", "die", "die_in_tick", "no_state"])
def test_a_server_that_stops_is_one_error(server, fault):
    with opened(server, timeout_s=1) as source:
        source.step(GO, STEP_US)
        server.ask(fault, **({"on": True} if fault == "no_state" else {}))
        with pytest.raises(InputError) as told:
            source.step(GO, STEP_US)
        error = str(told.value)
        assert error.startswith("carla://: no answer from 127.0.0.1") and "to a tick" in error
        assert "0.05 s into the run" in error
        with pytest.raises(InputError):  # and stays one
            source.step(GO, STEP_US)


def test_a_frozen_server_that_thaws_is_found_again_and_left_as_it_was(server):
    """The client that lost it could not put everything back; the next one knows what is owed, and whose ego it is."""
    with opened(server, timeout_s=1, reconnect_s=60) as source:
        source.step(GO, STEP_US)
        server.ask("freeze")
        thread = threading.Timer(5.0, server.ask, ["thaw"])
        thread.start()
        with warnings.catch_warnings(record=True, action="always") as said:
            source.step(GO, STEP_US)
        thread.join()
        assert any("it is back" in str(one.message) for one in said)
        assert vehicles(server) == 1
        source.step(GO, STEP_US)
    assert comes(lambda: is_as_it_was(server))


@pytest.mark.parametrize("method", ["apply_batch", "get_episode_settings"])
def test_a_debt_that_cannot_be_paid_keeps_no_other_from_it_and_is_told(server, method):
    with pytest.warns(UserWarning, match="could not be left as it was: its settings could not be put back, or our ego"):
        with opened(server) as source:
            source.step(GO, STEP_US)
            server.ask("fail", method=method, message="no", times=100)
    state = server.state()
    assert (state["settings"] == SETTINGS) is (method == "apply_batch")
    assert comes(lambda: vehicles(server) == (1 if method == "apply_batch" else 0))


def test_an_error_of_the_client_itself_leaves_the_server_as_it_was(server, monkeypatch):
    """One that nobody has thought of: here a class of the client's own code is gone."""
    broken = "import uniscene_carla.scene as s; s.style_of_weather = None; from uniscene_carla.client_process import *"
    monkeypatch.setattr(client_link._Client, "_command", lambda self, *options: [
        sys.executable, "-c", f"{broken}; import os; os._exit(main())", *(options or ["--serve"]),
        json.dumps({"address": asdict(self._address), "debts": asdict(self.debts)}),
    ])  # fmt: skip
    with pytest.raises(InputError, match=r"the client of .* failed: TypeError: 'NoneType' object is not callable"):
        with opened(server):
            pass
    assert comes(lambda: is_as_it_was(server))


def test_a_step_of_another_length_is_told(server):
    """Another client has changed the settings meanwhile."""
    with opened(server) as source:
        source.step(GO, STEP_US)
        server.ask("settings", settings=[True, False, [True, 0.1], *SETTINGS[3:]])
        with pytest.raises(InputError, match=r"has made a step of 0\.1 s, expected 0\.05; another client has changed"):
            source.step(GO, STEP_US)
            source.step(GO, STEP_US)


def test_a_slow_spawn_is_one_error_and_leaves_no_vehicle(server):
    server.ask("delay", method="spawn_actor", seconds=2.5, times=100)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"no answer from .* to an ego"), opened(server, timeout_s=1):
        pass
    assert time.monotonic() - began < 15.0 and comes(lambda: is_as_it_was(server))


def test_debts_are_not_taken_from_others(server):
    """The server begins anew, and the number of our ego is that of another vehicle there."""
    with opened(server, timeout_s=1) as source:
        source.step(GO, STEP_US)
        server.restart(vehicles=30)
        assert str(source._link.debts.spawned) in server.state()["actors"]
        os.kill(source._link._client.process.pid, signal.SIGKILL)
        with pytest.raises(InputError, match="was killed by SIGKILL"):
            source.step(GO, STEP_US)
    assert vehicles(server) == 30


def test_a_second_process_is_refused_and_the_first_goes_on(server, capsys, tmp_path):
    with opened(server) as source:
        source.step(GO, STEP_US)
        address = f"carla://localhost:{server.port}?surroundings=ours"
        run = subprocess.run([sys.executable, "-c", LONG_RUN, address, str(tmp_path / "out")],
                             capture_output=True, text=True, timeout=100)  # fmt: skip
        assert run.returncode == 2 and run.stderr.count("\n") == 1
        assert "another process here drives localhost" in run.stderr
        assert source.step(GO, STEP_US)[-1].stamp_us == 2 * STEP_US
    assert comes(lambda: is_as_it_was(server))


def test_a_source_that_another_one_has_replaced_says_so(server):
    with opened(server, reconnect_s=30) as first, opened(server) as second:
        second.step(GO, STEP_US)
        with pytest.raises(InputError, match="has another source of this process now"):
            first.step(GO, STEP_US)
        second.step(GO, STEP_US)
    with pytest.raises(InputError, match="was left"):  # and does not come back
        second.step(GO, STEP_US)
    assert comes(lambda: is_as_it_was(server))


def test_a_server_that_others_tick_is_refused():
    import carla

    with CarlaServer(sync=True) as strict:
        client = carla.Client("127.0.0.1", strict.port)
        world, stop = client.get_world(), threading.Event()

        def tick() -> None:
            while not stop.wait(0.05):
                world.tick()

        thread = threading.Thread(target=tick)
        thread.start()
        try:
            with pytest.raises(InputError, match="is ticked by another client"), opened(strict):
                pass
        finally:
            stop.set()
            thread.join()


def test_a_reset_finds_a_lost_server_again(server):
    with opened(server, timeout_s=1, reconnect_s=60) as source:
        source.reset()
        source.step(GO, 1_000_000)
        server.restart()
        with warnings.catch_warnings(record=True, action="always") as said:
            assert source.reset().stamp_us == 0
        assert any("it is back" in str(one.message) for one in said)
        assert source.step(GO, STEP_US)[-1].stamp_us == STEP_US


def test_an_autopilot_whose_server_dies_is_one_error(server):
    """CARLA's Traffic Manager aborts its process then."""
    with opened(server, timeout_s=1, control="autopilot") as source:
        source.step(GO, 1_000_000)
        server.kill()
        with pytest.raises(InputError, match=r"carla://: no answer from 127\.0\.0\.1"):
            for _ in range(5):
                source.step(GO, STEP_US)


def test_an_ego_that_is_nowhere_is_told(server):
    with opened(server) as source:
        source.step(GO, STEP_US)
        server.ask("move", id=ego_of(server)["id"], transform=[[float("nan")] * 3, [0.0] * 3])
        with pytest.raises(InputError, match=r"carla://ego: the ego, vehicle \d+ of .*, is nowhere"):
            source.step(GO, STEP_US)


def test_a_vehicle_of_others_that_is_driven_is_left_braking(server):
    number = server.ask(
        "spawn", type_id="vehicle.audi.tt", transform=[[80.0, 1.75, 0.0], [0.0, 0.0, 0.0]],
        attributes={"role_name": "hero"},
    )["id"]  # fmt: skip
    with opened(server) as source:
        source.step(GO, 1_000_000)
        assert ego_of(server)["id"] == number and ego_of(server)["control"][0] > 0.2
    assert ego_of(server)["control"][:3] == [0.0, 0.0, 1.0] and server.state()["settings"] == SETTINGS
    with opened(server) as source:  # coasting is what a client believes of a vehicle that it has not seen before
        source.step(Control(), STEP_US)
        assert ego_of(server)["control"][:3] == [0.0, 0.0, 0.0]


def test_a_slow_reply_is_waited_for(server):
    with opened(server, timeout_s=5) as source:
        source.step(GO, STEP_US)
        server.ask("delay", method="tick_cue", seconds=2.0, times=1)
        began = time.monotonic()
        assert source.step(GO, STEP_US)[-1].stamp_us == 2 * STEP_US
        assert time.monotonic() - began > 1.9
        assert source.step(GO, STEP_US)[-1].stamp_us == 3 * STEP_US


def test_another_world_is_told(server):
    with opened(server) as source:
        source.step(GO, STEP_US)
        server.ask("load", town="Other", map=str(server._options["map"]))
        with pytest.raises(InputError, match="has loaded another world; open it again"):
            source.step(GO, STEP_US)


def test_somebody_else_who_ticks_is_told(server):
    with opened(server) as source:
        source.step(GO, STEP_US)
        server.ask("extra_tick", times=1)
        with pytest.raises(InputError, match="was ticked 1 times between two of our ticks"):
            source.step(GO, STEP_US)
    assert comes(lambda: is_as_it_was(server))


def test_an_ego_that_is_destroyed_is_told(server):
    with opened(server) as source:
        source.step(GO, STEP_US)
        server.ask("destroy", id=ego_of(server)["id"])
        with pytest.raises(InputError, match=r"carla://ego: the ego, vehicle \d+ of 127.0.0.1:\d+, is gone"):
            source.step(GO, STEP_US)
            source.step(GO, STEP_US)


def test_a_refusal_is_passed_on(server):
    server.ask("fail", method="spawn_actor", message="Spawn failed because of collision", times=10_000)
    with pytest.raises(InputError, match=r"carla://start: no spawn point is free on .*, of \d+"), opened(server):
        pass
    assert comes(lambda: is_as_it_was(server))


def test_the_death_of_the_client_is_one_error_and_its_debts_are_paid(server):
    with opened(server) as source:
        source.step(GO, STEP_US)
        os.kill(source._link._client.process.pid, signal.SIGKILL)
        with pytest.raises(InputError, match=r"the client of 127.0.0.1:\d+ was killed by SIGKILL, 0.05 s into the run"):
            source.step(GO, STEP_US)
        assert comes(lambda: is_as_it_was(server))


def test_a_lost_server_is_found_again_on_request(server):
    with opened(server, timeout_s=1, reconnect_s=60) as source:
        source.step(GO, STEP_US)
        thread = threading.Timer(2.0, server.restart)
        server.kill()
        thread.start()
        with warnings.catch_warnings(record=True, action="always") as said:
            again = source.step(GO, STEP_US)
        told = [str(one.message) for one in said if "is back" in str(one.message)]
        assert len(told) == 1 and "to a tick" in told[0] and "0.05 s into the run; it is back" in told[0]
        thread.join()
        assert [one.stamp_us for one in again] == list(range(60_000, 100_001, 10_000))
        assert np.linalg.norm(again[-1].ego_velocity) < 0.1
        assert source.step(GO, 1_000_000)[-1].stamp_us == 22 * STEP_US
        assert ego_of(server)["control"][0] > 0.0
    assert comes(lambda: is_as_it_was(server))


def test_a_server_that_does_not_come_back_is_told(server):
    with opened(server, timeout_s=1, reconnect_s=1) as source:
        source.step(GO, STEP_US)
        server.kill()
        with pytest.raises(InputError, match="s into the run; and it was not back after 1 s"):
            source.step(GO, STEP_US)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_the_server_as_it_was(server, tmp_path, number):
    address = f"carla://127.0.0.1:{server.port}?surroundings=ours"
    run = subprocess.Popen(
        [sys.executable, "-c", LONG_RUN, address, str(tmp_path / "out")], stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while server.state()["calls"].get("tick_cue", 0) < 20:  # some come before the tiles are made
            assert run.poll() is None and time.monotonic() < deadline, run.stderr.read().decode()
            time.sleep(0.2)
        # As a terminal does: the whole group gets it. SIGKILL hits the simulator alone.
        (os.kill if number == signal.SIGKILL else os.killpg)(run.pid, number)
        assert run.wait(60) == (-9 if number == signal.SIGKILL else 128 + number)
        assert comes(lambda: is_as_it_was(server))
    finally:
        run.kill()
        run.wait()
        run.stderr.close()
    assert number == signal.SIGKILL or not (tmp_path / "out").exists()
