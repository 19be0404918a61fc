"""Draws `docs/street_plan.png`: a block of a town as OpenStreetMap has it, and as it is built here.

python docs/make_street_plan.py neukolln.osm.gz
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.assembly import assemble
from uniscene_sim.errors import InputWarning
from uniscene_sim.geometry import Pose
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.osm.extract import OsmExtract, read_extract
from uniscene_sim.rig import CameraSpec, SensorRig
from uniscene_sim.scenario import EgoSpec, Scenario, Spawn, TrafficSpec
from uniscene_sim.storage.output_file import output_file
from uniscene_sim.world.scenario_source import ScenarioSource

SIZE = 480, 540
MIDDLE, SPAN_M, HEIGHT_M = (85.0, 30.0), 150.0, 130.0
FOCAL = HEIGHT_M * SIZE[0] / SPAN_M
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
    """The same block with traffic, from high above; north up."""
    town = load_map(path)
    # The camera hangs over the middle of the picture, wherever the ego is.
    traffic = TrafficSpec(20.0, 40)
    ego = EgoSpec(Spawn(random=True), speed_mps=5.0, target_speed_mps=10.0)
    source = ScenarioSource(Scenario("street_plan", path, 4, 60.0, ego, traffic=traffic), town)
    frame = source.reset()
    here = frame.ego_pose
    above = here.inverse().compose(Pose(*MIDDLE, HEIGHT_M, yaw=np.pi / 2, pitch=np.pi / 2))
    camera = CameraSpec("above", *SIZE, FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2, above, max_range_m=400.0)
    simulator = assemble(source, SensorRig("above", (camera,)), window_grid=None, bev_schema=None)
    return Image.fromarray(simulator.reset().cameras["above"].rgb)


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
