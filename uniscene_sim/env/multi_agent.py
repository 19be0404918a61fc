"""`UniSceneParallelEnv`: a PettingZoo environment in which several vehicles of one world are agents.

The rest of the traffic goes on by its rules and reacts to them. All agents have the ego's vehicle model, observations,
actions and reward, and are judged as the ego is.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Dict, Space
from gymnasium.utils import seeding
from pettingzoo import ParallelEnv
from PIL import Image

from uniscene_sim.control import Control, Trajectory
from uniscene_sim.env.action_type import Command, Situation
from uniscene_sim.env.actions import action_type
from uniscene_sim.env.agent_view import AgentView
from uniscene_sim.env.draws import OPTIONS, Draws
from uniscene_sim.env.endings import ENDS_ON, Endings, EndReason
from uniscene_sim.env.measurements import MEASUREMENT_DTYPE, episode_info, finish_measurement, write_measurement
from uniscene_sim.env.observations import ObservationInputs, make_observations
from uniscene_sim.env.reward import Reward, RewardFunction, no_terms, reward_terms, step_costs
from uniscene_sim.env.settings import ENDINGS, EnvSettings, UnexpectedSetting, name_list
from uniscene_sim.errors import InputError, InputWarning, shown
from uniscene_sim.layout import PHYSICS_US, LayoutSchema
from uniscene_sim.limits import bounds
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.recording.panels import bev_panel
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.world.ego import follow_trajectory
from uniscene_sim.world.episode.driven import nearest_vehicles
from uniscene_sim.world.scenario_source import ScenarioSource

__all__ = ["UniSceneParallelEnv"]

_PICTURE, _CELLS = 400, 200
_DRAWS = ("map", "towns", "lanes", "split", "parameters")


class UniSceneParallelEnv(ParallelEnv[str, dict[str, np.ndarray], Any]):  # type: ignore[misc]
    """Several vehicles of a scenario are agents.

    An agent's episode terminates at the end of its route and on the events named in `terminate_on`; at the scenario's
    time limit all are truncated. A vehicle whose episode has terminated leaves the road; the ego brakes instead. If the
    ego is no agent, the built-in driver drives it. The same seed gives the same episode, bit for bit.

    `info` of an agent has the keys of `UniSceneEnv` that are about one vehicle; `is_success` says whether its episode
    has ended without a collision, a red light or leaving the road.

    Args:
        agents: names: "ego" and vehicles of the scenario; or a number of vehicles: the ego, and those of ambient
            traffic that are nearest to it at the start, "vehicle_1" and on. Where there are fewer, so are `agents`.
        scenario, map, towns, lanes, split, parameters: which episodes there are, as of `UniSceneEnv`, see
            `env.settings.EnvSettings`.
        action: see `env.actions`.
        observations: those of `env.observations` that need no sensor.
        reward: weights that replace the defaults, or a function, see `env.reward`.
        terminate_on: some of "collision", "off_road", "red_light", "blocked".
        step_ms: time between two actions, a multiple of 10.
        render_mode: None or "rgb_array".

    Raises:
        InputError: an invalid argument.
    """

    metadata = {"name": "uniscene_v0", "render_modes": ["rgb_array"], "is_parallelizable": True}  # noqa: RUF012

    def __init__(
        self,
        agents: Sequence[str] | int = 4,
        scenario: str | Path | Sequence[str | Path] = "lane_following",
        action: str = "continuous",
        observations: Sequence[str] = ("ego", "route", "agents"),
        reward: Mapping[str, float] | RewardFunction | None = None,
        terminate_on: Sequence[str] = ("collision", "off_road"),
        step_ms: int = 100,
        render_mode: str | None = None,
        **draws: Any,
    ):
        self._ends = frozenset(name_list(terminate_on, "terminate_on"))
        if unknown := sorted(self._ends - set(ENDINGS)):
            raise InputError(f"expected some of {', '.join(ENDINGS)}, got {unknown[0]!r}", field="terminate_on")
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"expected rgb_array or None, got {shown(render_mode)}", field="render_mode")
        if bounds.STEP_MS.number(step_ms, "step_ms") * 1000 % PHYSICS_US:
            raise InputError(f"must be a positive multiple of 10, got {step_ms}", field="step_ms")
        if unknown := [name for name in draws if name not in _DRAWS]:
            raise UnexpectedSetting(f"expected some of {', '.join(_DRAWS)}", field=unknown[0])
        scenarios: dict[str, Any] = {} if draws.get("map") is not None else {"source": "scenario"}
        self._draws = Draws(EnvSettings.of({"scenario": scenario, **scenarios, **draws}))
        self._named = None if isinstance(agents, int) else name_list(agents, "agents")
        if isinstance(agents, int):
            bounds.WORLDS.number(agents, "agents")
            self.possible_agents = ["ego", *(f"vehicle_{k}" for k in range(1, agents))]
        else:
            self.possible_agents = list(dict.fromkeys(self._named or []))
        if not self.possible_agents:
            raise InputError("expected at least one name", field="agents")
        self.render_mode, self._tick_us = render_mode, step_ms * 1000
        self.metadata = {**self.metadata, "render_fps": max(round(1e6 / self._tick_us), 1)}
        self._action, self._reward = action_type(action), Reward(reward)
        self._entries = make_observations(name_list(observations, "observations"), load_rig("rl"))
        for entry in self._entries:
            if entry.sensor or entry.key == "occupancy":
                raise InputError(f"{entry.key!r} needs sensors, which agents do not have", field="observations")
        self.observation_spaces: dict[str, Dict] = {
            name: Dict({entry.key: entry.space for entry in self._entries}) for name in self.possible_agents
        }
        self.action_spaces: dict[str, Space[Any]] = {
            name: deepcopy(self._action.space) for name in self.possible_agents
        }
        self.agents: list[str] = []
        self.np_random = seeding.np_random()[0]
        self._source: ScenarioSource | None = None

    def observation_space(self, agent: str) -> Dict:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        return self.action_spaces[agent]

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios, by their index in `info`."""
        return self._draws.names

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, dict[str, Any]]]:
        """Start an episode. `options` may set "scenario", one of those given, its "scenario_seed", and "parameters".

        Raises:
            InputError: an invalid option, or an agent that the scenario lacks.
        """
        if seed is not None:
            self.np_random = seeding.np_random(seed)[0]
        given = dict(options or {})
        if unknown := [key for key in given if key not in OPTIONS]:  # PettingZoo's own checks give such
            told = f"options of reset: {', '.join(map(str, unknown))} mean nothing; expected {', '.join(OPTIONS)}"
            warnings.warn(told, InputWarning, stacklevel=2)
        known = {key: value for key, value in given.items() if key in OPTIONS}
        episode = self._draws.draw(self.np_random, known)
        source = self._draws.drives[episode.scenario].open(episode.seed, episode.parameters)
        assert isinstance(source, ScenarioSource)
        frame = source.reset()
        self._source, self._episode = source, self._draws.info([episode], [source.drawn])
        bodies = self._bodies_of(source)
        self.agents = [name for name in self.possible_agents if name in bodies]
        source.drive_others({body: Control() for body in bodies.values() if body != "ego"})
        self._views = {name: AgentView(source, bodies[name]) for name in self.agents}
        self._measured = {name: np.zeros(1, MEASUREMENT_DTYPE) for name in self.agents}
        self._aims: dict[str, Any] = {}
        for name, view in self._views.items():
            view.see(frame)
            write_measurement(view.progress, self._measured[name][0])
            self._aims[name] = self._action.first_aim(self._situation(name))
        return self._observations(self.agents), {name: self._first_info(name) for name in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, dict[str, np.ndarray]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Drive all agents for `step_ms`.

        Args:
            actions: one for each of `agents`.

        Raises:
            InputError: one is missing or not in the action space; the world is unchanged.
        """
        source = self._running()
        if missing := [name for name in self.agents if name not in actions]:
            raise InputError(f"expected an action for each agent, {missing[0]} has none", field="actions")
        commands = {n: self._action.command(actions[n], self._situation(n), self._aims[n]) for n in self.agents}
        self._aims |= {name: command.aim for name, command in commands.items()}
        others = {self._views[n].name: self._control(n, commands[n].control) for n in self.agents if n != "ego"}
        source.drive_others(others)
        frame = source.step(self._ego_control(source, commands), self._tick_us)[-1]
        over = source.state.time_us >= source.duration_s * 1e6
        now, dt = self.agents, 1e-6 * self._tick_us
        rewards, terminated, truncated, infos = {}, {}, {}, {}
        for name in now:
            view, before = self._views[name], self._measured[name]
            view.see(frame)
            after = np.zeros(1, MEASUREMENT_DTYPE)
            write_measurement(view.progress, after[0])
            finish_measurement(before, after, dt)
            self._measured[name] = after
            events = [[kind in self._ends and after[key][0] > before[key][0] for kind, key in ENDS_ON.items()]]
            arrived = view.progress.arrived
            ends = Endings(np.array([over or arrived]), np.array([arrived]), np.array(events))
            told = self._state_info(name, ends) | step_costs(before, after)
            reward, terms = self._reward(reward_terms(before, after, dt), told)
            rewards[name] = float(reward[0])
            terminated[name], truncated[name] = bool(ends.terminated[0]), bool(over and not ends.terminated[0])
            infos[name] = self._info(name, told | terms)
        observations = self._observations(now)
        self.agents = [name for name in now if not terminated[name] and not truncated[name]]
        source.drive_others({self._views[n].name: None for n in now if terminated[n] and n != "ego"})
        return observations, rewards, terminated, truncated, infos

    def render(self) -> np.ndarray | None:
        """The world from above around the first agent, uint8 (400, 400, 3)."""
        if self.render_mode is None:
            return None
        view = self._views[(self.agents or list(self._views))[0]]
        layout = view.recent_layouts[-1]
        pose = layout.ego_pose
        bev = rasterise(view.map, (pose.x, pose.y, pose.yaw), (_CELLS, _CELLS), 80.0 / _CELLS, pose.z, LayoutSchema(),
                        layout.agents)  # fmt: skip
        return np.asarray(Image.fromarray(bev_panel(bev, layout, _PICTURE)))

    def close(self) -> None:
        """Nothing to leave."""

    def _running(self) -> ScenarioSource:
        if self._source is None:
            raise RuntimeError("call reset() before the first step")
        return self._source

    def _bodies_of(self, source: ScenarioSource) -> dict[str, str]:
        """Names in the scenario of the agents that there are."""
        if self._named is not None:
            return {name: name for name in self.possible_agents}
        names = ["ego", *nearest_vehicles(source.state)]
        return dict(zip(self.possible_agents, names, strict=False))

    def _situation(self, name: str) -> Situation:
        view = self._views[name]
        return Situation(view.recent_layouts[-1], view.progress, view.map, 1e-6 * self._tick_us)

    def _control(self, name: str, control: Control | Trajectory) -> Control:
        if isinstance(control, Trajectory):
            return follow_trajectory(control, self._views[name].recent_layouts[-1])
        return control

    def _ego_control(self, source: ScenarioSource, commands: Mapping[str, Command]) -> Control | Trajectory:
        """The ego's action; that of the built-in driver if it is no agent; the brake if its episode is over."""
        if "ego" in commands:
            return commands["ego"].control
        if "ego" in self._views:
            return Control(0.0, -source.scenario.ego.vehicle.max_brake_mps2)
        return source.driver_control()

    def _observations(self, names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
        observations = {}
        for name in names:
            view = self._views[name]
            inputs = ObservationInputs(view, view.progress, {}, None)
            observations[name] = {entry.key: np.zeros(entry.space.shape, entry.space.dtype) for entry in self._entries}
            for entry in self._entries:
                entry.write(inputs, observations[name][entry.key])
        return observations

    def _first_info(self, name: str) -> dict[str, Any]:
        measured = self._measured[name]
        told = self._state_info(name, Endings.none(1)) | step_costs(measured, measured) | no_terms(1)
        return self._info(name, told)

    def _state_info(self, name: str, ends: Endings) -> dict[str, np.ndarray]:
        """Entries (1,) of `info` on an agent so far, and on how its episode ends."""
        measured = self._measured[name]
        clean = np.all([measured[counter] == 0 for counter in ENDS_ON.values()], axis=0)
        ended = ends.reasons != EndReason.NONE
        return self._episode | episode_info(measured) | {"end_reason": ends.reasons, "is_success": ended & clean}

    def _info(self, name: str, entries: Mapping[str, np.ndarray]) -> dict[str, Any]:
        info = {key: values.tolist()[0] for key, values in entries.items()}
        mask = self._action.mask(self._situation(name), self._aims[name])
        return info if mask is None else info | {"action_mask": mask}
