"""Real plans of towns: all load, traffic may go on nearly everywhere, and houses are kept."""

import numpy as np
import pytest

pytest.importorskip("osmium")

from uniscene_sim.errors import InputWarning
from uniscene_sim.maps.load import load_map

TOWNS = ["osm/quad_intersection.osm.gz", "osm/i5_exit_ramp.osm.gz", "osm/taipei.osm.gz"]


@pytest.mark.parametrize("name", TOWNS)
def test_a_real_town_loads_and_its_lanes_go_on(shared_data, name):
    with pytest.warns(InputWarning):
        town = load_map(shared_data / "real" / name)
    driving = [lane for lane in town.lanes if lane.kind == "driving"]
    dead = [lane for lane in driving if not lane.successors]
    assert len(driving) > 100 and len(dead) < 0.15 * len(driving)  # ends at the rim alone
    for lane in driving:
        for after in lane.successors:
            gap = np.hypot(*(town.lanes[after].centre[0] - lane.centre[-1])[:2])
            assert gap < 0.05  # none leads elsewhere
    assert sum(o.kind == "building" for o in town.objects) > 5


@pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
def test_networks_of_sumo_load_and_their_lanes_go_on(shared_data):
    for path in sorted((shared_data / "sumo").glob("**/*.net.xml")):
        town = load_map(path)
        for lane in town.lanes:
            for after in lane.successors if lane.kind == "driving" else ():
                assert np.hypot(*(town.lanes[after].centre[0] - lane.centre[-1])[:2]) < 4.0, path.name
