"""Writes regression_report.png: the report of the scenario library driven carelessly, as Chromium shows it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from PIL import Image
from tqdm import tqdm

from uniscene_sim.regression.cases import collect
from uniscene_sim.regression.drive import drive_case
from uniscene_sim.regression.report.page import page_of
from uniscene_sim.regression.results import Batch

_DRIVER = "careless"
_WIDTH, _HEIGHT = 960, 1116


def main(opened: str = "child_from_behind_parked_car[nominal]") -> None:
    """Args: the title of the case that is open."""
    library = collect([Path(__file__).parents[1] / "scenarios"])
    cases = [replace(case, plan=replace(case.plan, expect={})) for case in library]  # else its failures are successes
    batch = Batch(_DRIVER, [drive_case(case, _DRIVER) for case in tqdm(cases, unit="case", disable=None)])
    picture = Path(__file__).parent / "regression_report.png"
    with TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        page.write_bytes(page_of(batch))
        options = "--headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=3000".split()
        shot = [f"--screenshot={picture}", f"--window-size={_WIDTH},3000", f"--user-data-dir={folder}/profile"]
        address = f"{page.as_uri()}#case={quote(opened)}"
        subprocess.run(["chromium", *options, *shot, address], check=True, capture_output=True)
    with Image.open(picture) as whole:  # the window is so tall that nothing scrolls
        top = whole.crop((0, 0, _WIDTH, _HEIGHT)).convert("RGB").quantize(255, kmeans=2, dither=Image.Dither.NONE)
    top.save(picture, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
