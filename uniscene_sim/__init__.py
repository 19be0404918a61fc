"""uniscene_sim: a closed-loop generative sensor simulator for driving stacks."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("uniscene_sim")
except PackageNotFoundError:  # a bare checkout on the path
    __version__ = "0+unknown"
