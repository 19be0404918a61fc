"""`page_of`: a recorded run as one HTML page. Template, style and script lie beside this file.

Everything that comes from the recording is JSON in which no `<` stands, and the page's policy lets no script run but
its own: a title cannot become code.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from importlib.resources import files
from math import isfinite
from typing import Any

from uniscene_sim.outcome import Outcome
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.page.drive import Drive
from uniscene_sim.recording.page.ground import ground_of
from uniscene_sim.recording.page.pictures import PageOptions, pictures_and_sweeps
from uniscene_sim.recording.versions import package_versions

__all__ = ["page_of"]

_SCRIPTS = ("above.js", "charts.js", "player.js")


def page_of(recording: Recording, options: PageOptions | None = None, *, progress: bool = False) -> bytes:
    """The page of a run.

    Args:
        recording: of the run; of one that was killed, what is whole is shown.
        options: size and rate of its pictures; None for the usual ones.
        progress: whether to show a progress bar.

    Raises:
        InputError: the file is no recording, or holds no layouts.
    """
    drive = Drive.of(recording)
    cameras, lidar, notes = pictures_and_sweeps(recording, drive, options or PageOptions(), progress)
    if drive.step_us > recording.run.tick_us:
        notes.insert(0, f"Agents, charts and stage times are shown every {drive.step_us * 1e-6:g} s.")
    data = {
        "run": _facts(recording, drive),
        "outcome": _outcome(recording.outcome),
        **drive.as_columns(recording.map),
        "ground": ground_of(recording.map, drive.ego_xy),
        "cameras": cameras,
        "lidar": lidar,
        "notes": notes,
    }
    return _filled(json.dumps(data, separators=(",", ":"), allow_nan=False)).encode()


def _facts(recording: Recording, drive: Drive) -> dict[str, Any]:
    run, style = recording.run, drive.layouts[0].style
    hours, minutes = divmod(round(style.time_of_day_h * 60), 60)
    return {
        "title": run.title,
        "seed": str(run.seed),  # it may have more digits than numbers of a script
        "map": recording.map.name,
        "weather": f"{style.weather}, {hours:02d}:{minutes:02d}",
        "rig": recording.rig.name,
        "engines": dict(sorted(run.engines.items())),
        "trace": run.trace,
        "versions": dict(sorted(run.versions.items())),
        "page": package_versions("uniscene_sim").get("uniscene_sim", ""),
    }


def _outcome(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    rows = [asdict(criterion) for criterion in outcome.criteria]
    for row in rows:  # JSON knows no others
        row["actual"] = row["actual"] if row["actual"] is not None and isfinite(row["actual"]) else None
    return {"status": str(outcome.status), "criteria": rows}


def _filled(data: str) -> str:
    """The template with style, script and data, and a policy that names the two by their hashes."""
    text = {
        name: (files(__package__) / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", *_SCRIPTS)
    }
    style, script = "\n" + text["page.css"], "\n" + "\n".join(text[name] for name in _SCRIPTS)
    sources = {"STYLE_HASH": _hash(style), "SCRIPT_HASH": _hash(script), "STYLE": style, "SCRIPT": script}
    page = text["page.html"]
    for name, value in sources.items():
        page = page.replace(f"{{{{{name}}}}}", value)
    begin, end = page.split("{{DATA}}")  # last, and once: what it holds is not searched
    return begin + data.replace("<", "\\u003c") + end


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
