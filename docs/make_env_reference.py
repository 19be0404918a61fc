"""The reference of the environments, made of the code's own tables.

python docs/make_env_reference.py [--out docs/env-reference.md]
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from gymnasium.spaces import Box

from uniscene_sim.env.actions import ACTIONS
from uniscene_sim.env.observations import make_observations
from uniscene_sim.env.quantities import INFO, OBSERVATIONS, STATES
from uniscene_sim.env.reward import TERMS
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.output_file import write_file

HEAD = """# Reference of the environments

Made of the code by `python docs/make_env_reference.py`; a test holds it. What it is about:
[reinforcement learning](reinforcement-learning.md).
"""


def page() -> str:
    parts = [HEAD, "## Observations\n", _table(("name", "entry", "space", "content"), _observations())]
    for entry, columns in STATES.items():
        parts += [f"### Columns of `{entry}`\n", "Each is divided by its scale, and cut to [-1, 1].\n"]
        rows = ((f"`{name}`", q.unit, f"{q.high:.4g}", q.text) for name, q in columns.items())
        parts.append(_table(("column", "unit", "scale", "what it is"), rows))
    actions = ((f"`{name}`", _space(kind.space), _text(kind)) for name, kind in ACTIONS.items())
    parts += ["## Actions\n", _table(("name", "space", "what it is"), actions)]
    parts += [
        "## Reward\n",
        "Each term times its weight is in `info` as `reward_TERM`. Ranges are of a step of one second, those of events "
        "of one event.\n",
    ]  # fmt: skip
    terms = ((f"`{name}`", f"{t.weight:g}", _range(t.low, t.high), t.text) for name, t in TERMS.items())
    parts.append(_table(("term", "default weight", "range", "what it is"), terms))
    parts += ["## Info\n", "Beside `reward_TERM`, and `drawn_NAME`: what the seed has drawn for a parameter of the "
              "scenario; of meta-actions `action_mask`, which of them can be done now.\n"]  # fmt: skip
    entries = ((f"`{key}`", q.unit, _range(q.low, q.high), q.text) for key, q in INFO.items())
    parts.append(_table(("key", "unit", "range", "what it is"), entries))
    return "\n".join(parts)


def _observations() -> Iterable[tuple[str, ...]]:
    """Rows of the presets' own sensors: a camera and a LiDAR of the rig `rl`."""
    rig = load_rig("rl")
    for name, text in OBSERVATIONS.items():
        for entry in make_observations([name], rig):
            yield f"`{name}`", f"`{entry.key}`", _space(entry.space), text


def _space(space: object) -> str:
    if not isinstance(space, Box):
        return str(space)
    low, high = (f"{edge:.4g}" for edge in (space.low.min(), space.high.max()))
    return f"{space.dtype} ({', '.join(map(str, space.shape))}{',' * (len(space.shape) == 1)}) in [{low}, {high}]"


def _text(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").split())


def _range(low: float, high: float) -> str:
    begin = f"({'-∞'}" if np.isinf(low) else f"[{low:g}"
    return f"{begin}, {'∞)' if np.isinf(high) else f'{high:g}]'}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/env-reference.md"))
    write_file(parser.parse_args().out, page().encode())


if __name__ == "__main__":
    main()
