"""Draws `docs/street_plan.png`: a block of a town as OpenStreetMap has it, and as it is built here.

python docs/make_street_plan.py neukolln.osm.gz
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.errors import InputWarning
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import GridSpec
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.osm.extract import OsmExtract, read_extract
from uniscene_sim.occupancy.dense_labels import window_labels
from uniscene_sim.occupancy.procedural.plan import plan_map
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.taxonomy import OccClass

SIZE = 480, 540
MIDDLE, SPAN_M = (85.0, 30.0), 160.0
VOXEL_M = 0.4
COLOURS = {
    OccClass.DRIVEABLE_SURFACE: (104, 104, 110), OccClass.OTHER_FLAT: (150, 128, 128),
    OccClass.SIDEWALK: (188, 176, 164), OccClass.TERRAIN: (136, 158, 104), OccClass.MANMADE: (196, 160, 130),
    OccClass.VEGETATION: (62, 112, 52), OccClass.PED_CROSSING: (240, 240, 240),
    OccClass.ROAD_DIVIDER: (240, 220, 120), OccClass.LANE_DIVIDER: (230, 230, 230),
}  # fmt: skip
STREET_M = {"footway": 2.0, "path": 2.0, "cycleway": 2.0, "steps": 2.0, "service": 4.5, "secondary": 14.0}


def plan(extract: OsmExtract) -> Image.Image:
    """The extract's own lines: footprints by known storeys, ways, trees; north up."""
    large = Image.new("RGB", (2 * SIZE[0], 2 * SIZE[1]), (236, 233, 226))
    draw, scale = ImageDraw.Draw(large), 2 * SIZE[0] / SPAN_M

    def pixels(xy: np.ndarray) -> list[tuple[float, float]]:
        x, y = (xy - MIDDLE).T * scale
        return list(zip((SIZE[0] + x).tolist(), (SIZE[1] - y).tolist(), strict=True))

    for way in extract.ways:
        if "highway" in way.tags and "tunnel" not in way.tags:
            wide = STREET_M.get(way.tags["highway"], 8.0)
            small = wide < 3.0
            draw.line(pixels(way.xy), (214, 170, 150) if small else (255, 255, 255), round(wide * scale), "curve")
    for area in extract.areas:
        if "building" in area.tags:
            levels = min(float(area.tags.get("building:levels", 2)), 7.0)
            shade = int(208 - 12 * levels)
            for k, ring in enumerate(area.rings):
                fill = (shade, shade - 10, shade - 22) if k == 0 else (236, 233, 226)
                draw.polygon(pixels(ring), fill, (110, 98, 86))
    for place in extract.places:
        if place.tags.get("natural") == "tree":
            ((x, y),) = pixels(place.xy[None])
            draw.ellipse((x - 14, y - 14, x + 14, y + 14), (136, 176, 116))
    return large.resize(SIZE, Image.Resampling.LANCZOS)


def built(path: Path) -> Image.Image:
    """Occupancy of the same block from above, lighter where it is higher; north up."""
    town, pose = load_map(path), Pose(*MIDDLE, 0.0, yaw=np.pi / 2)
    deep, wide = round(SPAN_M * SIZE[1] / SIZE[0] / VOXEL_M), round(SPAN_M / VOXEL_M)
    grid = GridSpec(VOXEL_M, (deep, wide, 80), (-0.5 * deep * VOXEL_M, -0.5 * wide * VOXEL_M, -1.0))
    labels = window_labels(plan_map(town, 3), town, pose, grid)
    filled = labels != OccClass.FREE
    top = labels.shape[2] - 1 - filled[:, :, ::-1].argmax(axis=2)
    seen = np.take_along_axis(labels, top[..., None], axis=2)[..., 0]
    rise = np.clip(np.diff(top, axis=0, prepend=top[:1]) + np.diff(top, axis=1, prepend=top[:, :1]), -6, 6)
    light = 0.8 + 0.004 * top + 0.035 * rise
    colours = np.zeros((len(OccClass), 3))
    for label, colour in COLOURS.items():
        colours[label] = colour
    rgb = np.clip(colours[seen] * light[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(rgb[::-1, ::-1]).resize(SIZE, Image.Resampling.BICUBIC)


def main() -> None:
    path = Path(sys.argv[1])
    warnings.simplefilter("ignore", InputWarning)
    sheet = np.concatenate([np.asarray(plan(read_extract(path))), np.asarray(built(path))], axis=1)
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    for x, text in ((8, "OpenStreetMap"), (SIZE[0] + 8, "uniscene_sim")):
        draw.text((x, 6), text, fill=(255, 255, 255), stroke_width=2, stroke_fill=0)
    draw.text((8, SIZE[1] - 18), "(c) OpenStreetMap contributors", fill=(255, 255, 255), stroke_width=2, stroke_fill=0)
    with output_file(Path(__file__).parent / "street_plan.png") as part:
        picture.quantize(192).save(part, optimize=True)


if __name__ == "__main__":
    main()
