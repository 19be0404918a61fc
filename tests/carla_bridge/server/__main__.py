"""Starts a server: tells its port on standard output, then answers commands from standard input until that closes."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.carla_bridge.server.commands import Commands
from tests.carla_bridge.server.server import Server
from tests.carla_bridge.server.world import SYNCHRONOUS, World


def _world(options: argparse.Namespace, opendrive: str) -> World:
    module, _, name = options.world.partition(":")
    kind: Any = getattr(importlib.import_module(module), name)
    world = kind(options.town, opendrive, **json.loads(options.world_values))
    assert isinstance(world, World)
    return world


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.carla_bridge.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="N of the ports N and N + 1; 0: a free pair")
    parser.add_argument("--map", type=Path, help="OpenDRIVE file")
    parser.add_argument("--town", default="Town10HD", help="name of the map")
    parser.add_argument("--vehicles", type=int, default=0, help="that drive straight on from the start")
    parser.add_argument("--version", default="0.9.16", help="what it says it is")
    parser.add_argument("--sync", action="store_true", help="synchronous from the start, instead of asynchronous")
    parser.add_argument("--async", dest="sync", action="store_false")
    parser.add_argument("--rate", type=float, default=20.0, help="ticks a second in asynchronous mode")
    parser.add_argument("--world", default="tests.carla_bridge.server.world:World", help="MODULE:CLASS, a `World`")
    parser.add_argument("--world-values", default="{}", help="JSON object of keywords for that class")
    options = parser.parse_args()
    world = _world(options, options.map.read_text() if options.map else "")
    world.settings[SYNCHRONOUS] = options.sync
    if options.vehicles:
        world.line_up(options.vehicles)
    server = Server(world, options.port, options.rate, options.version)
    server.start()
    commands = Commands(server)
    print(json.dumps({"port": server.port}), flush=True)
    for line in sys.stdin:
        print(json.dumps(commands.answer(json.loads(line))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
