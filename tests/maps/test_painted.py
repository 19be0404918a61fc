"""Painted maps: what was painted is what is driven on, what lanes would be needed for is refused."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.painted.painted_map import PaintedMap
from uniscene_sim.occupancy.procedural.engine import ProceduralOccupancy
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.taxonomy import MATERIAL_LABEL, OccClass
from uniscene_sim.tile import BLOCK_CELLS, CELL_M, TILE_M
from uniscene_sim.world.scenario_source import ScenarioSource

STEP_M = 0.5
SHAPE = (260, 160)  # 130 x 80 m
ORIGIN = (-10.0, -40.0)


def street(**more: np.ndarray) -> PaintedMap:
    """A straight street along x with walkways, a bend at its end, a crossing and a divider."""
    x, y = places()
    road = (abs(y) < 4) | (abs(np.hypot(x - 100, y + 20) - 20) < 4) & (x > 100)
    painted = {
        "drivable_area": road,
        "walkway": (abs(y) < 7) & ~road & (x < 100),
        "ped_crossing": (abs(x - 50) < 2) & (abs(y) < 4),
        "road_divider": (abs(y) < 0.5) & (abs(x - 50) > 6) & (x < 100),
        **more,
    }
    return PaintedMap("street", tuple(painted), np.stack(list(painted.values())), STEP_M, ORIGIN)


def places() -> tuple[np.ndarray, np.ndarray]:
    """Middles of all cells, m."""
    i, j = np.indices(SHAPE)
    return ORIGIN[0] + (i + 0.5) * STEP_M, ORIGIN[1] + (j + 0.5) * STEP_M


def scenario_file(folder, **changes):
    """A scenario that drives down the street at 8 m/s, with agents of all kinds that need no lanes."""
    drive = [[0.5 * k, 4.0 * k, -2.0] for k in range(24)]
    data = {
        "map": "street.npz",
        "duration_s": 6,
        "ego": {"spawn": {"x": 0, "y": -2}, "speed_mps": 8, "trajectory": drive},
        "agents": [
            {"name": "oncoming", "class": "car", "behaviour": "trajectory", "spawn": {"x": 90, "y": 2, "yaw_deg": 180},
             "trajectory": [[0, 90, 2], [6, 42, 2]]},
            {"name": "parked", "class": "car", "behaviour": "parked", "spawn": {"x": 30, "y": 5.5, "free": True}},
            {"name": "walker", "class": "pedestrian", "behaviour": "walk", "speed_mps": 1.2,
             "spawn": {"x": 70, "y": -5.5, "yaw_deg": 180}},
        ],
        "criteria": [{"kind": "collision", "value": 0}, {"kind": "off_road", "value": 0}],
        **changes,
    }  # fmt: skip
    path = folder / "mine.yaml"
    path.write_text(json.dumps(data))
    return path


@pytest.fixture(scope="module")
def painted() -> PaintedMap:
    return street()


@pytest.fixture
def folder(tmp_path, painted):
    painted.save(tmp_path / "street.npz")
    return tmp_path


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["street.npz", "street"])
def test_a_map_comes_back_from_disk_as_it_was(tmp_path, painted, name):
    painted.save(tmp_path / name)
    painted.save(tmp_path / name)  # takes its own place
    back = load_map(tmp_path / name)
    assert (back.name, back.ref, back.bounds) == ("street", painted.ref, painted.bounds)
    assert isinstance(back, PaintedMap) and np.array_equal(back.raster, painted.raster)
    assert [f.name for f in tmp_path.iterdir()] == [name]


def test_pictures_are_north_up(tmp_path):
    """The pixel in the third column and the last row lies at the third cell in x and the first in y."""
    pixels = np.zeros((40, 60), np.uint8)
    pixels[39, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "drivable_area.png")
    (tmp_path / "map.yaml").write_text("resolution_m: 0.5\norigin: [10, 20]\n")
    assert np.argwhere(PaintedMap.load(tmp_path).cells("drivable_area")).tolist() == [[2, 0]]
    layout = PaintedMap.load(tmp_path).rasterise((11.25, 20.25, 0.0), (1, 1), 0.5)
    assert layout.data[layout.schema.index("drivable_area")].tolist() == [[1]]


def test_pictures_of_any_palette_are_read_as_they_look(tmp_path):
    cells = np.zeros((30, 30), bool)
    cells[5:9, 4:20] = True
    grey = Image.fromarray(np.where(cells, 90, 0).astype(np.uint8))
    (tmp_path / "map.yaml").write_text("resolution_m: 1\norigin: [0, 0]\n")
    found = []
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        picture = Image.fromarray(cells) if mode == "1" else grey.convert(mode)
        picture.save(tmp_path / "drivable_area.png")
        found.append(PaintedMap.load(tmp_path).ref)
    assert len(set(found)) == 1


def test_what_lies_in_a_folder_is_not_overwritten(tmp_path, painted):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'notes.txt' too"):
        painted.save(tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"channels": ("drivable_arae",)}, r"channels: unknown channel 'drivable_arae' \(did you mean drivable_area"),
        ({"channels": ("car",)}, r"channels: 'car': agents and props go into the scenario"),
        ({"raster": np.zeros((1, 4, 4), bool)}, r"drivable_area: nothing is drivable"),
        ({"raster": np.ones((2, 4, 4), bool)}, r"raster: expected \(1 channels, X, Y\), got \(2, 4, 4\)"),
        ({"raster": np.ones((1, 4, 4), float)}, r"raster: expected uint8 or bool, got float64"),
        ({"raster": np.ones((1, 0, 4), bool)}, r"raster: expected 1 to 16,777,216 cells, got 0 x 4"),
        ({"resolution_m": 0.0}, r"resolution_m: expected 0.05 to 2 m, got 0"),
        ({"resolution_m": float("nan")}, r"resolution_m: expected"),
        ({"origin": (float("inf"), 0.0)}, r"origin: expected"),
    ],
)
def test_a_malformed_raster_is_refused(change, expected):
    good = {"channels": ("drivable_area",), "raster": np.ones((1, 4, 4), bool), "resolution_m": 0.5}
    with pytest.raises(InputError, match=expected):
        PaintedMap("mine", **{**good, **change})


def test_malformed_files_are_refused_by_name(tmp_path, painted, capsys):
    folder, damaged, short = tmp_path / "street", tmp_path / "damaged.npz", tmp_path / "short.npz"
    painted.save(folder)
    painted.save(damaged)
    data = damaged.read_bytes()
    damaged.write_bytes(data[: len(data) // 2] + bytes(64) + data[len(data) // 2 + 64 :])
    np.savez(short, raster=painted.raster, channels=np.array(painted.channels))
    for change, expected in (
        (lambda: None, ""),
        (lambda: Image.fromarray(np.zeros((3, 3), np.uint8)).save(folder / "stop_line.png"), "stop_line.png: is 3 x 3"),
        (lambda: (folder / "stop_line.png").write_bytes(b"no picture"), "stop_line.png: cannot be read as a PNG"),
        (lambda: (folder / "stop_line.png").rename(folder / "kerbs.png"), "kerbs.png: channels: unknown channel"),
        (lambda: (folder / "map.yaml").write_text("resolution_m: 0.5\n"), "map.yaml:1: 'origin' is a required"),
        (lambda: (folder / "map.yaml").unlink(), "no map.yaml in this folder"),
    ):
        change()
        assert main(["validate", str(folder)]) == (2 if expected else 0)
        assert expected in capsys.readouterr().err
    assert main(["validate", str(damaged)]) == 2
    assert "damaged.npz: is damaged or something else, expected a painted map" in capsys.readouterr().err
    assert main(["validate", str(short)]) == 2
    assert "short.npz: resolution_m: not there" in capsys.readouterr().err


# --- the ground -------------------------------------------------------------------------------------------------------


def test_the_raster_around_a_pose_is_what_was_painted(painted):
    middle = 0.5 * (np.array(painted.bounds[:2]) + painted.bounds[2:])
    layout = painted.rasterise((*middle, 0.0), SHAPE, STEP_M)
    for name in painted.channels:
        assert np.array_equal(layout.data[layout.schema.index(name)], painted.cells(name)), name
    turned = painted.rasterise((*middle, np.pi), SHAPE, STEP_M)
    assert np.array_equal(turned.data, layout.data[:, ::-1, ::-1])


def test_the_middle_of_every_cell_is_road_where_it_was_painted(painted):
    x, y = (at.ravel() for at in places())
    assert np.array_equal(painted.surface.drivable(x, y, np.zeros(x.size)), painted.road.ravel())


def test_walkways_lie_a_kerb_above_the_road(painted):
    x, y = places()
    heights = painted.surface_height(x.ravel(), y.ravel(), np.zeros(x.size)).reshape(SHAPE)
    assert np.abs(heights[painted.road]).max() == 0.0
    inner = painted.walk & (abs(abs(y) - 5.5) < 1.0) & (x < 95)
    assert inner.any() and np.all(heights[inner] == 0.13)
    open_ground = ~painted.road & ~painted.walk
    beside = open_ground & (abs(y) < 8) & (x < 95)
    assert beside.any() and np.abs(heights[beside] - 0.13).max() < 0.1


def test_no_edge_moves_by_more_than_half_a_cell():
    """A disc and a slanting street, painted in coarse cells, are read with smooth edges."""
    x, y = places()
    cells = np.hypot(x - 50, y) < 25.2
    surface = PaintedMap("disc", ("drivable_area",), cells[None], STEP_M, ORIGIN).surface
    angle = np.linspace(0, 2 * np.pi, 1000)
    for radius, inside in ((25.2 - 0.36, True), (25.2 + 0.36, False)):
        at = 50 + radius * np.cos(angle), radius * np.sin(angle)
        assert np.all(surface.drivable(*at, np.zeros(1000)) == inside)


# --- tiles ------------------------------------------------------------------------------------------------------------


def solid_cells(static_map, label, seed=3):
    """Places (N, 2) of all cells of a label in the tiles that the map lies in."""
    engine = ProceduralOccupancy(static_map, seed)
    x0, y0, x1, y1 = static_map.bounds
    found = []
    for ix in range(int(x0 // TILE_M), int(x1 // TILE_M) + 1):
        for iy in range(int(y0 // TILE_M), int(y1 // TILE_M) + 1):
            tile = engine.tile(ix, iy)
            blocks = np.argwhere(tile.blocks >= 0)
            rows = tile.blocks[tuple(blocks.T)]
            block, i, j, _ = np.nonzero(MATERIAL_LABEL[tile.materials[rows]] == label)
            cells = blocks[block, :2] * BLOCK_CELLS + np.column_stack([i, j])
            found.append((cells + 0.5) * CELL_M + np.array([ix, iy]) * TILE_M)
    return np.concatenate(found)


def test_houses_stand_where_they_were_painted_and_nowhere_else():
    x, y = places()
    house = (abs(x - 40) < 6) & (abs(y - 16) < 5)
    static_map = street(building=house, vegetation=np.zeros(SHAPE, bool))
    built = solid_cells(static_map, OccClass.MANMADE)
    off_house = np.maximum(abs(built[:, 0] - 40) - 6, abs(built[:, 1] - 16) - 5)
    inside = off_house < 0.5 * CELL_M
    assert inside.sum() > 1000
    furniture = -static_map.surface.paved.at(*built.T) < 5.0  # lamps and fences stand beside the street
    assert np.all(inside | furniture)
    at = np.floor((built - ORIGIN) / STEP_M).astype(int)
    covered = np.zeros(SHAPE, bool)
    covered[tuple(at[inside].T)] = True
    assert (covered & house).sum() > 0.6 * house.sum()


def test_without_a_channel_of_houses_the_street_is_built_up(painted):
    built = solid_cells(painted, OccClass.MANMADE)
    grown = solid_cells(painted, OccClass.VEGETATION)
    assert len(built) > 20_000 and len(grown) > 1000
    i, j = np.floor((built - ORIGIN) / STEP_M).astype(int).T
    inside = (i >= 0) & (j >= 0) & (i < SHAPE[0]) & (j < SHAPE[1])
    assert not painted.road[i[inside], j[inside]].any()


def test_a_stroke_of_road_blocks_is_a_row_of_barriers():
    x, y = places()
    blocked = street(road_block=(abs(x - 60) < 0.5) & (y > -4) & (y < 0))
    barriers = [o for o in blocked.objects if o.kind == "barrier"]
    assert len(barriers) == 2 or len(barriers) == 3
    for barrier in barriers:
        assert abs(barrier.position[0] - 60) < 0.3 and -4 < barrier.position[1] < 0
        across = abs(np.sin(barrier.yaw))  # its width lies along the stroke, so it faces along the street
        assert across < 0.2


def test_the_same_picture_gives_the_same_tiles(tmp_path, painted):
    painted.save(tmp_path / "street")
    first, second = (ProceduralOccupancy(m, 7) for m in (painted, load_map(tmp_path / "street")))
    second.tile(1, -1)
    a, b = first.tile(0, 0), second.tile(0, 0)
    for name in ("blocks", "materials", "brick_of", "bricks", "ground", "paint"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


# --- driving ----------------------------------------------------------------------------------------------------------


def test_the_ego_drives_its_trajectory_and_agents_theirs(folder):
    scenario = load_scenario(scenario_file(folder))
    source = ScenarioSource(scenario, load_map(scenario.map))
    source.reset()
    while not source.done:
        frame = source.step(source.driver_control(), 100_000)[-1]
        t = frame.stamp_us * 1e-6
        ego = frame.ego_pose
        assert np.hypot(ego.x - 8 * t, ego.y + 2) < 0.5, t
        others = {int(a["id"]): a["pos"] for a in frame.agents}
        x, _, z = next(p for p in others.values() if abs(p[1] - 2) < 0.1)
        assert (x, z) == (pytest.approx(90 - 8 * t, abs=0.1), pytest.approx(0.0, abs=0.01))
    assert source.outcome.status == "SUCCESS"
    walker = next(a for a in frame.agents if a["size"][0] < 1.2)
    assert walker["pos"][0] == pytest.approx(70 - 1.2 * 6, abs=0.3)
    assert walker["pos"][2] == pytest.approx(0.13, abs=0.01)


def test_a_trajectory_off_the_road_is_counted(folder):
    drive = [[0, 0, -2], [4, 32, -12]]
    path = scenario_file(folder, ego={"spawn": {"x": 0, "y": -2}, "speed_mps": 8, "trajectory": drive}, agents=[])
    scenario = load_scenario(path)
    source = ScenarioSource(scenario, load_map(scenario.map))
    source.reset()
    while not source.done:
        source.step(source.driver_control(), 100_000)
    assert source.outcome.status == "FAILURE"


def test_a_run_sees_the_painted_street_and_repeats(folder):
    scenario = load_scenario(scenario_file(folder, duration_s=1))
    digests = []
    for _ in range(2):
        simulator = assemble(ScenarioSource(scenario, load_map(scenario.map)), load_rig("rl"))
        simulator.reset()
        while not simulator.source.done:
            frame = simulator.step()
        digests.append(frame.digests)
        layout = frame.bev
        assert layout is not None
        drivable = layout.data[layout.schema.index("drivable_area")]
        assert 0.02 < drivable.mean() < 0.6
    assert digests[0] == digests[1]


def test_agents_are_drawn_into_the_layout(folder):
    scenario = load_scenario(scenario_file(folder))
    source = ScenarioSource(scenario, load_map(scenario.map))
    frame = source.reset()
    schema = LayoutSchema()
    layout = rasterise(source.map, (45.0, 0.0, 0.0), (200, 40), 0.5, 0.0, schema, frame.agents)
    assert 2 * 20 < layout.data[schema.index("car")].sum() < 2 * 60


def test_a_painted_map_is_baked(folder, capsys):
    static_map = load_map(folder / "street.npz")
    assert len(static_map.road_points()) > 80
    assert main(["bake", str(folder / "street.npz"), "--rig", "rl"]) == 0
    assert main(["bake", str(folder / "street.npz"), "--rig", "rl"]) == 0
    assert " 0 made" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ego": {"spawn": {"x": 0, "y": -2}, "goal": [90, -2]}}, "ego.goal: a route leads along lanes"),
        ({"ego": {"spawn": {"x": 0, "y": -2}, "via": [[90, -2]]}}, "ego.via: a route leads along lanes"),
        ({"ego": {"spawn": {"random": True}}}, "ego.spawn.random: it is a place on a lane"),
        ({"ego": {"spawn": {"x": 0, "y": -2}, "route_m": 90}}, "ego.route_m: a route leads along lanes"),
        ({"ego": {"spawn": {"x": 0, "y": -200}}}, r"ego.spawn: .*outside the map"),
        ({"ego": {"spawn": {"x": 0, "y": -2}, "trajectory": [[0, 9, -2], [1, 20, -2]]}}, "trajectory: begins 9.0 m"),
        ({"traffic": {"vehicles_per_km": 5}}, "traffic.vehicles_per_km: ambient traffic keeps to lanes"),
        ({"traffic": {"pedestrians": 5}}, "traffic.pedestrians: ambient pedestrians"),
        (
            {"agents": [{"name": "a", "class": "car", "spawn": {"relative_to": "ego", "ahead_m": 9}}]},
            r"agents\[0\].spawn.relative_to: it is measured along a lane",
        ),
        (
            {"agents": [{"name": "a", "class": "car", "spawn": {"x": 9, "y": 2}}]},
            r"agents\[0\].behaviour: traffic keeps to lanes",
        ),
        (
            {"events": [{"trigger": {"kind": "time", "value": 1},
                         "actions": [{"kind": "lane_change", "agent": "parked", "direction": "left"}]}]},
            r"events\[0\].actions\[0\]: lane_change goes from lane to lane",
        ),
    ],
)  # fmt: skip
def test_what_needs_lanes_is_refused(folder, change, expected, capsys):
    path = scenario_file(folder, **change)
    scenario = load_scenario(path)
    with pytest.raises(InputError, match=expected):
        ScenarioSource(scenario, load_map(scenario.map)).reset()
    assert main(["run", str(path), "--out", str(folder / "out")]) == 2
    error = capsys.readouterr().err
    assert "mine.yaml" in error and error.count("\n") == 1
    assert not (folder / "out").exists()


def test_a_trajectory_takes_the_place_of_a_goal(folder):
    ego = {"spawn": {"x": 0, "y": -2}, "trajectory": [[0, 0, -2], [1, 8, -2]], "goal": [90, -2]}
    with pytest.raises(InputError, match="takes the place of goal and via"):
        load_scenario(scenario_file(folder, ego=ego))


def test_an_ego_on_lanes_may_drive_a_trajectory_too(tmp_path):
    """The route it is measured by is the trajectory; the criteria of lanes hold as ever."""
    drive = [[0.5 * k, 21.75 + 4.0 * k, -1.75] for k in range(11)]
    data = {
        "map": "urban_grid",
        "duration_s": 5.5,
        "ego": {"spawn": {"x": 21.75, "y": -1.75, "yaw_deg": 0}, "speed_mps": 8, "trajectory": drive},
        "criteria": [{"kind": "route_completion", "value": 0.95}, {"kind": "off_road", "value": 0}],
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    scenario = load_scenario(path)
    source = ScenarioSource(scenario, load_map(scenario.map))
    source.reset()
    while not source.done:
        source.step(source.driver_control(), 100_000)
    assert source.outcome.status == "SUCCESS", source.outcome
