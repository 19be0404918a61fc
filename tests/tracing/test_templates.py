"""Templates: whole, the right way round, moving where they should, and quick to build."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniscene_sim.taxonomy import AgentClass, Material
from uniscene_sim.tracing.templates.template_set import GAIT_PHASES, STRIDE_M, body_rgb, built_in_templates

VEHICLES = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS, AgentClass.TRAILER)
#: Length, width, height, m: what a person would call possible.
POSSIBLE = {
    AgentClass.CAR: ((3.5, 5.6), (1.6, 2.2), (1.3, 2.5)),
    AgentClass.TRUCK: ((6, 13), (2.2, 2.7), (2.8, 4.1)),
    AgentClass.CONSTRUCTION_VEHICLE: ((4, 11), (2, 3.2), (2.4, 4.2)),
    AgentClass.BUS: ((9, 19), (2.3, 2.7), (2.8, 3.6)),
    AgentClass.TRAILER: ((5, 15), (2.2, 2.7), (2.5, 4.1)),
    AgentClass.MOTORCYCLE: ((1.8, 2.5), (0.6, 1.0), (1.4, 1.9)),
    AgentClass.BICYCLE: ((1.6, 2.0), (0.45, 0.8), (1.5, 2.0)),
    AgentClass.PEDESTRIAN: ((0.3, 1.2), (0.4, 0.8), (1.0, 2.0)),
    AgentClass.BARRIER: ((0.1, 0.8), (1.0, 3.0), (0.7, 1.3)),
    AgentClass.TRAFFIC_CONE: ((0.2, 0.6), (0.2, 0.6), (0.4, 1.1)),
    AgentClass.SIGNAL_HEAD: ((0.15, 0.6), (0.2, 0.6), (0.7, 1.4)),
}


def numbers(cls: AgentClass) -> range:
    """All templates of a class."""
    found = built_in_templates()
    first, variants = found.first[cls]
    return range(first, first + variants * found.gaits[cls])


def volume(t: int) -> np.ndarray:
    found = built_in_templates()
    shape = found.shape[t]
    return found.material[found.offset[t] : found.offset[t] + shape.prod()].reshape(shape)


def normals(t: int) -> np.ndarray:
    found = built_in_templates()
    shape = found.shape[t]
    return found.normal[found.offset[t] : found.offset[t] + shape.prod()].reshape(*shape, 3).astype(int)


def surface(solid: np.ndarray) -> np.ndarray:
    """Filled voxels with an empty neighbour across a face, the outside being empty."""
    padded = np.pad(solid, 1)
    inner = padded[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return solid & ~inner


def middle(t: int, material: Material) -> np.ndarray:
    """Mean position, m, of a material about the footprint's centre."""
    found = built_in_templates()
    at = np.argwhere(volume(t) == material)
    assert len(at), f"template {t} has no {material.name}"
    return (at.mean(axis=0) + 0.5) * found.voxel_m[t] - found.size_m[t] * [0.5, 0.5, 0.0]


def test_flat_arrays_fit_together():
    found = built_in_templates()
    ends = found.offset + found.shape.astype(np.int64).prod(axis=1)
    assert found.offset[0] == 0 and np.array_equal(found.offset[1:], ends[:-1]) and ends[-1] == len(found.material)
    assert found.normal.shape == (len(found.material), 3) and found.normal.dtype == np.int8
    assert np.allclose(found.size_m, found.shape * found.voxel_m[:, None])
    assert set(np.unique(found.material)) <= {int(m) for m in Material}
    used = sorted(t for cls in AgentClass for t in numbers(cls))
    assert used == list(range(len(found.offset)))


@pytest.mark.parametrize("cls", list(AgentClass))
def test_sizes_are_possible_and_boxes_are_touched(cls):
    for t in numbers(cls):
        for size, (low, high) in zip(built_in_templates().size_m[t], POSSIBLE[cls], strict=True):
            assert low <= size <= high
        filled = volume(t) != Material.NONE
        assert filled[:, :, :2].any() and filled[:, :, -3:].any()  # stands on the ground, reaches the top
        if cls in VEHICLES:
            assert filled[:2].any() and filled[-2:].any() and filled[:, :2].any() and filled[:, -2:].any()


def test_cars_face_forward_with_left_on_the_left():
    for cls in (AgentClass.CAR, AgentClass.TRUCK, AgentClass.BUS):
        for t in numbers(cls):
            half = 0.5 * built_in_templates().size_m[t, 0]
            assert middle(t, Material.HEADLIGHT)[0] > 0.7 * half and middle(t, Material.TAILLIGHT)[0] < -0.7 * half
            assert middle(t, Material.INDICATOR_LEFT)[1] > 0.3 > -0.3 > middle(t, Material.INDICATOR_RIGHT)[1]
            assert middle(t, Material.TYRE)[2] < 0.6 and middle(t, Material.GLASS)[2] > middle(t, Material.TYRE)[2]


def test_signal_shows_red_on_top_to_the_front():
    t = numbers(AgentClass.SIGNAL_HEAD)[0]
    red, yellow, green = (middle(t, m) for m in (Material.LAMP_RED, Material.LAMP_YELLOW, Material.LAMP_GREEN))
    assert red[2] > yellow[2] > green[2] and min(red[0], yellow[0], green[0]) > -0.05
    voxels = volume(t)
    first = np.take_along_axis(voxels, (voxels != Material.NONE)[::-1].argmax(axis=0)[None] * -1 - 1, axis=0)
    lamps = np.isin(first, [Material.LAMP_RED, Material.LAMP_YELLOW, Material.LAMP_GREEN])
    assert lamps.sum() > 0.2 * lamps.size  # seen from the front
    behind = voxels[(voxels != Material.NONE).argmax(axis=0), *np.indices(voxels.shape[1:])]
    assert not np.isin(behind, [Material.LAMP_RED, Material.LAMP_YELLOW, Material.LAMP_GREEN]).any()


@pytest.mark.parametrize("cls", [AgentClass.CAR, AgentClass.BUS, AgentClass.PEDESTRIAN, AgentClass.TRAFFIC_CONE])
def test_normals_are_unit_length_and_point_out(cls):
    for t in numbers(cls)[:2]:
        solid = volume(t) != Material.NONE
        skin = surface(solid)
        normal = normals(t)[skin]
        length = np.linalg.norm(normal, axis=1)
        assert (np.abs(length - 127) < 2).mean() > 0.999
        # Two voxels along the normal it is emptier than two voxels against it.
        at, step = np.argwhere(skin) + 3, np.rint(2 * normal / np.maximum(length, 1)[:, None]).astype(int)
        padded = np.pad(solid, 3)
        out, back = padded[tuple((at + step).T)], padded[tuple((at - step).T)]
        assert (out & ~back).mean() < 0.02 < 0.5 < (back & ~out).mean()


def test_flat_roof_normals_point_up():
    t = numbers(AgentClass.BUS)[0]
    nx, ny, nz = built_in_templates().shape[t]
    roof = normals(t)[nx // 4 : nx // 2, ny // 2 - 5 : ny // 2 + 5, nz - 1]
    assert (roof[..., 2] > 125).all()


@pytest.mark.parametrize("cls", [AgentClass.PEDESTRIAN, AgentClass.BICYCLE])
def test_legs_move_and_heads_do_not(cls):
    phases = [volume(t) for t in numbers(cls)[:GAIT_PHASES]]
    for k in range(GAIT_PHASES):
        moved = phases[k] != phases[(k + 1) % GAIT_PHASES]
        height = moved.shape[2]
        assert moved[:, :, : height // 2].sum() > 50
        assert not moved[:, :, int(0.87 * height) :].any()


def test_walkers_step_with_both_legs_in_turn():
    """Half a stride later it is the mirrored pose, legs swapped."""
    half = GAIT_PHASES // 2
    for k in range(half):
        legs = [volume(numbers(AgentClass.PEDESTRIAN)[p])[:, :, :25] != Material.NONE for p in (k, k + half)]
        assert (legs[0] ^ legs[1][:, ::-1]).sum() < 0.02 * legs[0].sum()
    reach = [
        np.ptp(np.flatnonzero((volume(t) != Material.NONE)[:, :, :10].any(axis=(1, 2))))
        * built_in_templates().voxel_m[t]
        for t in numbers(AgentClass.PEDESTRIAN)[:GAIT_PHASES]
    ]
    assert 0.4 < max(reach) < 0.9 and min(reach) < 0.6 * max(reach)


@given(
    st.sampled_from(list(AgentClass)),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1e5, allow_nan=False),
)
def test_any_agent_has_a_template_of_its_class(cls, colour, gait):
    found = built_in_templates()
    t = int(found.template_of(np.array([cls]), np.array([colour]), np.array([gait]))[0])
    assert t in numbers(cls)
    steps = round(gait * 64) / 64  # exact, so that a stride later is the same phase
    a, b = (int(found.template_of([cls], [colour], [steps + n * STRIDE_M + 1e-3])[0]) for n in (0, 1))
    assert (a - b) % found.gaits[cls] in (0, 1, found.gaits[cls] - 1)


def test_gait_runs_through_all_phases_in_order():
    found = built_in_templates()
    gait = (np.arange(2 * GAIT_PHASES) + 0.5) / GAIT_PHASES * STRIDE_M
    for cls in (AgentClass.PEDESTRIAN, AgentClass.BICYCLE):
        row = found.template_of(np.full(len(gait), cls), np.zeros(len(gait)), gait) - found.first[cls, 0]
        assert row.tolist() == [*range(GAIT_PHASES), *range(GAIT_PHASES)]


def test_variants_and_paints_vary():
    seeds = np.random.default_rng(1).integers(0, 2**32, 500)
    found = built_in_templates()
    assert found.first[AgentClass.CAR, 1] >= 4
    assert len(np.unique(found.template_of(np.zeros(500, int), seeds, np.zeros(500)))) == found.first[AgentClass.CAR, 1]
    rgb = body_rgb(seeds)
    assert rgb.shape == (500, 3) and rgb.dtype == np.uint8 and len(np.unique(rgb, axis=0)) >= 8


def test_building_again_gives_the_same():
    again = built_in_templates.__wrapped__()
    for name in ("material", "normal", "offset", "shape", "voxel_m", "size_m", "first", "gaits"):
        assert np.array_equal(getattr(again, name), getattr(built_in_templates(), name)), name
