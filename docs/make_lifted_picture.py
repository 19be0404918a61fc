"""Draws `docs/lifted_street.png` from the pictures of `uniscene-sim eval lift ... --pictures FOLDER`.

python docs/make_lifted_picture.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

CAMERAS = ("left_camera", "front_left_camera", "front_camera", "front_right_camera")


def main(folder: Path) -> None:
    """The first judged picture of each camera, as recorded above and as lifted below."""
    columns = []
    for camera in CAMERAS:
        pair = np.asarray(Image.open(min(folder.glob(f"{camera}_*.png"))))
        columns.append(np.concatenate(np.split(pair, 2, axis=1)))
    picture = Image.fromarray(np.concatenate(columns, axis=1))
    picture = picture.resize((picture.width * 5 // 8, picture.height * 5 // 8), Image.Resampling.LANCZOS)
    picture.quantize(200).save(Path(__file__).with_name("lifted_street.png"), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
