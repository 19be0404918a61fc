"""Writes regression_report.png: the report of the scenario library driven carelessly, as Chromium shows it."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from tqdm import tqdm

from uniscene_sim.regression.cases import collect
from uniscene_sim.regression.drive import drive_case
from uniscene_sim.regression.report.page import page_of
from uniscene_sim.regression.results import Batch

_DRIVER = "careless"


def main(opened: str = "cut_in[nominal]") -> None:
    """Args: the title of the case that is open."""
    cases = collect([Path(__file__).parents[1] / "scenarios"])
    batch = Batch(_DRIVER, [drive_case(case, _DRIVER) for case in tqdm(cases, unit="case", disable=None)])
    with TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        page.write_bytes(page_of(batch))
        options = "--headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=3000".split()
        picture = Path(__file__).parent / "regression_report.png"
        shot = [f"--screenshot={picture}", "--window-size=1280,900", f"--user-data-dir={folder}/profile"]
        address = f"{page.as_uri()}#case={quote(opened)}"
        subprocess.run(["chromium", *options, *shot, address], check=True, capture_output=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
