"""`uniscene-sim eval driving` and `uniscene-sim train driver`: the benchmark suite."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from uniscene_sim.cli.arguments import Parser, json_writer, path_argument, positive_integer
from uniscene_sim.storage.output_file import Outputs

__all__ = ["add_driver_training", "add_driving_evaluation"]

_SCENARIOS = "scenarios"  # the policy that learns all scenarios at once


def add_driving_evaluation(names: argparse._SubParsersAction[Parser]) -> None:
    """Add `driving` to the names of `eval`."""
    one = names.add_parser("driving", help="drivers on the tasks of UniScene-Bench-v0")
    one.add_argument("--tasks", nargs="+", metavar="TASK", help="(default: all)")
    one.add_argument("--drivers", nargs="+", metavar="DRIVER",
                     help="random, standing, constant, blind, careful, expert, MODEL/PART of a trained one, or "
                          "MODEL/* for the part of each task (default: all, with the policies of the zoo)")  # fmt: skip
    one.add_argument("--episodes", type=positive_integer, default=20, metavar="N",
                     help="test seeds of each scenario (default: 20)")  # fmt: skip
    one.add_argument("--json", type=path_argument, metavar="FILE", help="also write all drives to this file")
    one.set_defaults(command=_eval_driving)


def add_driver_training(names: argparse._SubParsersAction[Parser]) -> None:
    """Add `driver` to the names of `train`."""
    one = names.add_parser("driver", help="policies by PPO, the baselines of `eval driving`")
    one.add_argument("--tasks", nargs="+", metavar="TASK",
                     help=f"tasks of UniScene-Bench-v0, a policy each; `{_SCENARIOS}` is all but town at once "
                          "(default: all tasks)")  # fmt: skip
    one.add_argument("--steps", type=positive_integer, default=200_000, metavar="N", help="each (default: 200000)")
    one.add_argument("--out", type=path_argument, default=Path("out/models/driving_tasks"),
                     help="folder; policies that it has are kept (default: out/models/driving_tasks)")  # fmt: skip
    one.set_defaults(command=_train_driver)


def _eval_driving(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from uniscene_sim.suite.drivers import DRIVERS, driver_named
    from uniscene_sim.suite.judge import judge_drives
    from uniscene_sim.suite.tables import as_records, outranked, ranking_table, task_table
    from uniscene_sim.suite.tasks import TASKS, make_task

    tasks = arguments.tasks or list(TASKS)
    names = arguments.drivers or [*DRIVERS, "driving/scenarios", "driving_tasks/*"]
    envs = {task: make_task(task, "test") for task in tasks}
    drivers = {task: [(name, driver_named(name.replace("*", task))) for name in names] for task in tasks}
    total = arguments.episodes * len(names) * sum(len(env.scenarios) for env in envs.values())
    by_task: dict[str, list[Any]] = {}
    with Outputs() as outputs:
        write = json_writer(outputs, arguments.json)
        with tqdm(total=total, unit="drive", disable=None) as bar:
            for task, env in envs.items():
                by_task[task] = list(judge_drives(env, drivers[task], arguments.episodes, done=bar.update))
        write({task: as_records(own) for task, own in by_task.items()})
        outputs.publish()
    drives = [d for own in by_task.values() for d in own]
    print(ranking_table(drives), task_table(by_task), sep="\n\n")
    pairs = {discount: len(outranked(drives, discount)) for discount in (1.0, 0.99, 0.98)}
    told = ", ".join(f"{count} discounted by {discount:g}" for discount, count in pairs.items())
    print(f"\nunclean drives that earned as much as a clean one of the same driver and scenario: {told}")
    return 0


def _train_driver(arguments: argparse.Namespace) -> int:
    from uniscene_sim.suite.tasks import TASKS, task_settings
    from uniscene_sim.suite.train_ppo import PpoRecipe, train_policies
    from uniscene_sim.zoo.models import CARD, CONFIG

    with Outputs() as outputs:  # told before the training
        outputs.folder(arguments.out, (CARD, CONFIG), "--out")
    every = {"scenario": [name for task in TASKS.values() for name in task.scenarios], "split": "train"}
    settings = {name: every if name == _SCENARIOS else task_settings(name) for name in arguments.tasks or TASKS}
    train_policies(settings, PpoRecipe(steps=arguments.steps), arguments.out)
    print(arguments.out)
    return 0
