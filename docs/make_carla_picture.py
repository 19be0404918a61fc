"""Draw a moment on a CARLA server and what our sensors see of it: python docs/make_carla_picture.py [docs/carla.png]

The server is the one of the tests, on which `cut_in` happens; the left half is drawn from what the server says of
itself, in its own left-handed frame.
"""

import json
import sys
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.carla_bridge.serving import CarlaServer  # noqa: E402
from uniscene_carla.layout_source import CarlaSource  # noqa: E402
from uniscene_sim.assembly import assemble  # noqa: E402
from uniscene_sim.rigs.rig_file import load_rig  # noqa: E402
from uniscene_sim.storage.disk_cache import user_cache  # noqa: E402
from uniscene_sim.storage.output_file import output_file  # noqa: E402

TICKS, REACH_M = 18, 42.0
KINDS = {"vehicle.": "#f0a030", "walker.": "#7060e0", "static.": "#c05050"}


def box(axes, at, yaw_deg, extent, colour, centre=(0.0, 0.0)):
    turn = np.radians(yaw_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * extent[:2] + np.asarray(centre)[:2]
    axes.add_patch(plt.Polygon(corners @ rotation.T + at[:2], color=colour, lw=0))


def moment():
    """What the server says, its level, and our frame."""
    xodr = ROOT / "scenarios" / "maps" / "urban_grid.xodr"
    values = json.dumps({"scenario": "cut_in", "level": True})
    world = "tests.carla_bridge.scenario_world:ScenarioWorld"
    with CarlaServer(sync=True, world=world, world_values=values, map=xodr, town="UrbanGrid") as server:
        source = CarlaSource.open(f"carla://127.0.0.1:{server.port}?ego=hero")
        simulator = assemble(source, load_rig("nuscenes"), tile_cache=user_cache("tiles"))
        simulator.prepare(source.route_path, progress=True)
        simulator.reset()
        for _ in range(TICKS - 1):
            simulator.advance()
        frame = simulator.step()
        state, standing = server.state(), source._link.world["standing"]
        source.close()
    return state, standing, source.map, frame


def main(out):
    warnings.simplefilter("ignore")
    state, standing, static_map, frame = moment()
    actors = [a for a in state["actors"].values() if a["type_id"].startswith(tuple(KINDS))]
    [ego] = [a for a in actors if a["attributes"].get("role_name") == "hero"]
    x, y, _ = ego["transform"][0]
    figure = plt.figure(figsize=(9.6, 5.4), dpi=200, facecolor="#15161a")
    plan = figure.add_axes([0.01, 0.02, 0.38, 0.91], facecolor="#24262c")
    for lane in static_map.lanes:
        ring = np.vstack([lane.border(1), lane.border(-1)[::-1]])
        colour = {"driving": "#3a3d46", "sidewalk": "#57525f"}.get(lane.kind, "#30333a")
        plan.add_patch(plt.Polygon(np.column_stack([ring[:, 0], -ring[:, 1]]), color=colour, lw=0))
    colours = {"building": "#9a8f86", "tree": "#4f9a4f", "wall": "#b0a040", "pole": "#b0b0b8"}
    for kind, rows in standing.items():
        for u, v, _, yaw, length, width, _ in rows:
            box(plan, np.array([u, -v]), -np.degrees(yaw), np.array([length, width]) / 2, colours[kind])
    for actor in actors:
        colour = "#40c8f0" if actor is ego else next(c for k, c in KINDS.items() if actor["type_id"].startswith(k))
        box(plan, np.array(actor["transform"][0]), actor["transform"][1][1], np.array(actor["extent"]), colour)
    high = REACH_M * 0.91 * 5.4 / (0.38 * 9.6)
    plan.set_xlim(x - 0.6 * REACH_M, x + 1.4 * REACH_M)
    plan.set_ylim(y + high, y - high)  # y points to the right of x: downwards
    plan.set_aspect("equal")
    plan.axis("off")
    figure.text(0.012, 0.945, "the server, in its own left-handed frame", color="#d8dae0", fontsize=8)
    front = figure.add_axes([0.40, 0.335, 0.5925, 0.5925])
    front.imshow(frame.cameras["CAM_FRONT"].rgb)
    figure.text(0.40, 0.945, "our sensors, the same tick", color="#d8dae0", fontsize=8)
    for k, name in enumerate(("CAM_FRONT_LEFT", "CAM_BACK", "CAM_FRONT_RIGHT")):
        small = figure.add_axes([0.40 + 0.1985 * k, 0.02, 0.1955, 0.31])
        small.imshow(frame.cameras[name].rgb)
        small.axis("off")
    front.axis("off")
    with output_file(out) as part:
        figure.savefig(part, format="png", dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "carla.png"))
