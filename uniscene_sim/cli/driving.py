"""`uniscene-sim eval driving` and `uniscene-sim train driver`: the benchmark suite."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from uniscene_sim.cli.arguments import Parser, json_writer, path_argument, positive_integer
from uniscene_sim.storage.output_file import Outputs

__all__ = ["add_driver_training", "add_driving_evaluation"]

_TOWNS = 20  # that the policy for towns is trained on
_SCENARIOS = "scenarios"  # the policy that learns all scenarios at once


def add_driving_evaluation(names: argparse._SubParsersAction[Parser]) -> None:
    """Add `driving` to the names of `eval`."""
    one = names.add_parser("driving", help="drivers on the tasks of UniScene-Bench-v0")
    one.add_argument("--tasks", nargs="+", metavar="TASK", help="(default: all)")
    one.add_argument("--drivers", nargs="+", metavar="DRIVER",
                     help="random, standing, constant, blind, careful, expert, ppo_100k, ppo_200k, "
                          "or MODEL/PART of one's own (default: all but the last)")  # fmt: skip
    one.add_argument("--episodes", type=positive_integer, default=20, metavar="N",
                     help="test seeds of each scenario (default: 20)")  # fmt: skip
    one.add_argument("--json", type=path_argument, metavar="FILE", help="also write all drives to this file")
    one.set_defaults(command=_eval_driving)


def add_driver_training(names: argparse._SubParsersAction[Parser]) -> None:
    """Add `driver` to the names of `train`."""
    one = names.add_parser("driver", help="policies by PPO, the baselines of `eval driving`")
    one.add_argument("--tasks", nargs="+", metavar="TASK", default=[_SCENARIOS, "town"],
                     help=f"tasks of UniScene-Bench-v0, a policy each; `{_SCENARIOS}` is all but town at once "
                          f"(default: {_SCENARIOS} town)")  # fmt: skip
    one.add_argument("--steps", type=positive_integer, nargs="+", default=[100_000], metavar="N",
                     help="after which a policy is kept (default: 100000)")  # fmt: skip
    one.add_argument("--out", type=path_argument, default=Path("out/models/driving"),
                     help="folder; policies that it has are kept (default: out/models/driving)")  # fmt: skip
    one.set_defaults(command=_train_driver)


def _eval_driving(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from uniscene_sim.suite.drivers import RULES, TRAINED, driver_named
    from uniscene_sim.suite.judge import DISCOUNTS, judge_drives
    from uniscene_sim.suite.tables import as_records, outranked, ranking_table, task_table
    from uniscene_sim.suite.tasks import TASKS, task_settings

    tasks = arguments.tasks or list(TASKS)
    for task in tasks:
        task_settings(task)  # an unknown one is refused by name
    names = arguments.drivers or [*RULES, *TRAINED]
    drivers = {task: [(name, driver_named(name, task)) for name in names] for task in tasks}
    total = arguments.episodes * len(names) * sum(max(len(TASKS[task].scenarios), 1) for task in tasks)
    by_task: dict[str, list[Any]] = {}
    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        with tqdm(total=total, unit="drive", disable=None) as bar:
            for task in tasks:
                env_of = partial(_env_of, task)
                by_task[task] = list(judge_drives(env_of, drivers[task], arguments.episodes, done=bar.update))
        write({task: as_records(own) for task, own in by_task.items()})
        outputs.publish()
    drives = [d for own in by_task.values() for d in own]
    print(ranking_table(drives), task_table(by_task), sep="\n\n")
    pairs = {discount: len(outranked(drives, discount)) for discount in DISCOUNTS}
    told = ", ".join(f"{count} discounted by {discount:g}" for discount, count in pairs.items())
    print(f"\nunclean drives that earned as much as a clean one of the same driver and scenario: {told}")
    return 0


def _env_of(task: str, action: str) -> Any:
    from uniscene_sim.suite.tasks import make_task

    return make_task(task, "test", action=action)


def _train_driver(arguments: argparse.Namespace) -> int:
    from uniscene_sim.suite.tasks import TASKS, task_settings
    from uniscene_sim.suite.train_ppo import PpoRecipe, train_policies
    from uniscene_sim.zoo.models import CARD, CONFIG

    with Outputs() as outputs:  # told before the training
        outputs.folder(arguments.out, (CARD, CONFIG), "--out")
    every = {"scenario": [name for task in TASKS.values() for name in task.scenarios], "split": "train"}
    few = {"towns": _TOWNS}  # a new town takes half a second to make
    settings = {
        name: every if name == _SCENARIOS else task_settings(name) | (few if name == "town" else {})
        for name in arguments.tasks
    }
    train_policies(settings, PpoRecipe(steps=tuple(sorted(arguments.steps))), arguments.out)
    print(arguments.out)
    return 0
