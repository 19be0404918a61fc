"""Draws `docs/learned_from_what.svg`: which model learned from which data, and on which it is judged.

python docs/make_learned_from_what.py
"""

from __future__ import annotations

from pathlib import Path

LEFT, MIDDLE, RIGHT, WIDE, HIGH, STEP = 20, 360, 720, 220, 52, 74
#: Places, each with its lines of text.
SOURCES = {
    "seeded": ("seeded towns", "56 towns by our own planner"),
    "osm": ("OpenStreetMap", "six real places, true footprints"),
    "pandaset": ("PandaSet, frames 0 to 59", "one recorded street"),
}
MODELS = {
    "vae": ("occupancy: VAE", "labels to latents and back"),
    "flow": ("occupancy: flow", "roads to houses and trees"),
    "windows": ("occdit, occ-uniscene", "layout and past to windows"),
    "features": ("occupancy_features", "judges, generates nothing"),
    "lidar": ("lidar", "cells to sweeps"),
    "real": ("lidar_pandaset", "cells to sweeps, real sensor"),
    "painter": ("appearance", "surfaces to their colours"),
    "street": ("appearance_street", "the same, of a real street"),
}
JUDGES = {
    "held": ("other seeded towns", "by the same planner"),
    "taipei": ("Taipei", "OpenStreetMap, held out whole"),
    "last": ("PandaSet, frames 60 to 79", "the same street, later"),
}
LEARNED = (("seeded", "vae"), ("seeded", "flow"), ("osm", "flow"), ("pandaset", "flow"), ("seeded", "features"),
           ("seeded", "windows"), ("osm", "windows"), ("pandaset", "windows"),
           ("seeded", "lidar"), ("pandaset", "real"), ("lidar", "real"),
           ("seeded", "painter"), ("pandaset", "street"), ("painter", "street"))  # fmt: skip
JUDGED = (("vae", "held"), ("flow", "held"), ("flow", "taipei"), ("windows", "held"), ("lidar", "held"),
          ("lidar", "last"), ("real", "last"), ("painter", "held"), ("street", "last"))  # fmt: skip


def main() -> None:
    places: dict[str, tuple[float, float]] = {}
    high = 44 + len(MODELS) * STEP
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {high}" font-family="sans-serif" font-size="13">',
           f'<rect width="960" height="{high}" fill="#ffffff"/>']  # fmt: skip
    boxes = []
    for x, title, column, colour in ((LEFT, "learned from", SOURCES, "#dbe9f6"), (MIDDLE, "model", MODELS, "#e3f1dd"),
                                     (RIGHT, "judged on", JUDGES, "#f8e6d2")):  # fmt: skip
        out.append(f'<text x="{x}" y="24" font-weight="bold">{title}</text>')
        top = 44 + (len(MODELS) - len(column)) * STEP / 2
        for n, (name, (head, text)) in enumerate(column.items()):
            y = top + n * STEP
            places[name] = x, y + HIGH / 2
            boxes.append(f'<rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6" fill="{colour}" stroke="#555"/>')
            boxes.append(f'<text x="{x + 12}" y="{y + 22}" font-weight="bold">{head}</text>')
            boxes.append(f'<text x="{x + 12}" y="{y + 40}" fill="#333">{text}</text>')
    for pairs, dash in ((LEARNED, ""), (JUDGED, ' stroke-dasharray="5 4"')):
        for one, other in pairs:
            (x0, y0), (x1, y1) = places[one], places[other]
            if x0 == x1:  # a model that goes on from another
                path = f"M {x0 + WIDE / 2} {y0 + HIGH / 2} L {x1 + WIDE / 2} {y1 - HIGH / 2}"
            else:
                path = f"M {x0 + WIDE} {y0} C {x0 + WIDE + 70} {y0}, {x1 - 70} {y1}, {x1} {y1}"
            out.append(f'<path d="{path}" fill="none" stroke="#666" stroke-width="1.6"{dash}/>')
    drawing = "\n".join([*out, *boxes, "</svg>\n"])
    (Path(__file__).parent / "learned_from_what.svg").write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
