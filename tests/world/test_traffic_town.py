"""Ten minutes of traffic on a town made by others, at three densities."""

import pytest

from tests.world.test_traffic import ten_minutes
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario import EgoSpec, Spawn


@pytest.fixture(scope="module")
def town(shared_data):
    files = sorted((shared_data / "xodr").glob("*/Town04.xodr"))
    if not files:
        pytest.skip("needs Town04.xodr")
    return load_map(files[0])


@pytest.mark.slow
@pytest.mark.parametrize("density", [5.0, 10.0, 20.0])
def test_ten_minutes_on_town04(town, density):
    ten_minutes(town, EgoSpec(Spawn(x=26.86, y=-296.55), 8.0, 13.0), density, 2)
