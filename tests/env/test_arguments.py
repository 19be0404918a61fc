"""Arguments that will not do are refused by name: of `gymnasium.make`, of `reset` and `step`, and of `assemble`."""

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from uniscene_sim.assembly import assemble  # noqa: E402
from uniscene_sim.env.settings import EnvSettings  # noqa: E402
from uniscene_sim.env.vector import UniSceneVectorEnv  # noqa: E402
from uniscene_sim.errors import InputError  # noqa: E402
from uniscene_sim.plugins import open_source  # noqa: E402
from uniscene_sim.rigs.rig_file import load_rig  # noqa: E402
from uniscene_sim.world.scenario_source import ScenarioSource  # noqa: E402

ODD = (None, 3, "", "nosuch", ["x"], [3], {"x": 1}, -1, float("nan"), True, b"x", object, 1.5)
#: Settings, and values that are good after all.
GOOD = {"reward": (None,), "world_seed": (None, 3), "source": (None,), "record": (None, "nosuch"),
        "remote": (None,), **dict.fromkeys(("map", "towns", "lanes", "parameters"), (None,))}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EnvSettings.__dataclass_fields__))
def test_settings_are_refused_by_name(name):
    for value in ODD:
        if not any(value is good for good in GOOD.get(name, ())):
            with pytest.raises(InputError, match=rf"^{name}\b"):
                gymnasium.make("UniScene-v0", disable_env_checker=True, **{name: value})


@pytest.mark.parametrize("name", ["num_envs", "max_episode_steps", "autoreset_mode", "render_mode"])
def test_arguments_of_many_worlds_are_refused_by_name(name):
    for value in ODD:
        if not (value == 3 and name in ("num_envs", "max_episode_steps")) and not (value is None and name[0] in "mr"):
            with pytest.raises(InputError, match=f"^{name}: "):
                UniSceneVectorEnv(**{name: value})


def test_an_unknown_setting_lists_the_known_ones():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'nosuch'; expected some of scenario, rig, "):
        gymnasium.make("UniScene-v0", nosuch=1)
    with pytest.raises(InputError, match=r"argument 'scenari' \(did you mean scenario\?\)"):
        UniSceneVectorEnv(2, scenari="cut_in")


@pytest.fixture(scope="module")
def opened():
    return ScenarioSource.open("cut_in")


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("rig", "rl", "expected a SensorRig, such as load_rig makes, got 'rl'"),
        ("rig", None, "expected a SensorRig"),
        ("source", "cut_in", "expected an open source, got 'cut_in'"),
        ("source", None, "expected an open source, got None"),
        ("annotations", None, "expected a list of names, got None"),
        ("annotations", "flow", "expected a list of names, got 'flow'"),
        ("annotations", [3], "expected a list of names"),
        ("annotations", ["x"], "no annotation 'x'; expected some of flow"),
        ("camera", None, "expected the name of an engine, got None"),
        ("lidar", 3, "expected the name of an engine, got 3"),
        ("occupancy", ["procedural"], "expected the name of an engine"),
        ("window", b"exact", "expected the name of an engine"),
        ("trace", None, "expected one of tiles, window"),
        ("trace", ["tiles"], "expected one of tiles, window"),
        ("window_grid", 0.4, "expected a GridSpec or None"),
        ("bev_schema", ["lane"], "expected a LayoutSchema or None"),
        ("tile_cache", "/tmp", "expected a DiskCache or None"),
        ("radar", "raycast", "no slot of engines, expected some of occupancy"),
    ],
)
def test_arguments_of_assemble_are_refused_by_name(opened, name, given, expected):
    arguments = {"source": opened, "rig": load_rig("rl"), name: given}
    with pytest.raises(InputError, match=f"^{name}: {expected}"):
        assemble(arguments.pop("source"), arguments.pop("rig"), **arguments)


@pytest.mark.parametrize("given", ODD)
def test_rigs_and_sources_are_refused_by_name(given):
    with pytest.raises(InputError, match=r"^rig: "):
        load_rig(given)
    with pytest.raises(InputError, match=r"^(what|scenario): "):
        open_source(given)
    if not isinstance(given, int | None) or given is True:
        with pytest.raises(InputError, match=r"^seed: expected a whole number or None, got "):
            open_source("cut_in", seed=given)


@pytest.mark.parametrize("action", ["continuous", "discrete", "waypoints"])
def test_what_is_no_action_or_option_is_refused(action):
    env = gymnasium.make("UniScene-v0", disable_env_checker=True, action=action).unwrapped
    for value in (None, "x", {}, [1, [2]], [[1, 2], [3]], object, [np.nan, 0.0], b"x"):
        with pytest.raises(InputError, match=r"^action: "):
            env.worlds.action.control(value, ScenarioSource.open("cut_in").reset())
        if value not in (None, {}):
            with pytest.raises(InputError, match=r"^options: expected options by name, got "):
                env.reset(options=value)
