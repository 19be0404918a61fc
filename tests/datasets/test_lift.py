"""A street in PandaSet's format, made on the spot, lifted into a world that runs; and the real one, where it is."""

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from tests.datasets.formats.test_pandaset import GROUND_M, pandaset
from uniscene_sim.assembly import assemble, tile_store
from uniscene_sim.cli.main import main
from uniscene_sim.cli.validate import check_file
from uniscene_sim.datasets.formats.pandaset import read_pandaset_street
from uniscene_sim.datasets.lift.drive import boxes_at, read_recorded
from uniscene_sim.datasets.lift.lift import APPEARANCE, FILES, lift
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.load import load_map
from uniscene_sim.maps.recorded.recorded_map import RecordedMap
from uniscene_sim.maps.recorded.solid_cells import SolidCells
from uniscene_sim.plugins import open_source
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.scenario_files.read import load_scenario
from uniscene_sim.taxonomy import Material, OccClass
from uniscene_sim.tracing.agents import pose_agents, template_arrays
from uniscene_sim.tracing.atlas import TileAtlas
from uniscene_sim.tracing.kernels import trace_rays
from uniscene_sim.tracing.templates.template_set import built_in_templates
from uniscene_sim.wire.map_bytes import map_message, map_of

pytestmark = pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
FRAMES, WALL_X = 6, 12.1


def with_camera(folder, sizes=((48, 27),) * FRAMES):
    """A camera 1.5 m above the frame of the car that looks along y."""
    place = folder / "camera/front_camera"
    place.mkdir(parents=True)
    half = float(np.sqrt(0.5))
    poses = [{"position": {"x": 0.0, "y": 0.5 * k, "z": 1.5}, "heading": {"w": half, "x": -half, "y": 0.0, "z": 0.0}}
             for k in range(FRAMES)]  # fmt: skip
    (place / "poses.json").write_text(json.dumps(poses))
    (place / "timestamps.json").write_text(json.dumps([100.0 + 0.1 * k for k in range(FRAMES)]))
    (place / "intrinsics.json").write_text(json.dumps({"fx": 1920.0, "fy": 1920.0, "cx": 960.0, "cy": 540.0}))
    for k, size in enumerate(sizes):
        Image.new("RGB", size).save(place / f"{k:02d}.jpg")
    return folder


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return with_camera(pandaset(tmp_path_factory.mktemp("street") / "001", frames=FRAMES))


@pytest.fixture(scope="module")
def lifted(street, tmp_path_factory):
    return lift(street, tmp_path_factory.mktemp("lifted") / "001", reach_m=30.0)


def depths(static_map, origins, directions) -> np.ndarray:
    atlas = TileAtlas(tile_store("procedural", static_map, 0))
    atlas.update(*origins[0, :2].tolist(), 60.0)
    templates = built_in_templates()
    nobody = pose_agents(*_nobody(), templates)
    return trace_rays(atlas.arrays, nobody, template_arrays(templates), origins, directions, 80.0)[0]


def _nobody():
    from uniscene_sim.layout import AGENT_DTYPE
    from uniscene_sim.tracing.agents import agent_motion
    from uniscene_sim.world.scenario_source import ScenarioSource

    frame = replace(ScenarioSource.open("cut_in").reset(), agents=np.zeros(0, AGENT_DTYPE))
    return frame, agent_motion(frame, (), 0.0)


def test_rays_end_where_they_did(lifted, street):
    """Wall and road are met where sweeps met them; the parked car's place is empty, since it is an agent."""
    sweep = read_pandaset_street(street).sweep(read_pandaset_street(street).moments[2])
    static = ~sweep.moving
    ways = sweep.ends[static] - sweep.origins[static]
    range_m = np.linalg.norm(ways, axis=1)
    found = depths(lifted.map, sweep.origins[static], ways / range_m[:, None])
    error = np.abs(found - range_m)
    wall = sweep.label[static] == OccClass.MANMADE
    assert np.median(error[wall]) < 0.1 and (error[wall] < 0.3).mean() > 0.95
    assert np.median(error[~wall]) < 0.05
    to_car = np.array([[-1.0, 8.0, 0.3]]), np.array([[-1.0, 0.0, 0.0]])
    assert depths(lifted.map, *to_car)[0] > 5.0


def test_the_ground_is_where_it_was_seen(lifted):
    surface = lifted.map.surface
    x, y = np.array([0.0, -8.0, 40.0]), np.array([5.0, 2.0, 5.0])
    assert np.allclose(surface.height(x, y, np.zeros(3))[:2], GROUND_M, atol=0.02)
    z = surface.height(x, y, np.zeros(3))
    assert surface.rank(x, y, z).tolist() == [3, 3, -1] and surface.rank(x, y, z + 5.0).tolist() == [-1, -1, -1]
    one, other = surface.ground(0.0, 0.0, 321, 0.2)[0], surface.ground(64.0, 0.0, 321, 0.2)[0]
    assert np.array_equal(one[-1], other[0])
    sub = surface.ground(0.0, 0.0, 2, 0.2)[0]
    assert sub[1, 1] == pytest.approx(surface.height(np.array([0.2]), np.array([0.2]), np.zeros(1))[0])


def test_the_file_is_the_map(lifted, tmp_path):
    read = load_map(lifted.folder / "map.npz")
    assert isinstance(read, RecordedMap) and read.ref == lifted.map.ref
    for f in fields(SolidCells):
        assert np.array_equal(getattr(read.solids, f.name), getattr(lifted.map.solids, f.name))
    sent = map_of(map_message(read))
    assert isinstance(sent, RecordedMap) and sent.ref == read.ref
    assert set(read.solids.material.tolist()) == {int(Material.WALL_CONCRETE)}
    arrays = dict(np.load(lifted.folder / "map.npz"))
    for name, change in (
        ("street_height", lambda a: np.where(a == a.max(), np.nan, a)),
        ("street_material", lambda a: np.full_like(a, 255)),
        ("street_raster", lambda a: a[:, :-1]),
        ("street_brick", lambda a: a + np.uint64(1)),
    ):
        np.savez(tmp_path / "bad.npz", **{**arrays, name: change(arrays[name])})
        with pytest.raises(InputError, match=r"bad\.npz"):
            load_map(tmp_path / "bad.npz")


def test_a_tile_is_the_same_each_time_and_nothing_is_planned(lifted):
    engine = tile_store("procedural", lifted.map, 0).engine
    one, again = engine.tile(0, 0), engine.tile(0, 0)
    assert all(np.array_equal(getattr(one, f.name), getattr(again, f.name)) for f in fields(one) if f.name != "index")
    other = tile_store("procedural", lifted.map, 5).engine.tile(0, 0)
    assert np.array_equal(one.materials, other.materials) and not len(engine.objects(0.0, 0.0, 100.0))
    assert len(one.bricks) and set(np.unique(one.materials)) == {int(Material.NONE), int(Material.WALL_CONCRETE)}


def test_it_runs_and_the_user_may_move_ego_and_agents(lifted, tmp_path):
    for name in ("drive.yaml", "recorded.yaml"):
        check_file(lifted.folder / name)
    rig = load_rig(lifted.folder / "rig.yaml")
    assert [c.name for c in rig.cameras] == ["front_camera"] and rig.cameras[0].width == 48
    frames = []
    for _ in range(2):
        simulator = assemble(open_source(str(lifted.folder / "drive.yaml")), rig)
        simulator.reset()
        frames.append([simulator.step() for _ in range(3)][-1])
    assert frames[0].digests == frames[1].digests
    (car,) = frames[0].layout.agents
    assert np.allclose(car["pos"][:2], [-6.0, 8.0], atol=0.05) and car["pos"][2] == pytest.approx(GROUND_M, abs=0.03)
    assert len(frames[0].sweeps["pandar64"].xyz) > 1000
    moved = tmp_path / "moved"
    shutil.copytree(lifted.folder, moved)
    text = (moved / "drive.yaml").read_text().replace("x: -6.0, y: 8.0", "x: -3.0, y: 15.0")
    (moved / "drive.yaml").write_text(text)
    agent = open_source(str(moved / "drive.yaml")).reset().agents[0]
    assert np.allclose(agent["pos"][:2], [-3.0, 15.0])


def test_the_ego_of_the_recording_drives_as_it_did(lifted):
    scenario = load_scenario(lifted.folder / "recorded.yaml")
    rows = np.array(scenario.ego.trajectory)
    assert np.allclose(np.diff(rows[:, 2]) / np.diff(rows[:, 0]), 5.0, atol=0.1)
    assert len(lifted.map.lanes) == 1 and lifted.map.lanes[0].length > 10.0
    lane, _, aside = lifted.map.nearest_lane(0.0, 0.0)
    assert lane == 0 and abs(aside) < 0.1


def test_what_colours_are_learned_from(street):
    drive = read_recorded(street, frames=range(1, 4))
    assert [view.frame for view in drive.views] == [1, 2, 3] == [m.number for m in drive.street.moments]
    view = drive.views[0]
    assert view.time_s == pytest.approx(0.1) and np.allclose(view.pose[:3, 3], [0.0, 0.5, 1.5])
    assert np.allclose(view.pose[:3, 2], [0.0, 1.0, 0.0], atol=1e-6)  # it looks along y
    (box,) = boxes_at(drive.tracks, view.time_s)
    assert np.allclose(box[:3], [-6.0, 8.0, GROUND_M], atol=0.01) and np.allclose(box[4:7], [4.6, 1.9, 1.6])
    assert not len(boxes_at(drive.tracks, 9.0))


# --- what is not as it should be --------------------------------------------------------------------------------------


def test_what_nobody_saw_is_told(street, tmp_path):
    with pytest.warns(InputWarning, match="within 15 m is left empty, and the ground level"):
        lift(street, tmp_path / "w", frames=range(2), reach_m=15.0)


def test_missing_sweeps_and_odd_pictures_are_done_without(street, tmp_path):
    folder = tmp_path / "002"
    shutil.copytree(street, folder)
    (folder / "lidar/03.npz").unlink()
    Image.new("RGB", (20, 10)).save(folder / "camera/front_camera/04.jpg")
    lines = read_recorded(folder).losses
    assert any("1 of 6 frames have no sweep" in line for line in lines)
    assert any("1 pictures are of another size" in line for line in lines)
    shutil.rmtree(folder / "camera")
    assert any("no pictures" in line for line in read_recorded(folder).losses)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: [file.unlink() for file in (f / "lidar").glob("*.npz")], "expected labelled sweeps"),
        (lambda f: _rewrite(f / "lidar/poses.json", '"y": 0.5', '"y": NaN'), r"poses\.json.*finite"),
        (
            lambda f: _rewrite(f / "camera/front_camera/poses.json", '"z": 1.5', '"z": "up"'),
            r"front_camera/poses\.json",
        ),
        (lambda f: (f / "lidar/02.npz").write_bytes(b"PK"), r"02\.npz"),
        (lambda f: (f / "camera/front_camera/01.jpg").write_bytes(b"no"), r"01\.jpg"),
        (lambda f: shutil.rmtree(f / "cuboids"), "no data set"),
    ],
)
def test_bad_input_is_one_clear_line(street, tmp_path, spoil, said):
    folder = tmp_path / "003"
    shutil.copytree(street, folder)
    spoil(folder)
    with pytest.raises(InputError, match=said):
        lift(folder, tmp_path / "out", reach_m=20.0)
    assert not (tmp_path / "out" / "map.npz").exists()


def _rewrite(file, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_the_command(street, tmp_path, capsys):
    assert main(["lift", str(street), "--out", str(tmp_path / "w"), "--reach", "20", "--frames", "0:3"]) == 0
    out = capsys.readouterr().out
    assert [tmp_path / "w" / name for name in (*FILES, APPEARANCE)] == [type(tmp_path)(line) for line in out.split()]
    assert main(["validate", str(tmp_path / "w/drive.yaml"), str(tmp_path / "w/rig.yaml")]) == 0
    for frames in ("5", "4:2", "a:b", "-3:2"):
        with pytest.raises(SystemExit) as refused:
            main(["lift", str(street), f"--frames={frames}"])
        assert refused.value.code == 2
    assert main(["lift", str(street), "--frames", "50:60"]) == 2


@pytest.mark.slow
def test_held_out_sweeps_of_the_real_street(shared_data, tmp_path):
    """Each fourth frame of 0 to 59 but 56, whose sweep is missing, foretells where rays of frame 66 end."""
    folder = shared_data / "real/pandaset_002"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/real/pandaset_002")
    made = lift(folder, tmp_path / "w", frames=range(0, 60, 4), reach_m=60.0, rounds=0)
    street = read_pandaset_street(folder, frames=[66])
    sweep = street.sweep(street.moments[0])
    ways = sweep.ends - sweep.origins
    range_m = np.linalg.norm(ways, axis=1)
    use = ~sweep.moving & (sweep.label != 255) & (range_m < 40.0) & (range_m > 3.0)
    found = depths(made.map, sweep.origins[use], ways[use] / range_m[use, None])
    error = np.abs(found - range_m[use])
    assert np.median(error) < 0.15 and (error < 0.4).mean() > 0.75
    assert len(made.drive.views) == 84 and len(made.map.lanes) >= 4
