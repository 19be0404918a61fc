"""Each number of a rig at the least and the most that is allowed gives a frame, and beyond that an InputError."""

from dataclasses import fields
from itertools import product

import numpy as np
import pytest

from uniscene_sim.assembly import tile_store
from uniscene_sim.errors import InputError
from uniscene_sim.frames import FrameRequest
from uniscene_sim.geometry import Pose
from uniscene_sim.limits import bounds
from uniscene_sim.plugins import load_plugin
from uniscene_sim.rig import BodyPart, CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.simulator import Simulator
from uniscene_sim.world.scenario_source import ScenarioSource

CAMERA = {"name": "c", "width": 12, "height": 8, "fx": 8.0, "fy": 8.0, "cx": 6.0, "cy": 4.0, "max_range_m": 30.0,
          "pose": Pose(1.7, 0.0, 1.5), "ego_visible": True}  # fmt: skip
LIDAR = {
    "name": "l",
    "pose": Pose(0.9, 0.0, 1.9),
    "elevation_rad": (-0.2, 0.0),
    "azimuth_steps": 8,
    "max_range_m": 30.0,
}
REAL = {
    "detect_range_m": 60.0, "ego_visible": True, "multipath": True, "bloom": 0.01, "returns": "dual", "deskewed": False,
    "rough_ground": True, "free_running": True, "ego_parts": (BodyPart(0.0, 0.0, 2.0, 1.0, 1.0, 1.0),),
}  # fmt: skip
BELOW_1 = bounds.Bound(0.0, np.nextafter(1.0, 0.0))
LENSES = {"pinhole": (), "brown_conrady": (0.1, -0.2, 0.01, 0.01, 0.1), "fisheye": (0.1, 0.01)}
OF_CAMERAS = {
    "width": bounds.PIXELS, "height": bounds.PIXELS, "fx": bounds.FOCAL_PX, "fy": bounds.FOCAL_PX,
    "cx": bounds.CENTRE_PX, "cy": bounds.CENTRE_PX, "exposure_ev": bounds.EXPOSURE_EV, "noise": bounds.SHARE,
    "shutter_ms": bounds.SHUTTER_MS,
}  # fmt: skip
OF_LIDARS = {
    "azimuth_steps": bounds.COLUMNS, "range_noise_m": bounds.RANGE_NOISE_M, "detect_range_m": bounds.DETECT_RANGE_M,
    "divergence_rad": bounds.DIVERGENCE_RAD, "miss_rate": bounds.SHARE, "dark_miss_rate": bounds.SHARE,
    "dark_floor": BELOW_1, "bloom": BELOW_1, "saturation": bounds.SATURATION,
    "period_us": bounds.PERIOD_US, "min_range_m": bounds.Bound(0.0, np.nextafter(30.0, 0.0)),
}  # fmt: skip
MOUNTS = [Pose(x, x, z, 60.0, -60.0, 3.0) for x, z in product((bounds.MOUNT_M.least, bounds.MOUNT_M.most), repeat=2)]


@pytest.fixture(scope="module")
def shoot():
    """Gives the first frame of a rig, once another was made."""
    source = ScenarioSource.open("red_light")
    store = tile_store("procedural", source.map, source.seed)
    engines = {slot: load_plugin(slot, "raycast")() for slot in ("camera", "lidar")}

    def frame_of(cameras, lidars):
        request = FrameRequest(window_grid=None, bev_schema=None, digests=False)
        simulator = Simulator(source, SensorRig("r", tuple(cameras), tuple(lidars)), store, engines, request=request)
        frame = simulator.reset()  # in which all sensors fire
        simulator.step()
        return frame

    return frame_of


def _ends(base, of):
    return [base | {name: end} for name, bound in of.items() for end in (bound.least, bound.most)]


@pytest.mark.parametrize("model", LENSES)
def test_cameras_at_the_ends_of_what_is_allowed(shoot, model):
    base = CAMERA | {"model": model, "distortion": LENSES[model]}
    given = [*_ends(base, OF_CAMERAS), *(base | {"pose": pose} for pose in MOUNTS)]
    focal, centre, k = ((b.least, b.most) for b in (bounds.FOCAL_PX, bounds.CENTRE_PX, bounds.DISTORTION))
    given += [
        base | dict(zip(("fx", "fy", "cx", "cy"), ends, strict=True)) for ends in product(focal, focal, centre, centre)
    ]
    given += [
        base | {"distortion": ends[: len(LENSES[model])], "fx": 0.01, "shutter_ms": 9.0}
        for ends in product(k, repeat=5)
    ]
    cameras = [CameraSpec(**(values | {"name": f"c{i}"})) for i, values in enumerate(given)]
    for some in range(0, len(cameras), bounds.SENSORS):
        frame = shoot(cameras[some : some + bounds.SENSORS], ())
        assert all(not np.isnan(image.depth).any() for image in frame.cameras.values())


@pytest.mark.parametrize("effects", [{}, REAL])
def test_lidars_at_the_ends_of_what_is_allowed(shoot, effects):
    base = LIDAR | effects
    up, aside = bounds.ELEVATION_RAD.most, bounds.AZIMUTH_RAD.most
    given = [*_ends(base, OF_LIDARS), *(base | {"pose": pose} for pose in MOUNTS)]
    given += [base | {"elevation_rad": (-up, up), "azimuth_offset_rad": (aside, -aside)}]
    given += [base | {"elevation_rad": (0.0,) * int(beams)} for beams in (bounds.BEAMS.least, bounds.BEAMS.most)]
    given += [base | {"azimuth_steps": 1, "firing_us": (0.0, 100_000.0)}]
    given += [base | {"max_range_m": bounds.RANGE_M.least, "min_range_m": 0.0}]
    frame = shoot((), [LidarSpec(**(values | {"name": f"l{i}"})) for i, values in enumerate(given)])
    assert len(frame.sweeps) > 20 and all(np.isfinite(sweep.xyz).all() for sweep in frame.sweeps.values())


@pytest.mark.parametrize(
    ("spec", "base", "of"), [(CameraSpec, CAMERA, OF_CAMERAS), (LidarSpec, LIDAR | REAL, OF_LIDARS)]
)
def test_what_lies_beyond_is_refused(spec, base, of):
    out = [float("nan"), float("inf"), -1e300, 1e300, 10**400, True, "1", None, [1], np.float64("nan")]
    for name, bound in of.items():
        beyond = [np.nextafter(bound.least, -np.inf), np.nextafter(bound.most, np.inf)]
        for value in [*out, *beyond] + [bound.least + 0.5] * bound.whole:
            with pytest.raises(InputError):
                spec(**(base | {name: value}))


def test_every_number_of_a_sensor_is_bounded():
    """A field that is added has to be bounded as well."""
    for spec, base in ((CameraSpec, CAMERA), (LidarSpec, LIDAR)):
        for f in fields(spec):
            if f.type in ("int", "float", "tuple[float, ...]"):
                with pytest.raises(InputError):
                    spec(**(base | {f.name: (1e300,) if f.type.startswith("tuple") else 1e300}))


def test_whole_floats_count_as_integers(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(
        "cameras: [{name: a, width: 160.0, height: 1e2, fov_deg: 90, position: [0, 0, 1], period_ms: 50.0}]\n"
        "lidars: [{name: b, position: [0, 0, 1], elevation_deg: {from: -5, to: 5, beams: 4.0}, azimuth_steps: 90.0}]\n"
        .replace("1e2", "1.0e+2")
    )  # fmt: skip
    rig = load_rig(str(path))
    numbers = (rig.cameras[0].width, rig.cameras[0].height, rig.cameras[0].period_us, rig.lidars[0].azimuth_steps)
    assert numbers == (160, 100, 50_000, 90) and {type(n) for n in numbers} == {int}
    path.write_text(path.read_text().replace("160.0", "160.5"))
    with pytest.raises(InputError, match=r"rig.yaml:1: cameras\[0\].width"):
        load_rig(str(path))


def test_memory_is_estimated_before_it_is_taken(monkeypatch):
    cameras = [CameraSpec(**(CAMERA | {"name": f"c{i}", "width": 16_384, "height": 16_384})) for i in range(12)]
    monkeypatch.setenv("UNISCENE_MEMORY_GB", "16")
    with pytest.raises(InputError, match=r"needs 72.0 GiB \(12 cameras of up to 16384 x 16384 px\), .*at most 16.0"):
        SensorRig("r", tuple(cameras))
    monkeypatch.setenv("UNISCENE_MEMORY_GB", "100")
    SensorRig("r", tuple(cameras))
    for wrong in ("many", "nan", "-1"):
        monkeypatch.setenv("UNISCENE_MEMORY_GB", wrong)
        with pytest.raises(InputError, match=r"\$UNISCENE_MEMORY_GB: expected a number from 0.01"):
            SensorRig("r", tuple(cameras))


@pytest.mark.parametrize("name", ["", "..", "../../up", "front/left", "two\nlines", "tab\t", "\ud800"])
def test_a_name_that_is_no_topic_or_folder_is_refused(name):
    for kind, values in ((CameraSpec, CAMERA), (LidarSpec, LIDAR)):
        with pytest.raises(InputError, match="name"):
            kind(**{**values, "name": name})
    assert CameraSpec(**{**CAMERA, "name": "Kamera vörn, 前"}).name
