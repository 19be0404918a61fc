"""The tasks of `UniScene-Bench-v0`: what they are about, and which of their seeds are for training or for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uniscene_sim.env.env import UniSceneEnv
from uniscene_sim.env.vector import UniSceneVectorEnv
from uniscene_sim.errors import InputError, did_you_mean, shown

__all__ = ["TASKS", "Task", "make_task", "make_task_vec", "task_settings"]


@dataclass(frozen=True)
class Task:
    """A task, whose episodes are drawn by seed.

    Attributes:
        text: what has to be mastered.
        scenarios: of the library, drawn evenly; empty for a new town each seed.
    """

    text: str
    scenarios: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of `gymnasium.make` but for the split."""
        return {"scenario": list(self.scenarios)} if self.scenarios else {"map": "town"}


#: By name, easier ones first.
TASKS: dict[str, Task] = {
    "lane": Task("keep the lane on a winding road, behind whoever drives there", ("lane_following",)),
    "distance": Task("keep a distance from those who brake or cut in", ("hard_brake", "cut_in")),
    "people": Task("stop for people who step onto the road", ("crossing_pedestrian", "child_from_behind_parked_car")),
    "lights": Task("stop at red lights, by day and in the rain at night", ("red_light", "rainy_night")),
    "overtake": Task("pass a cyclist and a construction site", ("cyclist_overtake", "construction_zone")),
    "merge": Task("merge on a motorway and into a roundabout", ("motorway_merge", "roundabout_entry")),
    "junction": Task("give way at junctions", ("cross_traffic", "oncoming_left_turn")),
    "town": Task("find through a town that nobody has seen, among its traffic"),
}


def task_settings(task: str, split: str = "train", **settings: Any) -> dict[str, Any]:
    """Arguments of the environment of a task.

    Args:
        task: a name in `TASKS`.
        split: "train" or "test": two sets of seeds that share none.
        settings: further arguments, see `EnvSettings`; the task's own cannot be given.

    Raises:
        InputError: an unknown task, or an argument that the task sets.
    """
    if not isinstance(task, str) or task not in TASKS:
        hint = did_you_mean(task, TASKS) if isinstance(task, str) else ""
        raise InputError(f"expected one of {', '.join(TASKS)}, got {shown(task)}{hint}", field="task")
    own = TASKS[task].settings
    for name in ("scenario", "map"):
        if name in settings:
            raise InputError(f"is what the task {task!r} sets; expected none", field=name)
    return own | {"split": split} | settings


def make_task(task: str = "lane", split: str = "train", render_mode: str | None = None, **settings: Any) -> UniSceneEnv:
    """The environment of a task: `gymnasium.make("UniScene-Bench-v0", task="merge", split="test")`.

    Raises:
        InputError: an invalid argument.
    """
    return UniSceneEnv(render_mode, **task_settings(task, split, **settings))


def make_task_vec(num_envs: int = 1, *, task: str = "lane", split: str = "train", **settings: Any) -> UniSceneVectorEnv:
    """Many worlds of a task.

    Raises:
        InputError: an invalid argument.
    """
    own = {k: settings.pop(k) for k in ("autoreset_mode", "max_episode_steps", "render_mode") if k in settings}
    return UniSceneVectorEnv(num_envs, **own, **task_settings(task, split, **settings))
