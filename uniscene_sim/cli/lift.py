"""`uniscene-sim lift`: a recorded drive as a world that runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from uniscene_sim.cli.arguments import path_argument, real_argument

__all__ = ["add_lift"]


def add_lift(commands: Any) -> None:
    """Add the command to those of a parser."""
    lift = commands.add_parser("lift", help="a recorded drive as a map with all that stands there, and a scenario")
    lift.add_argument("folder", type=path_argument, metavar="FOLDER",
                      help="sequence of PandaSet; or a recording of ours (.mcap), for its colours alone")  # fmt: skip
    lift.add_argument("--out", type=path_argument, help="folder for the world (default: lifted/ and FOLDER's name)")
    lift.add_argument("--scene", help="of nuScenes, by name (default: the first)")
    lift.add_argument("--frames", type=_frames, metavar="FIRST:END",
                      help="frames that are used (default: all but those held out, 60 to 79)")  # fmt: skip
    lift.add_argument("--reach", type=real_argument, default=120.0, metavar="M",
                      help="around the ego's way, that is lifted (default: 120)")  # fmt: skip
    lift.add_argument("--rounds", type=int, default=4, choices=range(65), metavar="N",
                      help="of finding colours in pictures, 0 for none (default: 4)")  # fmt: skip
    lift.set_defaults(command=_lift)


def _frames(text: str) -> range:
    first, colon, end = text.partition(":")
    try:
        frames = range(int(first or 0), int(end))
    except ValueError:
        frames = range(0)
    if not colon or not frames or frames.start < 0:
        raise argparse.ArgumentTypeError(f"expected FIRST:END, such as 0:60, got {text!r}")
    return frames


def _lift(arguments: argparse.Namespace) -> int:
    from uniscene_sim.datasets.lift.lift import APPEARANCE, lift

    out = arguments.out or Path("lifted") / arguments.folder.resolve().stem
    if arguments.folder.suffix == ".mcap":
        from uniscene_sim.datasets.lift.own import lift_recording

        print(lift_recording(arguments.folder, out, max(arguments.rounds, 1)))
        return 0
    made = lift(arguments.folder, out, scene=arguments.scene, frames=arguments.frames, reach_m=arguments.reach,
                rounds=arguments.rounds)  # fmt: skip
    print(*(made.folder / name for name in made.files), sep="\n")
    if (made.folder / APPEARANCE).is_dir():
        print(made.folder / APPEARANCE)
    return 0
