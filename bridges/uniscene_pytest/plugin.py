"""Hooks: options, collection, and what is written at the end.

Nothing of `uniscene_sim` is imported before a YAML file is met: every run of pytest loads this module.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from uniscene_pytest.session import ScenarioSession

_SESSION: pytest.StashKey[ScenarioSession] = pytest.StashKey()
_RESULTS: pytest.StashKey[Path] = pytest.StashKey()
_LEAVES: pytest.StashKey[ExitStack] = pytest.StashKey()
_WRITTEN: pytest.StashKey[list[Path]] = pytest.StashKey()
_RESULTS_INPUT = "uniscene_results"  # what the controller of xdist tells its processes


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("uniscene", "driving scenarios (uniscene_sim)")
    group.addoption("--uniscene-driver", default="builtin", metavar="DRIVER",
                    help="driver under test: builtin, careless, MODULE:MAKER, policy=MODULE:MAKER, a policy .zip, "
                         "a recording .mcap (default: builtin)")  # fmt: skip
    group.addoption("--uniscene-rig", metavar="RIG", help="sensors that the driver gets (default: none)")
    group.addoption("--uniscene-out", type=Path, metavar="FOLDER", default=Path("uniscene-results"),
                    help="recordings of failures, and pictures of differences (default: uniscene-results)")  # fmt: skip
    group.addoption("--uniscene-report", type=Path, metavar="FILE", help="report of all scenarios, one HTML page")
    group.addoption("--uniscene-json", type=Path, metavar="FILE", help="merged results in scenario_runner's shape")
    group.addoption("--uniscene-baselines", type=Path, metavar="FOLDER",
                    help="compare each drive with the one that is kept there")  # fmt: skip
    group.addoption("--uniscene-tolerant", action="store_true",
                    help="compare trajectories, scores and measures within tolerances, not digests")  # fmt: skip
    group.addoption("--uniscene-update-baselines", action="store_true",
                    help="keep these drives in --uniscene-baselines")  # fmt: skip
    group.addoption("--uniscene-shard", metavar="K/N", help="only the K-th of N parts of the scenarios")
    group.addoption("--uniscene-time-limit", type=float, metavar="S",
                    help="wall-clock time for one drive (default: the scenario's, or 300)")  # fmt: skip
    group.addoption("--uniscene-in-process", action="store_true",
                    help="drive in pytest's own process, for a debugger: crashes and hangs are not caught")  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    for name in ("--uniscene-tolerant", "--uniscene-update-baselines"):
        if config.getoption(name) and config.getoption("--uniscene-baselines") is None:
            raise pytest.UsageError(f"{name}: expected --uniscene-baselines FOLDER, too")
    wanted = any(config.getoption(name) is not None for name in ("--uniscene-report", "--uniscene-json"))
    if wanted and not hasattr(config, "workerinput"):
        from uniscene_sim.storage.output_file import scratch_folder

        config.stash[_LEAVES] = ExitStack()
        config.stash[_RESULTS] = config.stash[_LEAVES].enter_context(scratch_folder())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of xdist where results meet."""
    if _RESULTS in node.config.stash:
        node.workerinput[_RESULTS_INPUT] = str(node.config.stash[_RESULTS])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix not in (".yaml", ".yml"):
        return None
    from uniscene_sim.scenario_files.read import is_scenario

    if not is_scenario(file_path):
        return None
    from uniscene_pytest.items import ScenarioFile

    file: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    file.scenarios = _session_of(parent.config)
    return file


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Number the scenarios, and keep this shard's part of them; other tests stay."""
    if _SESSION not in config.stash:
        return
    from uniscene_pytest.items import ScenarioItem
    from uniscene_sim.errors import InputError
    from uniscene_sim.regression.cases import sharded

    ours = [item for item in items if isinstance(item, ScenarioItem)]
    for number, item in enumerate(ours):
        item.number = number
    if (text := config.getoption("--uniscene-shard")) is None:
        return
    try:
        kept = sharded(ours, text)
    except InputError as error:
        raise pytest.UsageError(f"--uniscene-{error}") from None
    dropped = set(ours) - set(kept)
    items[:] = [item for item in items if item not in dropped]
    config.hook.pytest_deselected(items=list(dropped))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if _SESSION in config.stash:
        config.stash[_SESSION].finish()
    if _RESULTS in config.stash:
        from uniscene_pytest.session import kept_results
        from uniscene_sim.regression.report.reports import Reports

        batch = kept_results(config.getoption("--uniscene-driver"), config.stash[_RESULTS])
        reports = Reports(config.getoption("--uniscene-report"), config.getoption("--uniscene-json"))
        config.stash[_WRITTEN] = reports.write(batch)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _LEAVES in config.stash:
        config.stash[_LEAVES].close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for path in config.stash.get(_WRITTEN, []):
        terminalreporter.write_line(f"uniscene: {path}")


def _session_of(config: pytest.Config) -> ScenarioSession:
    if _SESSION not in config.stash:
        from uniscene_pytest.session import ScenarioSession

        told = getattr(config, "workerinput", {}).get(_RESULTS_INPUT)
        folder = Path(told) if told else config.stash.get(_RESULTS, None)
        config.stash[_SESSION] = ScenarioSession(config, folder)
    return config.stash[_SESSION]
