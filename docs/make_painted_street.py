"""Draws `docs/painted_street.webp`: a street of ours by ray casting, as splats, and painted from four noises; and a
real one as photographed, by ray casting, as splats, as lifted, as lifted with the rest painted, and painted.

python docs/make_painted_street.py FOLDER LIFTED
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.bench.cameras import street_view
from uniscene_sim.datasets.lift.drive import read_recorded
from uniscene_sim.evaluation.painted_street import render_views
from uniscene_sim.interfaces import CameraEngine
from uniscene_sim.maps.load import load_map
from uniscene_sim.plugins import construct, load_plugin
from uniscene_sim.recording.preview import font
from uniscene_sim.rigs.rig_file import load_rig

OUT = Path(__file__).with_name("painted_street.webp")
SIZE, GAP, COLUMNS = (480, 270), 4, 3
FRAME, CAMERA = 69, "front_right_camera"


def engine(name: str) -> CameraEngine:
    made: CameraEngine = construct("camera", load_plugin("camera", name))
    return made


def ours() -> dict[str, np.ndarray]:
    """Images of a street of ours by what made them."""
    view = street_view("cut_in", "nuscenes-small")
    spec = next(c for c in load_rig("nuscenes-small").cameras if c.name == "CAM_FRONT_LEFT")
    spec = spec.scaled(SIZE[0] / spec.width)
    names = {"raycast": "raycast", "splat": "splat"}
    names |= {f"painted, noise {k}": f"splat:appearance=appearance,noise={k}" for k in range(4)}
    return {what: engine(name).step([None], [view], [spec])[1][0][spec.name].rgb for what, name in names.items()}


def real(folder: Path, lifted: Path) -> dict[str, np.ndarray]:
    """Images of a real street at the place of a held-out photograph, by what made them."""
    drive = read_recorded(folder, frames=range(80))
    view = next(v for v in drive.views if v.frame == FRAME and v.camera.name == CAMERA)
    pictures = f"splat:appearance={lifted / 'appearance'}"
    names = {"raycast": "raycast", "splat": "splat", "lifted": pictures,
             "lifted, the rest painted": f"{pictures},unseen=appearance_street",
             "painted": "splat:appearance=appearance_street"}  # fmt: skip
    made = render_views(
        drive, load_map(lifted / "map.npz"), {what: engine(name) for what, name in names.items()}, [view]
    )
    with Image.open(view.file) as photograph:
        return {"photograph, held out": np.asarray(photograph.convert("RGB"))} | {k: v[0] for k, v in made.items()}


def main(folder: Path, lifted: Path) -> None:
    images = [*ours().items(), *real(folder, lifted).items()]
    rows = -(-len(images) // COLUMNS)
    canvas = Image.new("RGB", (COLUMNS * (SIZE[0] + GAP) - GAP, rows * (SIZE[1] + GAP) - GAP), (28, 30, 36))
    pen = ImageDraw.Draw(canvas)
    for k, (what, image) in enumerate(images):
        left, top = k % COLUMNS * (SIZE[0] + GAP), k // COLUMNS * (SIZE[1] + GAP)
        canvas.paste(Image.fromarray(image).resize(SIZE, Image.Resampling.LANCZOS), (left, top))
        pen.text((left + 7, top + 5), what, (235, 236, 240), font(15), stroke_width=2, stroke_fill=(0, 0, 0))
    canvas.save(OUT, quality=80, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
