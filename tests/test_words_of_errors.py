"""What the library says is in the words of Python; the command line puts its own in their place."""

import ast
import re
from pathlib import Path

import pytest

import uniscene_sim
from uniscene_sim.cli.arguments import Parser, named_as_typed
from uniscene_sim.errors import InputError

PACKAGE = Path(uniscene_sim.__file__).parent
#: Rooms that are part of the command line, or start commands.
OF_COMMANDS = ("cli", "bench")
#: What raises, or is given the name of an argument for what it raises.
RAISING = {"InputError", "InputWarning", "told", "require_memory", "require_disk", "require_device", "require_regular",
           "load_plugin", "construct", "folder", "file", "output_file", "write_file"}  # fmt: skip


def told_by(file):
    """Line and text of what calls that may raise are given, and of messages that are named before: `why`, `what`."""
    for node in ast.walk(ast.parse(file.read_text())):
        name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
        named = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("why", "what", "tls")
        if name in RAISING or named:
            yield from ((part.lineno, part.value) for part in ast.walk(node)
                        if isinstance(part, ast.Constant) and isinstance(part.value, str))  # fmt: skip


def test_no_error_of_the_library_speaks_of_an_option():
    said = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.relative_to(PACKAGE).parts[0] not in OF_COMMANDS:
            said += [(file.name, line, text) for line, text in told_by(file) if re.search(r"(^|[\s`(])--[a-z]", text)]
    assert said == []


@pytest.mark.parametrize(
    ("error", "typed"),
    [
        (InputError("is odd", field="out"), "--out: is odd"),
        (InputError("is odd", argument="out"), "--out: is odd"),
        (InputError("is odd", file="a.mcap", argument="out"), "a.mcap: --out: is odd"),
        (InputError("is odd", file="a.yaml", line=3, field="out"), "a.yaml:3: out: is odd"),
        (InputError("is odd", argument="scenario"), "SCENARIO: is odd"),
        (InputError("is odd", argument="kind"), "--from: is odd"),
        (InputError("is odd", argument="other"), "other: is odd"),
        (InputError("say which by `out`, not by `nothing`"), "say which by --out, not by `nothing`"),
    ],
)
def test_the_command_line_names_arguments_as_they_are_typed(error, typed):
    parser = Parser(prog="x")
    parser.add_argument("scenario", metavar="SCENARIO")
    parser.add_argument("--out")
    parser.also_typed = {"kind": "--from"}
    with pytest.raises(InputError) as told, named_as_typed(parser):
        raise error
    assert str(told.value) == typed
