"""`page_of`: a recorded run as one HTML page. Template, style and script lie beside this file."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from uniscene_sim.outcome import Outcome
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.page.drive import Drive
from uniscene_sim.recording.page.ground import ground_of
from uniscene_sim.recording.page.pictures import PageOptions, pictures_and_sweeps
from uniscene_sim.recording.page.template import filled, text_of
from uniscene_sim.recording.versions import package_versions

__all__ = ["page_of"]

_STYLES = ("base.css", "page.css")
_SCRIPTS = ("elements.js", "above.js", "charts.js", "playback.js", "player.js")


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
    (template,) = text_of(__package__, "page.html")
    return filled(template, text_of(__package__, *_STYLES), text_of(__package__, *_SCRIPTS), data)


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
