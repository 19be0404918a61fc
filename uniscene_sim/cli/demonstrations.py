"""`uniscene-sim demonstrations`: drives of the built-in driver as a Minari data set."""

from __future__ import annotations

import argparse
from typing import Any

from uniscene_sim.cli.arguments import positive_integer, seed_argument
from uniscene_sim.errors import InputError

__all__ = ["add_demonstrations"]


def add_demonstrations(commands: Any) -> None:
    """Add the command to those of a parser."""
    parser = commands.add_parser("demonstrations", help="drives of the built-in driver as a Minari data set")
    parser.add_argument("scenario", metavar="SCENARIO", nargs="*", help="one of them is drawn for each episode "
                        "(default: lane_following)")  # fmt: skip
    parser.add_argument("--out", dest="name", required=True, metavar="ID",
                        help="id of the data set, as uniscene/lane_following-v0; MINARI_DATASETS_PATH says where "
                             "(default: ~/.minari/datasets)")  # fmt: skip
    parser.add_argument("--episodes", type=positive_integer, default=100, help="how many (default: 100)")
    parser.add_argument("--seed", type=seed_argument, default=0, help="of the first episode (default: 0)")
    parser.add_argument("--env", dest="env_id", default="UniScene-v0", metavar="ID",
                        help="environment (default: UniScene-v0)")  # fmt: skip
    parser.add_argument("--action", default="continuous", help="type of the actions (default: continuous)")
    parser.add_argument("--observations", metavar="LIST", help="names, with commas (default: those of --env)")
    parser.set_defaults(command=_demonstrations)


def _demonstrations(arguments: argparse.Namespace) -> int:
    try:
        import gymnasium

        from uniscene_sim.env.demonstrations import write_demonstrations
        from uniscene_sim.env.registration import PRESETS
    except ImportError as error:
        raise InputError(f"needs the extra rl: pip install 'uniscene_sim[rl]': {error}") from error
    if arguments.env_id not in PRESETS and arguments.env_id not in gymnasium.registry:
        raise InputError(f"expected one of {', '.join(PRESETS)}, got {arguments.env_id!r}", field="env_id")
    settings: dict[str, Any] = {"action": arguments.action}
    settings |= {"scenario": arguments.scenario} if arguments.scenario else {}
    settings |= {"observations": arguments.observations.split(",")} if arguments.observations else {}
    done = write_demonstrations(arguments.name, arguments.env_id, episodes=arguments.episodes, seed=arguments.seed,
                                settings=settings, progress=True)  # fmt: skip
    print(f"{done.path}: {done.episodes} episodes, {done.steps:,} steps, {done.successes} successes")
    return 0
