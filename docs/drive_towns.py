"""Drives new towns, a town for each seed, and writes the table of outcomes that the documentation shows.

    python docs/drive_towns.py [--towns 1000] [--map town] [--driver expert] [--out docs/towns.json]

The towns are those of the split of tests. Drives that were made before are kept in a file beside the table, so that a
run which was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import gymnasium
from tqdm import tqdm

import uniscene_sim  # noqa: F401 - registers the environments
from uniscene_sim.env.endings import EndReason
from uniscene_sim.env.settings import SPLITS
from uniscene_sim.storage.output_file import write_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--towns", type=int, default=1000)
    parser.add_argument("--map", default="town", help="as the setting of that name")
    parser.add_argument("--driver", choices=("expert", "random"), default="expert")
    parser.add_argument("--out", type=Path, default=Path("docs/towns.json"))
    arguments = parser.parse_args()
    # Nothing ends an episode early: what went wrong is counted to the end of the route.
    env = gymnasium.make("UniScene-v0", map=arguments.map, split="test", terminate_on=()).unwrapped
    env.action_space.seed(0)
    log = arguments.out.with_suffix(".jsonl")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []
    with log.open("a", encoding="utf-8") as out:
        bar = tqdm(range(len(rows), arguments.towns), initial=len(rows), total=arguments.towns, disable=None)
        for k in bar:
            rows.append(drive(env, SPLITS["test"] + k, arguments.driver))
            out.write(json.dumps(rows[-1]) + "\n")
            out.flush()
            bar.set_postfix(success=f"{sum(row['success'] for row in rows) / len(rows):.3f}")
    write_file(arguments.out, json.dumps(table(rows), indent=2).encode() + b"\n")
    print(json.dumps(table(rows), indent=2))


def drive(env, seed: int, driver: str) -> dict:
    """What happened in an episode."""
    env.reset(options={"scenario_seed": seed})
    over = False
    while not over:
        action = env.expert_action() if driver == "expert" else env.action_space.sample()
        _, _, terminated, truncated, info = env.step(action)
        over = terminated or truncated
    return {
        "seed": seed,
        "success": bool(info["is_success"]),
        "collision": bool(info["collisions"]),
        "off_road": bool(info["off_road_s"] > 0),
        "red_light": bool(info["red_lights"]),
        "time_out": bool(info["end_reason"] == EndReason.TIME_LIMIT),
        "route_completion": round(float(info["route_completion"]), 4),
        "driven_m": round(float(info["driven_m"]), 1),
    }


def table(rows: list[dict]) -> dict:
    """Shares of the episodes."""
    counted = Counter(name for row in rows for name, value in row.items() if value is True)
    shares = ("success", "collision", "off_road", "red_light", "time_out")
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in ("route_completion", "driven_m")}
    return {"towns": len(rows)} | {name: round(counted[name] / len(rows), 4) for name in shares} | {
        name: round(value, 4) for name, value in mean.items()
    }  # fmt: skip


if __name__ == "__main__":
    main()
