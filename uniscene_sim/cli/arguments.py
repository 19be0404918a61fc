"""Shared by the commands of `uniscene-sim`: types of arguments, and tables written as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from uniscene_sim import __version__
from uniscene_sim.errors import InputError, one_line, said, shown
from uniscene_sim.limits.numbers import real_number, whole_number
from uniscene_sim.storage.output_file import Outputs, told

if TYPE_CHECKING:
    import numpy as np

    from uniscene_sim.rig import SensorRig

__all__ = [
    "Parser",
    "add_record_options",
    "json_writer",
    "named_as_typed",
    "parameter_argument",
    "path_argument",
    "picture_writer",
    "positive_integer",
    "real_argument",
    "require_apart",
    "require_used",
    "rig_of",
    "seed_argument",
]

_Number = TypeVar("_Number", int, float)
_QUOTED = re.compile(r"`(\w+)`")


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and knows how its arguments are typed."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.set_defaults(parser=self)  # that of a command replaces that of the program
        self.also_typed: dict[str, str] = {}  # names of arguments in Python that no option here has

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.split()[0]}: {one_line(message.removeprefix('argument '))}\n")

    def as_typed(self, field: str | None) -> str | None:
        """`--rig` for `rig`, and `SCENARIO` for `scenario`; None if there is no such argument."""
        if field in self.also_typed:
            return self.also_typed[field]
        for action in self._actions:
            if action.dest == field:
                return action.option_strings[-1] if action.option_strings else str(action.metavar or field)
        return None


@contextmanager
def named_as_typed(parser: Parser) -> Iterator[None]:
    """Has errors of a command name its arguments as they are typed, where the code below has its own names.

    Raises:
        InputError: what was raised inside, or that a plug-in would have ended the program as if all were well.
    """
    try:
        yield
    except InputError as error:
        typed = parser.as_typed(error.argument) or error.argument
        text = _QUOTED.sub(lambda name: parser.as_typed(name[1]) or name[0], error.message)
        raise InputError(text, file=error.file, line=error.line, field=typed or error.field) from error
    except (SystemExit, GeneratorExit) as error:
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        file, line = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else (None, None)
        raise InputError(f"would end the program ({said(error)}); expected an error", file=file, line=line) from error


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """What a recording keeps; `recording.options.RecordOptions` has the values and checks them."""
    parser.add_argument("--record-images", default="jpeg", metavar="KIND[:QUALITY]",
                        help="of a recording: jpeg, png, raw, h264 or none (default: jpeg)")  # fmt: skip
    parser.add_argument("--record-sweeps", default="exact", metavar="KIND",
                        help="of a recording: exact, rounded (to 2 mm) or none (default: exact)")  # fmt: skip
    parser.add_argument(
        "--record-buffers",
        action="store_true",
        help="of a recording: also the exact buffers of each image (depth, normals, materials, ...)",
    )
    parser.add_argument("--record-limit", type=real_argument, default=64.0, metavar="GIB",
                        help="size at which a recording, or a file for rerun, ends (default: 64)")  # fmt: skip


def seed_argument(text: str) -> int:
    value = _number(whole_number, text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number in [0, 2^32), got {value}")
    return value


def parameter_argument(text: str) -> tuple[str, float | str]:
    """NAME=VALUE: the name, and the value as a number if it is one."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {shown(text)}")
    for number in whole_number, real_number:
        try:
            return name, number(value)
        except ValueError:
            continue
    return name, value


def positive_integer(text: str) -> int:
    value = _number(whole_number, text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {value}")
    return value


def real_argument(text: str) -> float:
    return _number(real_number, text)


def _number(parse: Callable[[str], _Number], text: str) -> _Number:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def path_argument(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got none")
    return Path(text)


def require_apart(outputs: Mapping[str, Path], inputs: Iterable[str | Path | None]) -> None:
    """InputError if two outputs, by what names them, are one file, or one is a file that is read."""
    taken = {os.path.realpath(file): "it is read" for file in inputs if file is not None and os.path.isfile(file)}
    for name, path in outputs.items():
        place = os.path.realpath(path)
        if place in taken:
            raise InputError(f"cannot be written: {taken[place]}", file=path, field=name)
        taken[place] = f"it is also {name}"


def require_used(arguments: argparse.Namespace, uses: Mapping[str, Iterable[str]], asked: str) -> None:
    """InputError for an option that was typed, but is of another question than the one that is asked.

    Args:
        arguments: of a command; those of questions are None or an empty list unless they were typed.
        uses: names of the arguments of each question, by the option that asks it; "" is for none.
        asked: the option.
    """
    typed = [name for names in uses.values() for name in names if getattr(arguments, name) not in (None, [])]
    for name in typed:
        if name in uses[asked]:
            continue
        if asked:
            known = ", ".join(str(arguments.parser.as_typed(one)) for one in uses[asked])
            raise InputError(f"is not of {asked}, expected some of {known}", field=name)
        others = " or ".join(option for option, names in uses.items() if name in names)
        raise InputError(f"is of {others}, expected {'one of them' if ' or ' in others else 'it'} too", field=name)


def rig_of(text: str) -> SensorRig:
    """A preset, the rig of a YAML file, or that of a recording."""
    from uniscene_sim.recording.mcap_file import Recording
    from uniscene_sim.rigs.rig_file import load_rig

    return Recording.open(text).rig if text.endswith(".mcap") else load_rig(text)


def json_writer(outputs: Outputs, path: Path | None) -> Callable[[list[dict[str, Any]] | dict[str, Any]], None]:
    """A function that writes rows of a table, listed or by name, to a JSON file, whose place is checked before they are
    measured."""
    if path is None:
        return lambda rows: None
    part = outputs.file(path, "--json")

    def write(rows: list[dict[str, Any]] | dict[str, Any]) -> None:
        facts = {"version": __version__, "machine": platform.machine(), "cores": os.cpu_count()}
        with told(path, "--json"):
            part.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n", encoding="utf-8")

    return write


def picture_writer(outputs: Outputs, path: Path | None) -> Callable[[np.ndarray], None] | None:
    """A function that writes a picture as PNG, to a place that is checked before anything is measured."""
    if path is None:
        return None
    part = outputs.file(path, "--picture")

    def write(picture: np.ndarray) -> None:
        from PIL import Image

        with told(path, "--picture"):
            Image.fromarray(picture).save(part, format="PNG")

    return write
