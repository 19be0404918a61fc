"""uniscene_sim: a closed-loop generative sensor simulator for driving stacks.

With Gymnasium installed, importing it registers the environments: `gymnasium.make("UniScene-v0")`.
"""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

try:
    __version__ = version("uniscene_sim")
except PackageNotFoundError:  # a bare checkout on the path
    __version__ = "0+unknown"

if find_spec("gymnasium") is not None:
    from uniscene_sim.env.registration import register_envs

    register_envs()
