"""`uniscene-ros2`: the node on the command line; each parameter is an option."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from uniscene_sim.errors import InputError

__all__ = ["main", "set_transport"]

_SHM = Path("/dev/shm")
_SEGMENT = 128 * 2**20


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: returns 0; with --exit-at-end 1 if the run failed its criteria; 2 for bad input."""
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions
        from rclpy.utilities import try_shutdown
    except ImportError as error:
        print(f"uniscene-ros2: no ROS 2 here ({error}): pip install 'uniscene_sim[ros2]', or source an installation",
              file=sys.stderr)  # fmt: skip
        return 2
    overrides, rest = _arguments(argv)
    for line in set_transport():
        print(f"uniscene-ros2: {line}", file=sys.stderr)
    from uniscene_ros2.node import UnisceneNode

    rclpy.init(args=rest, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = UnisceneNode(overrides)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, node.stop)
        gc.freeze()  # loaded objects stay, so the garbage collector need not scan them during a tick
        code = node.spin()
        node.close()
        return code
    except InputError as error:
        print(f"uniscene-ros2: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        try_shutdown()


def set_transport() -> list[str]:
    """Give Fast DDS the profile that images and sweeps need, unless the user set one; returns warnings."""
    names = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    given = next((os.environ[name] for name in names if os.environ.get(name)), None)
    if given is not None:
        return [f"Fast DDS is set up by {given}; large messages need a segment as in ours"]
    profile = str(files("uniscene_ros2") / "fastdds.xml")
    os.environ.update(dict.fromkeys(names, profile))
    if _SHM.is_dir():
        space = os.statvfs(_SHM)
        if space.f_bavail * space.f_frsize < _SEGMENT:
            return [f"{_SHM} has less than {_SEGMENT >> 20} MB left: images and sweeps will be lost "
                    "(docker run --shm-size=1g)"]  # fmt: skip
    return []


def _arguments(argv: Sequence[str] | None) -> tuple[dict[str, Any], list[str]]:
    """The given parameters, and the remaining arguments for ROS (--ros-args ...)."""
    from uniscene_ros2.parameters import NODE_PARAMETERS

    parser = argparse.ArgumentParser(
        prog="uniscene-ros2", description="Run scenarios for a ROS 2 stack. Arguments for ROS come after --ros-args."
    )
    for setting in NODE_PARAMETERS:
        option = f"--{setting.name.replace('_', '-')}"
        text = f"{setting.text} (default: {setting.default})"
        if isinstance(setting.default, bool):
            parser.add_argument(option, action="store_true", default=None, help=text)
        else:
            parser.add_argument(option, type=type(setting.default), choices=setting.choices or None, help=text)
    words = list(sys.argv[1:] if argv is None else argv)
    at = words.index("--ros-args") if "--ros-args" in words else len(words)
    given = vars(parser.parse_args(words[:at]))
    return {name: value for name, value in given.items() if value is not None}, words[at:]


if __name__ == "__main__":
    sys.exit(main())
