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
@pytest.mark.parametrize(("density", "overlapping_pairs"), [(20.0, 2)])
def test_ten_minutes_on_town04(town, density, overlapping_pairs):
    """In dense traffic a pair may overlap for a moment where lanes merge or cross: of 1,900 vehicles one, no and two
    pairs with seeds 2, 3 and 4. Which seeds hangs on the last bits of the state."""
    ten_minutes(town, EgoSpec(Spawn(x=26.86, y=-296.55), 8.0, 13.0), density, 2, overlapping_pairs)
