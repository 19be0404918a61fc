"""Environments whose world another source knows: one that keeps the protocol and no more."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import uniscene_sim  # noqa: F401 - registers the environments
from tests.third_party.ring_source import SPEED_MPS, RingSource
from uniscene_sim import plugins
from uniscene_sim.env.observations import EGO, ROUTE
from uniscene_sim.env.progress import RouteProgress, ScenarioProgress
from uniscene_sim.errors import InputError
from uniscene_sim.world.scenario_source import ScenarioSource

IDLE = np.zeros(2, np.float32)


class Savable(RingSource):
    name, schemes = "savable", ("savable",)

    @classmethod
    def open(cls, what, seed=None):
        return super().open(what.removeprefix("savable://"), seed)

    def get_state(self):
        return self._now_us

    def set_state(self, state):
        self._now_us = state


class Bumping(RingSource):
    """Touches something, leaves the road and runs a light."""

    name, schemes = "bumping", ("bumping",)

    def step(self, control, dt_us):
        from dataclasses import replace

        layouts = super().step(control, dt_us)
        return [replace(layouts[0], events=("contact:7", "off_road", "red_light:3")), *layouts[1:]]


class _Point:
    def __init__(self, source):
        self.name, self.value, self.dist, self.load = source.name, f"tests:{source.__name__}", None, lambda: source


@pytest.fixture(autouse=True)
def _offered(monkeypatch):
    points = [_Point(source) for source in (ScenarioSource, RingSource, Savable, Bumping)]
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # Gymnasium's checker tries the mode "human", too
    own = plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group.endswith("source") else own(group=group))


def make(name="UniScene-v0", **settings):
    return gymnasium.make(name, **settings).unwrapped


@pytest.mark.parametrize(
    "settings", [{"source": "ring", "scenario": "30"}, {"source": "ring://30"}, {"scenario": "ring://30"}]
)
def test_a_name_or_an_address_opens_it(settings):
    env = make(**settings)
    _, info = env.reset(seed=1)
    assert env.unwrapped.scenarios == ("ring of 30 m",) and info["scenario"] == 0 and info["route_completion"] < 0.02
    for _ in range(10):
        _, _, terminated, truncated, info = env.step(IDLE)
    assert not terminated and not truncated
    assert info["driven_m"] == pytest.approx(SPEED_MPS, rel=1e-3) and info["speed_mps"] == pytest.approx(SPEED_MPS)
    # The middle of the body is what is on the route, 1.35 m before base_link.
    assert info["route_completion"] == pytest.approx((SPEED_MPS + 1.35) / 159.0, abs=0.01)
    assert info["collisions"] == info["red_lights"] == 0 and info["off_road_s"] == 0.0


def test_state_observations_are_read_off_the_layouts():
    env = make(source="ring://30")
    env.reset(seed=1)
    obs = env.step(IDLE)[0]
    ego = dict(zip(EGO, obs["ego"] * np.array(list(EGO.values())), strict=True))
    assert ego["speed"] == pytest.approx(SPEED_MPS) and ego["yaw_rate"] == pytest.approx(SPEED_MPS / 30.0, rel=1e-4)
    assert abs(ego["left_of_route"]) < 0.1 and ego["line_stops"] == 0.0
    x, y, heading = obs["route"][4] * np.array(list(ROUTE.values()))  # 20 m ahead on a circle to the left
    angle = 20.0 / 30.0
    assert (x, y) == pytest.approx((30 * np.sin(angle) + 1.35, 30 * (1 - np.cos(angle)) + 0.5), abs=0.6)
    assert heading == pytest.approx(angle, abs=0.1)
    assert not obs["agents"].any()


def test_it_ends_where_the_source_does():
    env = make(source="ring://30")
    env.reset()
    for _ in range(199):
        _, _, terminated, truncated, _ = env.step(IDLE)
        assert not terminated and not truncated
    _, _, terminated, truncated, info = env.step(IDLE)
    assert terminated and info["is_success"]


def test_events_count():
    env = make(source="bumping", scenario="30", terminate_on=())
    env.reset()
    _, reward, *_, info = env.step(IDLE)
    assert (info["collisions"], info["red_lights"]) == (1, 1) and info["off_road_s"] == pytest.approx(0.01)
    assert reward < -20.0
    ends = make(source="bumping", scenario="30", terminate_on="collision")
    ends.reset()
    assert ends.step(IDLE)[2]


def test_what_it_lacks_it_says():
    env = make(source="ring://30")
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"state: the source 'ring' cannot be saved: it has no get_state\(\)"):
        env.get_state()
    env.step(IDLE)  # goes on


def test_a_source_that_can_be_saved_is():
    env, other = make(source="savable://30"), make(source="savable://30")
    env.reset(seed=0)
    env.step(IDLE)
    state = env.get_state()
    after = [env.step(IDLE) for _ in range(3)]
    other.reset(seed=5)
    other.set_state(state)
    for obs, reward, *_, info in after:
        got = other.step(IDLE)
        assert all(np.array_equal(got[0][key], obs[key]) for key in obs) and got[1] == reward
        assert got[-1] == info


def test_sensors_and_gymnasiums_checker():
    env = make("UniSceneCamera-v0", source="ring://30", observations=("front_depth", "ego", "layout"))
    check_env(env, skip_render_check=True)
    obs, _ = env.reset(seed=0)
    assert 0.0 < obs["front_depth"].min() < 10.0


def test_scenarios_know_it_themselves():
    env = make(scenario=["cut_in", "ring://30"])
    for name, kind in (("cut_in", ScenarioProgress), ("ring of 30 m", RouteProgress)):
        env.reset(options={"scenario": name})
        assert type(env.worlds._progress[0]) is kind


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"source": "rign", "scenario": "30"}, "source: no source 'rign'"),
        ({"source": "carla://x:1"}, r"source: no source opens carla://.*ring \(ring://\)"),
        ({"scenario": "drive.mcap"}, r"scenario: no source opens \.mcap"),
        ({"lidar": "raycast:x=1"}, "lidar: raycast has no option 'x'"),
        ({"occupancy": "occflow-tiles:modle=x"}, r"occupancy: .*no option 'modle' \(did you mean model\?\)"),
    ],
)
def test_bad_settings_are_named(settings, match):
    with pytest.raises(InputError, match=match):
        make(**settings)
