"""`raycast:measured=true`: what a real Pandar64 read, and where its constants come from."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.pandaset_street import ROAD_READS, ROAD_Z, WALL_READS, WALL_X, write_street
from uniscene_sim.conformance.sensors import views_of_a_street
from uniscene_sim.datasets.pandaset_sweeps import PandaSetSweeps
from uniscene_sim.errors import InputError
from uniscene_sim.lidar.raycast.effects import Effects
from uniscene_sim.lidar.raycast.engine import RaycastLidar
from uniscene_sim.lidar.raycast.measured import BINS, pandar64, read_measured
from uniscene_sim.rigs.presets import PRESETS
from uniscene_sim.taxonomy import OccClass, PointCause
from uniscene_sim.tile import CELL_M
from uniscene_sim.training.sensor import as_json, measure_sensor


def test_the_shipped_constants_are_of_a_real_sensor():
    sensor = pandar64()
    road, wall = OccClass.DRIVEABLE_SURFACE, OccClass.MANMADE
    assert sensor.intensity[wall, 1] > sensor.intensity[road, 1], "walls are brighter than asphalt"
    assert sensor.dropped[road, 5] > sensor.dropped[road, 1], "far ground returns more seldom"
    assert 0 < sensor.behind_m[road] < CELL_M and (np.abs(sensor.behind_m) < 1).all()


def test_a_sweep_reads_as_measured():
    view, spec = views_of_a_street()[0], PRESETS["pandaset"]().lidars[0]
    spec = replace(spec, range_noise_m=0.0)
    plain, made = (
        RaycastLidar(options=chosen).step(None, [view], [spec])[1][0][spec.name]
        for chosen in (Effects("none"), Effects(measured=True))
    )
    far = np.linalg.norm(made.xyz.astype(float), axis=1)
    use = np.ones(len(far), bool) if made.cause is None else made.cause == PointCause.SURFACE
    expected, _ = pandar64().reading(made.label, far)
    # points are where the sensor ends up, so a few of them lie in the next bin of range
    assert np.isclose(made.intensity[use], expected[use], atol=1e-6).mean() > 0.95
    assert (
        not np.isclose(plain.intensity, pandar64().reading(plain.label, np.full(len(plain.xyz), 20.0))[0]).mean() > 0.5
    )
    assert 0.5 * len(plain.xyz) < len(made.xyz) < 1.2 * len(plain.xyz)


def test_constants_of_a_street_by_arithmetic(tmp_path):
    """The wall is WALL_X, the road ROAD_Z; a twentieth of the wall's beams is lost, none of the road's."""
    frames = list(range(0, 56, 5))
    sensor = measure_sensor(PandaSetSweeps(write_street(tmp_path / "002", frames, lost=0.05)))
    wall, road = OccClass.MANMADE, OccClass.DRIVEABLE_SURFACE
    assert sensor.intensity[wall, 1] == pytest.approx(WALL_READS / 255, rel=0.02)
    assert sensor.intensity[road, 0] == pytest.approx(ROAD_READS / 255, rel=0.1)
    # beams to the wall's foot enter cells of the road first
    assert 0.03 < sensor.dropped[wall, 0] < 0.08 and sensor.dropped[road, 1] < 0.8 * sensor.dropped[wall, 0]
    assert sensor.behind_m[road] == pytest.approx(-ROAD_Z % CELL_M, abs=0.02), "below the top of its cell"
    assert WALL_X % CELL_M - 0.02 < sensor.behind_m[wall] < 0.5, "along the ray"
    assert sensor.behind_m[OccClass.BUS] == np.median(sensor.behind_m[OccClass.BUS]), "unseen classes get the median"
    (tmp_path / "sensor.json").write_text(as_json(sensor, "a street by arithmetic"))
    again = read_measured(tmp_path / "sensor.json")
    np.testing.assert_allclose(again.intensity, sensor.intensity, atol=1e-4)
    np.testing.assert_allclose(again.behind_m, sensor.behind_m, atol=1e-4)


def test_damaged_constants_are_refused_in_one_line(tmp_path):
    path = tmp_path / "sensor.json"
    path.write_text(as_json(pandar64(), "x"))
    data = json.loads(path.read_text())
    for name, value, message in (
        ("CAR", [0.1] * (BINS - 1), r"sensor\.json"),
        ("CAR", [2.0] * BINS, "intensity: expected 10 number"),
        ("CART", [0.1] * BINS, r"sensor\.json"),
    ):
        wrong = {key: of for key, of in data["intensity"].items() if key != "CAR"} | {name: value}
        path.write_text(json.dumps(data | {"intensity": wrong}))
        with pytest.raises(InputError, match=message):
            read_measured(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_measured(tmp_path / "none.json")
