"""What real sweeps have beside range and noise: the ego's body, lost echoes, dark and bright readings, ghosts."""

from dataclasses import replace

import numpy as np
import pytest

from tests.lidar.test_lidar import WALL_X, Street, distance, sweep, view_of
from uniscene_sim.engine_support.options import parse_options
from uniscene_sim.errors import InputError
from uniscene_sim.frames import digest
from uniscene_sim.geometry import Pose
from uniscene_sim.lidar.raycast.effects import Effects
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.lidar.raycast.footprint import Echoes
from uniscene_sim.lidar.raycast.ghosts import add_halos
from uniscene_sim.lidar.raycast.receiver import calibrated_intensity
from uniscene_sim.lidar.raycast.trace import beams_of
from uniscene_sim.rig import BodyPart, LidarSpec
from uniscene_sim.rigs.lidar_makes import REAL_EFFECTS
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.taxonomy import EGO_ID, AgentClass, Material, OccClass, PointCause

ROOF = LidarSpec("roof", Pose(0.94, 0.0, 1.9, yaw=0.3), tuple(np.radians(np.linspace(-60, 8, 40))), 360,
                 min_range_m=0.1, max_range_m=60.0, ego_visible=True)  # fmt: skip
WALL = LidarSpec("wall", Pose(0.0, 0.0, 1.8), tuple(np.radians(np.linspace(-0.5, 0.5, 20))), 3600, max_range_m=60.0,
                 detect_range_m=200.0)  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> RaycastLidar:
    return RaycastLidar()


@pytest.mark.parametrize("deskewed", [True, False])
def test_ego_body_is_where_the_ego_is(engine, deskewed):
    """Also of a car that drives and turns, and whichever way the sensor is turned."""
    still, driving = (view_of(30.0, velocity=(v, 0.0, 0.0), yaw_rate=0.03 * v) for v in (0.0, 15.0))
    spec = replace(ROOF, deskewed=deskewed)
    made = [sweep(engine, view, spec) for view in (still, driving)]
    for one in made:
        own = one.cause == PointCause.EGO
        assert own.sum() > 500
        assert (one.label[own] == OccClass.CAR).all() and (one.instance[own] == EGO_ID).all()
        assert (one.instance[~own] != EGO_ID).all()
        x, y, z = (one.xyz[own] @ spec.pose.rotation.T + spec.pose.position).T
        assert x.min() > -0.96 and x.max() < 3.66 and abs(y).max() < 1.06 and 0 < z.min() and z.max() < 1.51
        # nothing on the ground under the car is seen
        x, y, z = (one.xyz[~own] @ spec.pose.rotation.T + spec.pose.position).T
        if deskewed and one is made[0]:
            assert not ((x > -0.5) & (x < 3.2) & (abs(y) < 0.7) & (z < 1.0)).any()
    assert (made[0].cause == PointCause.EGO).sum() == (made[1].cause == PointCause.EGO).sum()


def test_sensor_inside_the_body_sees_parts_alone(engine):
    inside = replace(ROOF, pose=Pose(1.35, 0.0, 0.9))
    assert not (sweep(engine, view_of(30.0), inside).cause == PointCause.EGO).any()
    bar = BodyPart(3.0, 0.0, 0.9, 0.1, 0.4, 0.1)
    made = sweep(engine, view_of(30.0), replace(inside, ego_parts=(bar,)))
    own = made.xyz[made.cause == PointCause.EGO] + inside.pose.position
    assert len(own) and (abs(own - (3.0, 0.0, 0.9)) < (0.06, 0.21, 0.06)).all()
    with pytest.raises(ValueError, match="width: expected a number from"):
        replace(bar, width=0.0)


def test_parts_are_all_that_is_seen_of_the_ego(engine):
    """Roofs seen at a flat angle return little, so a rig that names parts names what its sensor sees."""
    bar = BodyPart(0.2, 0.0, 1.6, 0.1, 0.4, 0.1)
    made = sweep(engine, view_of(30.0), replace(ROOF, ego_parts=(bar,)))
    own = made.xyz[made.cause == PointCause.EGO] @ ROOF.pose.rotation.T + ROOF.pose.position
    assert len(own) > 10 and (abs(own - (0.2, 0.0, 1.6)) < (0.06, 0.21, 0.06)).all()


def test_body_hides_what_is_behind_it_also_too_near_to_return(engine):
    """Closer than `min_range_m` the body returns nothing, and blocks the beam."""
    far_blind = sweep(engine, view_of(30.0), replace(ROOF, min_range_m=5.0))
    assert not (far_blind.cause == PointCause.EGO).any()
    assert len(far_blind.xyz) < len(sweep(engine, view_of(30.0), replace(ROOF, ego_visible=False)).xyz) - 500


def test_echoes_are_lost_by_brightness(engine):
    def lost(wall: Material, **rates: float) -> float:
        whole, made = (sweep(engine, view_of(20.0, Street(wall)), replace(WALL, **r)) for r in ({}, rates))
        assert made.cause is None
        return 1.0 - len(made.xyz) / len(whole.xyz)

    assert lost(Material.WALL_PLASTER, miss_rate=0.1) == pytest.approx(0.1, abs=0.02)
    assert lost(Material.WALL_PLASTER, dark_miss_rate=0.5) == pytest.approx(0.0, abs=0.01)
    assert lost(Material.SIGNAL_HOUSING, dark_miss_rate=0.5, dark_floor=0.2) == pytest.approx(0.5, abs=0.04)
    with pytest.raises(ValueError, match="miss_rate"):
        replace(WALL, miss_rate=0.6, dark_miss_rate=0.6)


def test_readings_begin_and_end():
    assert [round(255 * calibrated_intensity(r, 0.0, 100.0)) for r in (0.004, 0.1, 1.0, 10.0, 200.0)] == [
        0, 10, 100, 178, 255,
    ]  # fmt: skip
    assert [round(255 * calibrated_intensity(r, 0.02, 2.0)) for r in (0.02, 0.1, 1.0, 1.2, 2.0)] == [0, 8, 98, 141, 255]


def test_rough_ground_returns_at_grazing_incidence(engine):
    down = replace(WALL, elevation_rad=tuple(np.radians(np.linspace(-20, -3, 20))), azimuth_steps=90)
    flat, rough = (sweep(engine, view_of(80.0), replace(down, rough_ground=on)) for on in (False, True))
    at = [one.label != OccClass.MANMADE for one in (flat, rough)]
    far = [distance(one) > 25.0 for one in (flat, rough)]
    assert np.median(rough.intensity[at[1] & far[1]]) > 2 * np.median(flat.intensity[at[0] & far[0]]) > 0


def test_mirror_images_lie_behind_the_mirror(engine):
    """Beams that graze a wall of glass go on to a van beside it, whose mirror image stands behind the wall."""
    spec = replace(WALL, elevation_rad=tuple(np.radians(np.linspace(-4, -0.5, 30))), azimuth_steps=1440, multipath=True)
    van = [(7, AgentClass.TRUCK, (WALL_X - 1.6, 43.0, 0.0), (0, 0, 0), (2.0, 2.0, 2.5), (0.0, 0.0, 0.0))]
    view = view_of(2.0, Street(Material.WINDOW), van)
    made = sweep(engine, view, spec)
    ghost = made.cause == PointCause.GHOST
    assert ghost.sum() > 20
    assert (made.label[ghost] == OccClass.OTHERS).all() and (made.instance[ghost] == 0).all()
    x, y, z = (made.xyz[ghost] + spec.pose.position + (WALL_X - 2.0, 20.0, 0.0)).T
    mirrored = 2.0 * WALL_X - x
    assert (x > WALL_X).all() and (abs(mirrored - (WALL_X - 1.6)) < 1.1).all()
    assert (abs(y - 43.0) < 1.1).all() and (0.0 < z).all() and (z < 2.6).all()
    assert digest(sweep(RaycastLidar(), view, spec)) == digest(made), "the same in another engine"
    brick = sweep(engine, view_of(2.0, Street(Material.WALL_BRICK), van), spec)
    assert not (brick.cause == PointCause.GHOST).any()


def test_some_beams_pass_leaves_and_panes(engine):
    """Behind leaves is what the scene has there, behind a vehicle's window too, and behind a house's window a room."""
    through = replace(WALL, see_through=0.3)
    van = [(7, AgentClass.TRUCK, (WALL_X + 8.0, 20.0, 0.0), (0, 0, 0), (2.0, 8.0, 3.0), (0.0, 0.0, 0.0))]
    leaves = [sweep(engine, view_of(20.0, Street(Material.FOLIAGE), van), s) for s in (WALL, through)]
    behind = leaves[1].instance == 7
    assert not (leaves[0].instance == 7).any() and leaves[0].cause is None
    assert (leaves[1].label[behind] == OccClass.TRUCK).all() and (leaves[1].cause[behind] == PointCause.SURFACE).all()
    beside = len(leaves[1].xyz) / len(leaves[0].xyz)
    assert behind.sum() > 50 and 0.65 < beside < 0.85  # where no van is, nothing returns

    windows = sweep(engine, view_of(20.0, Street(Material.WINDOW)), through)
    room = windows.cause == PointCause.ROOM
    assert 0.2 < room.mean() < 0.6 and (windows.label == OccClass.MANMADE).all()
    x = windows.xyz[:, 0] + through.pose.x
    assert (x[room] > 21.5).all() and (x[room] < 26.5).all() and (abs(x[~room] - 20.0) < 1.5).all()

    car = [(8, AgentClass.CAR, (WALL_X - 10.0, 20.0, 0.0), (0, 0, np.pi / 2), (4.6, 1.9, 1.5), (0.0, 0.0, 0.0))]
    low = replace(WALL, elevation_rad=tuple(np.radians(np.linspace(-5.0, -2.5, 20))))
    closed, glazed = (sweep(engine, view_of(20.0, agents=tuple(car)), s) for s in (low, replace(low, see_through=1.0)))
    cars = [(one.instance == 8).sum() for one in (closed, glazed)]
    assert 0.05 * cars[0] < cars[1] < 0.5 * cars[0]  # these beams meet windows, most of them
    with pytest.raises(ValueError, match="see_through"):
        replace(WALL, see_through=1.5)


def test_halo_around_a_retro_reflector():
    """In the beams around it that see something farther, or nothing; the ring above has another azimuth."""
    spec = LidarSpec("x", Pose(), (-0.01, 0.0, 0.01), 360, azimuth_offset_rad=(0.0, 0.0, np.radians(3.0)))
    shape = (360, 3, 2)
    echoes = Echoes(np.full(shape, np.inf), np.zeros(shape), np.zeros(shape, np.uint8), np.zeros(shape, np.int32),
                    np.zeros(shape[:2], np.bool_))  # fmt: skip
    echoes.distance[100, 1, 0], echoes.strength[100, 1, 0] = 20.0, 300.0
    echoes.distance[101, 1, 0], echoes.distance[99, 1, 0] = 15.0, 40.0
    add_halos(0.01, beams_of(spec), spec.clockwise, echoes)
    column, ring = np.nonzero(echoes.ghost)
    assert (echoes.distance[column, ring, 1] == 20.0).all()
    assert not echoes.ghost[101, 1] and not echoes.ghost[100, 1] and echoes.ghost[99, 1]
    assert echoes.strength[99, 1, 1] == pytest.approx(3.0) and echoes.strength[98, 1, 1] == pytest.approx(0.03)
    assert set(column[ring == 2]) == {101, 102, 103, 104, 105} and set(column[ring == 0]) == {98, 99, 100, 101, 102}


def test_options_choose_effects(engine):
    chosen = parse_options(RaycastLidar, "all,ghosts=false", "--lidar")
    assert chosen == Effects("all", ghosts=False)
    view, real = view_of(20.0), replace(ROOF, detect_range_m=200.0, **REAL_EFFECTS)
    plain = replace(real, **{k: LidarSpec.__dataclass_fields__[k].default for k in REAL_EFFECTS})
    bare = sweep(engine, view, plain)
    assert digest(sweep(RaycastLidar(options=Effects("none")), view, real)) == digest(bare)
    assert digest(sweep(RaycastLidar(options=Effects("all")), view, plain)) == digest(sweep(engine, view, real))
    own = sweep(RaycastLidar(options=Effects(ego=True)), view, plain)
    assert (own.cause == PointCause.EGO).any() and not (own.cause == PointCause.GHOST).any()
    with pytest.raises(InputError, match="expected one of rig, none, all"):
        parse_options(RaycastLidar, "some", "--lidar")


def test_rig_files_name_effects(tmp_path):
    file = tmp_path / "rig.yaml"
    text = "lidars:\n  - {name: top, model: MODEL, position: [1, 0, 2], effects: real, bloom: 0.01,\n" \
           "     ego_parts: [{position: [0, 0, 1.6], size: [0.1, 1, 0.1]}]}\n"  # fmt: skip
    file.write_text(text.replace("MODEL", "pandar64"))
    (lidar,) = load_rig(str(file)).lidars
    assert lidar.ego_visible and lidar.multipath and lidar.bloom == 0.01
    assert lidar.dark_floor == REAL_EFFECTS["dark_floor"] and lidar.ego_parts == (BodyPart(0, 0, 1.6, 0.1, 1, 0.1),)
    file.write_text(text.replace("MODEL", "os1-128"))
    assert load_rig(str(file)).lidars[0].dark_floor < lidar.dark_floor
    file.write_text(text.replace("MODEL", "vlp-16").replace("[0.1, 1, 0.1]", "[0.1, 0, 0.1]"))
    with pytest.raises(InputError, match="size"):
        load_rig(str(file))
    assert not any(one.tells_causes for name in ("nuscenes", "kitti", "rl") for one in load_rig(name).lidars)
