"""The handle of a test on a CARLA test server, which runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
URBAN_GRID = ROOT / "scenarios" / "maps" / "urban_grid.xodr"


class CarlaServer:
    """A server between entering and leaving.

    `options` are those of the command line without the dashes, with underscores: `CarlaServer(vehicles=20, sync=True)`
    is `--vehicles 20 --sync`. The map is that of the urban grid unless told otherwise.
    """

    def __init__(self, **options: Any) -> None:
        self._options = {"map": URBAN_GRID, "town": "UrbanGrid"} | options
        self._process: subprocess.Popen[str] | None = None
        self.port = int(options.get("port", 0))

    def __enter__(self) -> CarlaServer:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """The answer to a command, see `server/commands.py`; RuntimeError if it was refused or the server is dead."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the server is not running")
        try:
            process.stdin.write(json.dumps({"do": do, **values}) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(f"the server is dead: {do}") from None
        line = process.stdout.readline()
        if not line:
            if do == "die":
                return {}
            raise RuntimeError(f"the server is dead: {do}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def state(self) -> dict[str, Any]:
        return self.ask("state")

    def kill(self) -> None:
        """Ends the process, whatever state it is in."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        pass  # what was still to be written

    def restart(self, **options: Any) -> None:
        """Another server on the same port; `options` replace those given before."""
        self.kill()
        self._options |= options
        self._start()

    def _start(self) -> None:
        words = [sys.executable, "-m", "tests.carla_bridge.server"]
        for name, value in (self._options | {"port": self.port}).items():
            flag = "--" + name.replace("_", "-")
            words += [flag] if value is True else [] if value is False else [flag, str(value)]
        self._process = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.kill()
            raise RuntimeError(f"the server did not start: {' '.join(words)}")
        self.port = int(json.loads(line)["port"])
