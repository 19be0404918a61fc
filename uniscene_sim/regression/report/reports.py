"""`Reports`: which reports of a batch are wanted, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uniscene_sim.regression.report.junit import junit_of
from uniscene_sim.regression.report.page import case_names, page_of
from uniscene_sim.regression.report.plain import json_of
from uniscene_sim.regression.results import Batch
from uniscene_sim.storage.output_file import Outputs

__all__ = ["Reports"]


@dataclass(frozen=True)
class Reports:
    """Files to write of a batch; None for none.

    Attributes:
        report: one HTML page.
        json: merged results in scenario_runner's shape.
        junit: JUnit XML.
    """

    report: Path | None = None
    json: Path | None = None
    junit: Path | None = None

    def check(self) -> None:
        """Make sure that they can be written, before a batch is driven.

        Raises:
            InputError: one cannot.
        """
        with Outputs() as outputs:
            for name, path in vars(self).items():
                if path is not None:
                    outputs.file(path, name)

    def write(self, batch: Batch) -> list[Path]:
        """Write them, all or none; their paths.

        Raises:
            InputError: one cannot be written.
        """
        content = {
            "report": lambda: page_of(batch, videos=_videos(batch), progress=True),
            "json": lambda: json_of(batch),
            "junit": lambda: junit_of(batch),
        }
        with Outputs() as outputs:
            written = []
            for name, path in vars(self).items():
                if path is not None:
                    outputs.file(path, name).write_bytes(content[name]())
                    written.append(path)
            outputs.publish()
        return written


def _videos(batch: Batch) -> dict[str, bytes]:
    """What the cameras saw, by the name of the case."""
    named = zip(case_names(batch.results), batch.results, strict=True)
    return {name: r.video.read_bytes() for name, r in named if r.video is not None and r.video.exists()}
