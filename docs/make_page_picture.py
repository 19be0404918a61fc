"""Writes page.webp: the page of a recording at a moment, as Chromium shows it."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.page.build import page_of


def main(recording: str, seconds: str = "3.2") -> None:
    """Args: the recording, and the moment."""
    with TemporaryDirectory() as folder:
        page, picture = Path(folder, "page.html"), Path(folder, "page.png")
        page.write_bytes(page_of(Recording.open(recording)))
        options = "--headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=3000".split()
        shot = [f"--screenshot={picture}", "--window-size=1280,800", f"--user-data-dir={folder}/profile"]
        subprocess.run(["chromium", *options, *shot, f"{page.as_uri()}#t={seconds}"], check=True, capture_output=True)
        with Image.open(picture) as shown:
            shown.convert("RGB").save(Path(__file__).parent / "page.webp", quality=86, method=6)


if __name__ == "__main__":
    main(*sys.argv[1:])
