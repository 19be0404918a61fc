"""Drivers that tests bring, as a user's module would: good ones, and each way to break down."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

from uniscene_sim.control import Control


def follower(task):
    """Follows the lane ahead, slowly, with what each frame tells."""
    assert task.scenario.name and task.map.lanes and task.tick_us == 100_000

    def drive(frame):
        speed = float(frame.layout.ego_velocity @ frame.layout.ego_pose.rotation[:, 0])
        return Control(0.0, 1.0 * (4.0 - speed))

    return drive


def raises():
    def drive(frame):
        raise RuntimeError("boom\x1b[31m")

    return drive


class Untellable(Exception):
    def __str__(self):
        raise ValueError("no text")


def cannot_be_told():
    def drive(frame):
        raise Untellable

    return drive


def nan():
    return lambda frame: Control(float("nan"), 0.0)


def shape():
    return lambda frame: [0.0, 1.0]


def hangs():
    def drive(frame):
        while True:
            time.sleep(0.1)

    return drive


def dies():
    return lambda frame: os.kill(os.getpid(), signal.SIGSEGV)


def exits():
    def drive(frame):
        raise SystemExit(0)

    return drive


def no_driver():
    return 3


def cannot_be_made():
    raise OSError("no such device")


def wanders():
    Path("elsewhere").mkdir(exist_ok=True)

    def drive(frame):
        if Path("elsewhere").is_dir():
            os.chdir("elsewhere")
        return Control(0.0, 2.0)

    return drive


def closes_stdout():
    def drive(frame):
        sys.stdout.close()
        return Control(0.0, 2.0)

    return drive


def is_never_made():
    time.sleep(600)


def _starts(name):
    """A process that shares all files of this one, and outlives it."""
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    process.start()
    Path(name).write_text(str(process.pid))


def starts_a_process():
    _starts("first")
    return lambda frame: Control(0.0, 2.0)


def starts_a_process_and_dies():
    _starts("second")
    return lambda frame: os.kill(os.getpid(), signal.SIGSEGV)


class Cruise:
    """A policy of the environment: always on, straight ahead."""

    settings = {"action": "continuous", "observations": ["ego"]}  # noqa: RUF012

    def __init__(self):
        self.resets = 0

    def reset(self):
        self.resets += 1

    def __call__(self, observation):
        assert observation["ego"].shape
        return [0.0, 0.3]
