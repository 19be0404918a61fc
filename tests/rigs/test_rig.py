"""Rigs: presets, YAML files and their errors."""

import numpy as np
import pytest

from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.geometry import Pose
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.rigs.rig_file import load_rig

YAML = """\
name: mine
cameras:
  - name: front
    width: 320
    height: 200
    fov_deg: 90
    position: [1.7, 0.0, 1.5]
    yaw_deg: 10
lidars:
  - name: top
    position: [0.9, 0.0, 1.8]
    elevation_deg: {from: -15, to: 15, beams: 16}
    azimuth_steps: 900
    period_ms: 50
"""


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_load_by_name(name):
    assert load_rig(name) == PRESETS[name]()


def test_nuscenes_small_is_nuscenes_scaled():
    small, full = load_rig("nuscenes-small"), load_rig("nuscenes")
    assert len(small.cameras) == 6 and {(c.width, c.height) for c in small.cameras} == {(400, 224)}
    for a, b in zip(small.cameras, full.cameras, strict=True):
        np.testing.assert_allclose(a.fx / a.width, b.fx / b.width)
    assert len(small.lidars[0].elevation_rad) == 32


def test_yaml_rig(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(YAML)
    rig = load_rig(str(path))
    camera, lidar = rig.cameras[0], rig.lidars[0]
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((160, 160, 160, 100))
    np.testing.assert_allclose(camera.rotation_base_from_optical[:, 2], [np.cos(0.1745), np.sin(0.1745), 0], atol=1e-4)
    assert lidar.period_us == 50_000 and len(lidar.elevation_rad) == 16
    assert lidar.elevation_rad[0] < lidar.elevation_rad[-1]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("width: 320", "width: -1", r"rig.yaml:4: cameras\[0\].width"),
        ("width: 320", "widht: 320", r"rig.yaml:.*widht"),
        ("fov_deg: 90", "fov_deg: .nan", r"rig.yaml:6: cameras\[0\].fov_deg"),
        ("period_ms: 50", "period_ms: 33", "multiples of the 10 ms"),
        ("fov_deg: 90", f"fov_deg: 9{'0' * 400}", r"rig.yaml:6: cameras\[0\].fov_deg: .*finite"),
        ("name: top", "name: 2026-02-30", r"rig.yaml:10: lidars\[0\].name: not valid YAML"),
        ("name: top", "name: front", "names must differ"),
        ("cameras:", "cameras: [", "rig.yaml"),
    ],
)
def test_bad_rig_names_file_line_and_field(tmp_path, old, new, expected):
    path = tmp_path / "rig.yaml"
    path.write_text(YAML.replace(old, new))
    with pytest.raises(InputError, match=expected) as caught:
        load_rig(str(path))
    assert "\n" not in str(caught.value)


def test_effects_that_nothing_comes_of_are_told(tmp_path):
    path = tmp_path / "rig.yaml"
    text = "lidars:\n  - {name: a, position: [0, 0, 2], elevation_deg: [0], azimuth_steps: 9, miss_rate: 0.1, "
    path.write_text(text + "ego_parts: [{position: [0, 0, 1], size: [1, 1, 1]}]}")
    with pytest.warns(InputWarning) as told:
        load_rig(str(path))
    (line,) = [str(one.message) for one in told]
    assert "miss_rate without detect_range_m" in line and "ego_parts without ego_visible" in line


def test_unknown_rig_lists_presets():
    with pytest.raises(InputError, match=r"no_such.*nuscenes-small"):
        load_rig("no_such")


def test_specs_refuse_nonsense():
    with pytest.raises(ValueError, match="width: expected a whole number from 1"):
        CameraSpec("c", 0, 10, 1, 1, 1, 1, Pose())
    with pytest.raises(ValueError, match="beams"):
        LidarSpec("l", Pose(), (), 10)
    camera = CameraSpec("c", 4, 4, 1, 1, 1, 1, Pose())
    with pytest.raises(ValueError, match="differ"):
        SensorRig("r", (camera, camera))


def test_yaml_lenses(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(
        YAML.replace("fov_deg: 90", "fov_deg: 190\n    model: fisheye\n    distortion: [0.01, -0.002]").replace(
            "yaw_deg: 10", "yaw_deg: 10\n    ego_visible: true"
        )
    )
    camera = load_rig(str(path)).cameras[0]
    assert camera.model == "fisheye" and camera.distortion == (0.01, -0.002) and camera.ego_visible
    edge, seen = camera.unproject(np.array([[320.0, 100.0]]))
    assert seen[0] and np.degrees(np.arccos(edge[0, 2])) == pytest.approx(95.0), "the edges see the angle asked for"
    path.write_text(YAML.replace("fov_deg: 90", "fov_deg: 190"))
    with pytest.raises(InputError, match="fov_deg of a pinhole camera must be less than 179"):
        load_rig(str(path))
    path.write_text(YAML.replace("fov_deg: 90", "fov_deg: 90\n    model: fisheye\n    distortion: [1, 2, 3, 4, 5]"))
    with pytest.raises(InputError, match="fisheye takes up to 4"):
        load_rig(str(path))
