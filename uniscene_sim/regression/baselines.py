"""Baselines: what a drive was when somebody found it good. A drive is compared bit for bit, or within tolerances; a
difference is explained and pictured.

Digests of layouts and of the analytic sensors are the same on every machine; those of learned engines are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from uniscene_sim import __version__
from uniscene_sim.errors import InputError, shown
from uniscene_sim.regression.baseline_picture import baseline_picture
from uniscene_sim.regression.case_files import case_file
from uniscene_sim.regression.log import LAYOUT
from uniscene_sim.regression.results import CaseResult, Violation
from uniscene_sim.storage.input_file import MIB, read_text
from uniscene_sim.storage.output_file import output_file, told

__all__ = ["Baselines", "Tolerances"]

_FORMAT, _MOST = 1, 64 * MIB
_COLUMNS = ("time_s", "x", "y", "yaw", "speed_mps")
_DIGITS = 4


@dataclass(frozen=True)
class Tolerances:
    """Within which two drives count as the same.

    Attributes:
        position_m, speed_mps: at each tick that both have.
        time_s: of the drive's length.
        score: of each score.
        measure: of each measured number and each statistic of a sensor, as a share of the baseline's.
    """

    position_m: float = 0.5
    speed_mps: float = 0.5
    time_s: float = 0.2
    score: float = 0.02
    measure: float = 0.05


@dataclass(frozen=True)
class _Baseline:
    """A kept drive."""

    version: str
    status: str
    digest: str
    digests: Sequence[Mapping[str, str]]
    series: np.ndarray  # (T, 5), columns _COLUMNS
    scores: Mapping[str, float]
    numbers: Mapping[str, float | None]


class Baselines:
    """The baselines of a folder.

    Args:
        folder: with a file for each case and driver.
        tolerances: within which drives are compared; None to compare them bit for bit.
        pictures: folder for pictures of differences; None for none.
        updates: whether drives become the baselines, in place of being compared.
    """

    def __init__(
        self,
        folder: Path,
        tolerances: Tolerances | None = None,
        pictures: Path | None = None,
        updates: bool = False,
    ):
        self._folder, self._tolerances, self._pictures, self._updates = folder, tolerances, pictures, updates

    def path(self, result: CaseResult) -> Path:
        """The file of a case and its driver."""
        return self._folder / case_file(result.case, result.driver, ".json")

    def keep(self, result: CaseResult) -> Path:
        """Make a drive the baseline; the path of its file.

        Raises:
            InputError: it cannot be written.
        """
        path = self.path(result)
        rows = _rows(result).round(_DIGITS)
        told_of = {
            "format": _FORMAT,
            "version": __version__,
            "status": str(result.status),
            "digest": result.digest,
            "scores": dict(result.scores),
            "numbers": _numbers(result),
            "columns": list(_COLUMNS),
        }
        lines = [json.dumps(told_of, indent=1)[:-2] + ',\n "ticks": [']
        ticks = [json.dumps([row.tolist(), dict(digests)]) for row, digests in zip(rows, result.digests, strict=True)]
        with told(path.parent, "baselines"):
            path.parent.mkdir(parents=True, exist_ok=True)
        with output_file(path, "baselines") as part:
            part.write_text("\n".join([*lines, ",\n".join(ticks), "]}\n"]), encoding="utf-8")
        return path

    def judged(self, result: CaseResult) -> CaseResult:
        """The result, not passed if the drive is not that of the baseline; a violation "baseline" says why.

        Raises:
            InputError: the baseline is damaged, or of another format, or cannot be written.
        """
        if self._updates:
            self.keep(result)
            return result
        path = self.path(result)
        if not path.exists():
            return _failed(result, None, f"there is no baseline {path}; keep one by updating baselines")
        kept = _read(path)
        differences = list(self._differences(result, kept))
        picture = self._pictures / case_file(result.case, result.driver, ".png") if self._pictures else None
        if not differences:
            if picture is not None:
                with suppress(OSError):
                    picture.unlink(missing_ok=True)  # of an earlier difference
            return result
        first = differences[0]
        if kept.version != __version__:
            first = replace(first, text=f"{first.text} (kept by version {kept.version}, this is {__version__})")
        if picture is not None and len(result.series):
            with told(picture, "out"):
                picture.parent.mkdir(parents=True, exist_ok=True)
                baseline_picture(result, kept.series, first.moment_s).save(picture)
            first = replace(first, text=f"{first.text}; picture: {picture}")
        return replace(result, passed=False, violations=(first, *differences[1:], *result.violations))

    def _differences(self, result: CaseResult, kept: _Baseline) -> Iterator[Violation]:
        if self._tolerances is not None:
            yield from _beyond(result, kept, self._tolerances)
        elif result.digest != kept.digest:
            yield _first_difference(result, kept)


def _first_difference(result: CaseResult, kept: _Baseline) -> Violation:
    """What differs first: the tick, the stage, the sensor."""
    for tick, (now, then) in enumerate(zip(result.digests, kept.digests, strict=False)):
        names = [name for name in dict.fromkeys((*then, *now)) if now.get(name) != then.get(name)]
        if not names:
            continue
        moment = float(result.series["time_s"][tick])
        if LAYOUT in names:
            away = _apart(result, kept)
            most = f"; the ego comes to be up to {away.max():.2g} m from its path" if len(away) else ""
            what = f"the layout differs, {away[tick]:.2g} m at the ego{most}"
        else:
            what = f"the layout is the same, what differs is {', '.join(names)}"
        return Violation("baseline", moment, f"baseline: from tick {tick} ({moment:.2f} s) on {what}")
    ticks = len(result.digests), len(kept.digests)
    return Violation("baseline", None, f"baseline: the drive has {ticks[0]} ticks, the baseline's {ticks[1]}")


def _beyond(result: CaseResult, kept: _Baseline, most: Tolerances) -> Iterator[Violation]:
    """What lies beyond the tolerances."""

    def differs(moment: float | None, text: str) -> Violation:
        return Violation("baseline", moment, f"baseline: {text}")

    if str(result.status) != kept.status:
        yield differs(None, f"the status is {result.status}, was {kept.status}")
    away, speeds = _apart(result, kept), np.abs(_common(result, kept, "speed_mps"))
    for name, values, bound, unit in (
        ("position", away, most.position_m, "m"),
        ("speed", speeds, most.speed_mps, "m/s"),
    ):
        if (beyond := values > bound).any():
            moment = float(result.series["time_s"][int(beyond.argmax())])
            yield differs(moment, f"{name} is {values.max():.3g} {unit} off, expected at most {bound:g}")
    ends = [float(rows[-1] - rows[0]) if len(rows) else 0.0 for rows in (result.series["time_s"], kept.series[:, 0])]
    if abs(ends[0] - ends[1]) > most.time_s + 1e-9:
        yield differs(None, f"it takes {ends[0]:.2f} s, took {ends[1]:.2f} s")
    for name, was in kept.scores.items():
        if abs((score := result.scores.get(name, float("nan"))) - was) > most.score or score != score:
            yield differs(None, f"score {name} is {score:.4g}, was {was:.4g}")
    numbers = _numbers(result)
    for name, before in kept.numbers.items():
        now = numbers.get(name)
        missing = (now is None) != (before is None)
        off = 0.0 if now is None or before is None else abs(now - before)
        if missing or off > most.measure * max(abs(before or 0.0), 1e-6) + 1e-9:
            yield differs(None, f"{name} is {now}, was {before}")


def _rows(result: CaseResult) -> np.ndarray:
    """(T, 5) of the series, columns _COLUMNS."""
    return np.stack([result.series[name] for name in _COLUMNS], axis=1)


def _apart(result: CaseResult, kept: _Baseline) -> np.ndarray:
    """How far the ego is from where it was, m, at each tick that both have."""
    away: np.ndarray = np.hypot(_common(result, kept, "x"), _common(result, kept, "y"))
    return away


def _common(result: CaseResult, kept: _Baseline, column: str) -> np.ndarray:
    """By how much a column differs at each tick that both have; what rounding in the file makes is none."""
    n = min(len(result.series), len(kept.series))
    off: np.ndarray = result.series[column][:n] - kept.series[:n, _COLUMNS.index(column)]
    return np.where(np.abs(off) <= 10.0**-_DIGITS, 0.0, off)


def _numbers(result: CaseResult) -> dict[str, float | None]:
    """Measures, and statistics of sensors as "SENSOR.NAME"."""
    sensors = {f"{sensor}.{name}": value for sensor, row in result.sensors.items() for name, value in row.items()}
    return {name: None if v is None else round(v, _DIGITS) for name, v in {**result.measured, **sensors}.items()}


def _failed(result: CaseResult, moment: float | None, why: str) -> CaseResult:
    return replace(result, passed=False, violations=(Violation("baseline", moment, why), *result.violations))


def _read(path: Path) -> _Baseline:
    text = read_text(path, _MOST, "a baseline")
    try:
        found: dict[str, Any] = json.loads(text)
        kind = found["format"]
        if kind != _FORMAT:
            raise InputError(
                f"expected {_FORMAT}, got {shown(kind)}: a baseline of another version; keep it anew",
                file=path, field="format",
            )  # fmt: skip
        series = np.array([row for row, _ in found["ticks"]], float).reshape(-1, len(_COLUMNS))
        digests = [dict(digests) for _, digests in found["ticks"]]
        scores = {str(k): float(v) for k, v in found["scores"].items()}
        numbers = {str(k): None if v is None else float(v) for k, v in found["numbers"].items()}
        return _Baseline(
            str(found["version"]), str(found["status"]), str(found["digest"]), digests, series, scores, numbers
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("is damaged; expected a baseline that was kept by this program", file=path) from None
