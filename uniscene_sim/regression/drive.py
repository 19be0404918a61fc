"""One case, driven and judged in this process."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter, time

import numpy as np

from uniscene_sim.engine_support.others_code import is_interrupt
from uniscene_sim.errors import InputError, one_line, said
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.regression.cases import Case
from uniscene_sim.regression.drivers import DEFAULT, Brought, Phase, driver_named
from uniscene_sim.regression.log import DriveLog
from uniscene_sim.regression.loops import Loop, LoopSettings
from uniscene_sim.regression.record import record_drive, remove_recording
from uniscene_sim.regression.results import CaseResult, Violation
from uniscene_sim.regression.scores import DriveNumbers, scores_of
from uniscene_sim.run import ticks_of

__all__ = ["DriveSettings", "drive_case"]


@dataclass(frozen=True)
class DriveSettings:
    """How cases are driven.

    Attributes:
        loop: how their worlds are run.
        recordings: folder for a recording of each case that fails; None for none.
        time_limit_s: wall-clock time for one drive, in place of the scenario's.
        since_s: when the batch began, s since the epoch: a case that passes removes its own older recording.
    """

    loop: LoopSettings = LoopSettings()  # noqa: RUF009 - frozen
    recordings: Path | None = None
    time_limit_s: float | None = None
    since_s: float = field(default_factory=time)

    def limit_s(self, case: Case) -> float:
        """Wall-clock time for one drive of a case."""
        return case.plan.time_limit_s if self.time_limit_s is None else self.time_limit_s


def drive_case(
    case: Case,
    driver: str = DEFAULT,
    settings: DriveSettings = DriveSettings(),
    brought: Brought | None = None,
    *,
    tells: Callable[[Phase], object] = lambda _: None,
) -> CaseResult:
    """Drive a case as often as its plan says, and judge it. A driver that raises gives the status ERROR; one that goes
    to another folder is brought back after each drive.

    Args:
        case: what to drive.
        driver: name, see `drivers.driver_named`.
        settings: how.
        brought: the driver itself, if it is there already.
        tells: called as a drive begins, and as it ends.

    Raises:
        InputError: there is no such driver.
    """
    under_test = driver_named(driver) if brought is None else brought
    begin = perf_counter()
    result = _driven(case, driver, settings, under_test, tells)
    for k in range(2, case.plan.repetitions + 1):
        again = _driven(case, driver, replace(settings, recordings=None), under_test, tells)
        if again.digest != result.digest:
            tick = next((i for i, (a, b) in enumerate(zip(result.digests, again.digests, strict=False)) if a != b), 0)
            why = f"repetition {k} is another drive: it differs from the first one at tick {tick}"
            result = replace(result, passed=False, error=why)
            break
    if result.passed and settings.recordings is not None:
        remove_recording(case, driver, settings.recordings, settings.since_s)
    return replace(result, wall_s=perf_counter() - begin)


def _driven(
    case: Case, driver: str, settings: DriveSettings, brought: Brought, tells: Callable[[Phase], object]
) -> CaseResult:
    """The result of one drive, but for the time that it took."""
    with chdir(os.getcwd()):
        try:
            loop = brought.loop(case, settings.loop)
        except InputError as error:
            return CaseResult.broken(case, driver, str(error))
        except Exception as error:  # of the driver's maker
            if is_interrupt(error):
                raise
            return CaseResult.broken(case, driver, _blamed(error, "the driver could not be made"))
        log = DriveLog(loop.simulator.source)
        outcome, broken = _drive(loop, log, tells)
    tells(Phase.OVER)
    source = loop.simulator.source
    measured = dict(source.measured)
    status = Status.ERROR if broken else outcome.status
    result = CaseResult(
        case=case,
        driver=driver,
        status=status,
        passed=str(status) in case.accepts(driver),
        criteria=outcome.criteria,
        violations=() if broken else log.violations(outcome),
        error=broken,
        scores={} if broken else scores_of(DriveNumbers.of(measured, log.simulated_s)),
        measured=measured,
        sensors=log.sensors,
        drawn=dict(source.drawn),
        digest=log.digest,
        digests=log.digests,
        simulated_s=log.simulated_s,
        series=log.series,
        tracks=log.tracks,
        route=np.array(source.route_path[:, :2], np.float64),
    )
    if result.passed or settings.recordings is None:
        return result
    try:
        kept = record_drive(case, driver, log.controls, loop.simulator, settings.recordings)
    except InputError as error:  # a full disk costs the recording, not the result
        told = Violation("recording", None, f"no recording is kept: {error}")
        return replace(result, violations=(*result.violations, told))
    return replace(result, recording=kept.recording, video=kept.video)


def _drive(loop: Loop, log: DriveLog, tells: Callable[[Phase], object]) -> tuple[Outcome, str]:
    """The outcome of a loop that is driven to its end, and what broke down."""
    source = loop.simulator.source
    log.add(loop.begin(), loop.simulator)
    tells(Phase.DRIVES)
    for _ in range(ticks_of(loop.simulator)):
        if source.done:
            break
        try:
            frame = loop.advance()
        except Exception as error:  # whatever the driver raises
            if is_interrupt(error):
                raise
            return source.outcome, _blamed(error, f"the driver failed at {log.simulated_s:.2f} s")
        log.add(frame, loop.simulator)
    return source.outcome, ""


def _blamed(error: Exception, what: str) -> str:
    """One line that says what was raised, and where."""
    if isinstance(error, InputError):
        return one_line(f"{what}: {error}")
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({Path(at.filename).name}:{at.lineno})" for at in last)
    return one_line(f"{what}: {said(error)}{where}")
