"""Kernels of splats against a plain reference, gsplat and closed forms."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uniscene_sim.camera.splat.blend import (
    Bins,
    Blended,
    bin_splats,
    blend_squares,
    gather_squares,
    new_bins,
    new_blended,
    scratch,
)
from uniscene_sim.camera.splat.patch import Patch, pack_patch
from uniscene_sim.camera.splat.project import FIELDS, PEAK, Eye, Placement, project_patch
from uniscene_sim.camera.splat.reference import blend_plainly, depth_order, pixel_weights, project_plainly
from uniscene_sim.camera.splat.splats import Splats, merge_splats
from uniscene_sim.lens import lens_array
from uniscene_sim.rig import BODY_FROM_OPTICAL
from uniscene_sim.taxonomy import MATERIAL_LABEL, Material, OccClass

WIDTH, HEIGHT = 100, 56
LENSES = {
    "pinhole": lens_array("pinhole", 60.0, 62.0, 50.0, 28.0, ()),
    "brown_conrady": lens_array("brown_conrady", 60.0, 62.0, 48.0, 29.0, (-0.2, 0.03, 0.001, -0.002)),
    "fisheye": lens_array("fisheye", 24.0, 25.0, 51.0, 27.0, (0.02, -0.006, 0.001)),
}
MATERIALS = np.array([Material.ASPHALT, Material.GRASS, Material.BODY, Material.CLOTH_UPPER, Material.CLOTH_LOWER])
LEVELS_M = (0.1, 0.4, 0.8, 1.6)
TILE_AT = np.array([64.0, -128.0, 0.0])


def random_splats(count: int, seed: int, middle: tuple[float, ...], around_m: float) -> Splats:
    """Flat and round ones, half of them two-sided."""
    rng = np.random.default_rng(seed)
    turns, scales = Rotation.random(count, rng=rng).as_matrix(), rng.uniform(0.02, 0.6, (count, 3))
    scales[::3, 2] = 0.01
    covariance = np.einsum("nij,nj,nkj->nik", turns, scales**2, turns)
    normals = np.where(rng.random(count)[:, None] < 0.5, turns[:, :, 2], 0.0)
    return Splats(
        (np.array(middle) + rng.uniform(-around_m, around_m, (count, 3))).astype(np.float32),
        covariance[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]].astype(np.float32),
        normals.astype(np.float32),
        rng.uniform(0.05, 1.0, count).astype(np.float32),
        rng.random((count, 3)).astype(np.float32),
        rng.choice(MATERIALS, count).astype(np.uint8),
        np.zeros(count, np.uint16),
        rng.uniform(0.1, 1.0, count).astype(np.float32),
    )


@dataclass(frozen=True)
class Scene:
    """Splats of a tile and of an agent before an eye."""

    eye: Eye
    placed: tuple[tuple[Patch, Placement], ...]


def scene(model: str = "pinhole", count: int = 400, level_px: float = 8.0, painted: bool = False) -> Scene:
    position = TILE_AT + np.array([30.0, 20.0, 2.0])
    turn = Rotation.from_euler("ZYX", [0.4, 0.05, -0.03]).as_matrix()
    half = np.pi if model == "fisheye" else 1.0
    rotation = np.ascontiguousarray(turn @ BODY_FROM_OPTICAL)
    eye = Eye(rotation, position, LENSES[model], WIDTH, HEIGHT, 25.0, half, level_px)
    finest = random_splats(count, 1, (36.0, 22.0, 2.0), 11.0)
    levels = [finest] + [merge_splats(finest, size) for size in LEVELS_M[1:]]
    tile = pack_patch(levels, LEVELS_M)
    rng = np.random.default_rng(3)
    tile = tile._replace(light=rng.random((len(tile.means), 2)).astype(np.float32))
    in_place = Placement(np.eye(3), TILE_AT, np.eye(3), -1, 0, np.eye(3))
    body = pack_patch([random_splats(count // 4, 2, (0.0, 0.0, 0.8), 1.2)], LEVELS_M[:1], chunk_m=None)
    heading = Rotation.from_euler("z", 2.0).as_matrix()
    stretch = np.array([1.4, 0.8, 1.1])
    agent = Placement(
        np.ascontiguousarray(heading * stretch), position + turn @ np.array([6.0, 0.5, -1.0]),
        np.ascontiguousarray(heading / stretch), 7, int(OccClass.PEDESTRIAN), rng.random((3, 3)), painted,
    )  # fmt: skip
    return Scene(eye, ((tile, in_place), (body, agent)))


def projected(of: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all patches and their splats, of which the second patch has the higher numbers."""
    out, numbers, count, first = np.empty((4096, len(FIELDS)), np.float32), np.empty(4096, np.int32), 0, 0
    for patch, place in of.placed:
        count = project_patch(patch, place._replace(first=first), of.eye, out, numbers, count)
        first += len(patch.means)
    return out[:count].copy(), numbers[:count].copy()


def binned(rows: np.ndarray) -> Bins:
    bins = new_bins(len(rows), WIDTH, HEIGHT, 100_000)
    assert bin_splats(rows, rows.view(np.int32), len(rows), WIDTH, HEIGHT, bins) <= 100_000
    return bins


def blended(rows: np.ndarray) -> Blended:
    out = new_blended(HEIGHT, WIDTH)
    blend_squares(rows, binned(rows), scratch(), 0, -(-HEIGHT // 16), out)
    return out


@pytest.mark.parametrize("painted", [False, True])
@pytest.mark.parametrize("model", LENSES)
def test_projection_equals_the_reference(model, painted):
    """Culling by chunks costs no splat. Lenses other than pinholes are linearised over 0.1 % of the distance, which is
    worth 1 % of a conic far off the axis."""
    these = scene(model, painted=painted)
    rows, numbers = projected(these)
    plain = [project_plainly(patch, place, these.eye) for patch, place in these.placed]
    shift = len(these.placed[0][0].means)
    assert np.array_equal(numbers, np.concatenate([plain[0].numbers, plain[1].numbers + shift]))
    assert len(plain[0].rows) > 60 and len(plain[1].rows) > 40
    expected = np.concatenate([p.rows for p in plain])
    share = 1e-4 if model == "pinhole" else 0.02
    for names, size in (("xx xy yy", share), ("across down", share), ("opacity", share), ("du dv", share)):
        of = [FIELDS.index(name) for name in names.split()]
        scale = np.abs(expected[:, of]).max(axis=1, keepdims=True) + 1e-3
        assert (np.abs(rows[:, of] - expected[:, of]) / scale).max() < size, names
    exact = [k for k, name in enumerate(FIELDS) if name not in "xx xy yy across down opacity du dv".split()]
    np.testing.assert_allclose(rows[:, exact], expected[:, exact], rtol=1e-5, atol=2e-5)


def test_levels_of_detail_are_as_the_reference_takes_them():
    shown = set()
    for level_px in (0.5, 8.0, 40.0):
        these = scene(level_px=level_px)
        _, numbers = projected(these)
        assert np.array_equal(numbers[: (numbers < len(these.placed[0][0].means)).sum()],
                              project_plainly(*these.placed[0], these.eye).numbers)  # fmt: skip
        shown.add(numbers.tobytes())
    assert len(shown) == 3


def test_what_does_not_fit_is_counted():
    these = scene()
    rows, _ = projected(these)
    small, numbers = np.empty((20, len(FIELDS)), np.float32), np.empty(20, np.int32)
    count = 0
    for patch, place in these.placed:
        count = project_patch(patch, place, these.eye, small, numbers, count)
    assert count == len(rows) > 20


@pytest.mark.parametrize("model", LENSES)
def test_what_lies_beside_an_eye_does_not_fill_its_image(model):
    """The ground below a camera: linearised at its mean, it would be larger in the image than far from it."""
    these = scene(model)
    one = random_splats(1, 1, (0.0, 0.0, 0.0), 0.0)
    round_one = replace(one, covariances=0.01 * np.array([[1, 0, 0, 1, 0, 1]], np.float32), normals=0 * one.normals)
    below = these.eye.position + these.eye.rotation @ np.array([0.3, 1.6, 0.12])
    place = Placement(np.eye(3), below, np.eye(3), -1, 0, np.eye(3))
    alone = Scene(these.eye, ((pack_patch([round_one], LEVELS_M[:1], chunk_m=None), place),))
    rows, _ = projected(alone)
    assert not len(rows) or (model == "fisheye" and rows[0, 16] < 20.0)


@pytest.mark.parametrize("model", LENSES)
def test_blending_equals_the_reference(model):
    """Up to 0.4 % of the light, behind which kernels blend nothing, and 0.1 % of a splat's alpha, which is what
    (1 + x / 1024)^1024 lacks of exp(x): 1 % of the range of means. Depth and the splat of most weight are those of the
    reference wherever these errors do not decide which splat it is."""
    rows, _ = projected(scene(model))
    ours, plain = blended(rows), blend_plainly(rows.astype(np.float64), WIDTH, HEIGHT)
    assert 0.3 < (plain.opacity > 0.5).mean() < 1.0
    assert np.abs(ours.opacity - plain.opacity).max() < 0.006
    some = plain.opacity > 0.1
    assert np.array_equal(ours.splat[some] >= 0, plain.splat[some] >= 0)
    for name in ("albedo", "normal", "light"):
        error = np.abs(getattr(ours, name)[some] - getattr(plain, name)[some]).max(axis=1)
        assert (error * plain.opacity[some]).max() < 0.01, name
    order, clear_cut, best_clear = depth_order(rows), 0, 0
    for v, u in np.argwhere(some):
        weights = pixel_weights(rows.astype(np.float64), order, u + 0.5, v + 0.5).weights
        if np.abs(np.cumsum(weights) - 0.5).min() > 0.01 and plain.opacity[v, u] > 0.5:
            clear_cut += 1
            assert ours.depth[v, u] == pytest.approx(plain.depth[v, u], rel=1e-3, abs=1e-3)
        most = np.sort(weights)
        if len(most) == 1 or most[-1] - most[-2] > 0.01:
            best_clear += 1
            assert ours.splat[v, u] == plain.splat[v, u]
    assert min(clear_cut, best_clear) > 0.6 * some.sum()


def test_nothing_is_blended_where_nothing_is():
    rows, _ = projected(scene())
    within = (rows[:, 6] > 1.0) & (np.abs(rows[:, 0] - 50.0) < 40.0) & (np.abs(rows[:, 1] - 28.0) < 20.0)
    small = rows[within][rows[within, 15].argmin()]
    out = blended(small[None])
    nowhere = out.opacity == 0.0
    assert 0.3 < nowhere.mean() < 1.0
    assert (out.label[nowhere] == OccClass.FREE).all() and (out.splat[nowhere] == -1).all()


def test_labels_are_those_of_more_than_half_of_the_weight():
    """By a vote in one pass (Boyer and Moore 1991), which finds every majority, also of many faint splats."""
    rows, _ = projected(scene(count=1500))
    out, order = blended(rows), depth_order(rows)
    majorities, of_many = 0, 0
    for v, u in np.ndindex(HEIGHT, WIDTH):
        shown, weights = pixel_weights(rows.astype(np.float64), order, u + 0.5, v + 0.5)
        if not len(shown):
            continue
        share = np.bincount(rows[shown, 19].astype(np.int64), weights) / weights.sum()
        if share.max() > 0.51 and weights.sum() > 0.05:
            majorities += 1
            assert out.label[v, u] == share.argmax()
            of_many += rows[shown[weights.argmax()], 19] != share.argmax()
    assert majorities > 1000 and of_many > 20


def test_projection_equals_gsplat():
    """Image points, depths, conics and what blurring costs (Mip-Splatting) of the rasterizer that others use."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("gsplat", reason="gsplat, the third witness of projection, is not installed")
    from gsplat.cuda._torch_impl import _fully_fused_projection  # plain torch, on the CPU

    for model, focal in (("pinhole", 60.0), ("fisheye", 24.0)):
        these = scene(model, level_px=0.1)
        lens = lens_array(model, focal, focal, 50.0, 28.0, ())
        eye = these.eye._replace(lens=lens)
        for patch, place in these.placed:
            out, numbers = np.empty((2048, len(FIELDS)), np.float32), np.empty(2048, np.int32)
            count = project_patch(patch, place, eye, out, numbers, 0)
            rows, means = out[:count], patch.means[numbers[:count]].astype(np.float64) @ place.affine.T + place.shift
            full = patch.covariances[numbers[:count]][:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
            full = place.affine @ full.astype(np.float64) @ place.affine.T
            view = np.eye(4)
            view[:3, :3], view[:3, 3] = eye.rotation.T, -eye.rotation.T @ eye.position
            camera = np.array([[focal, 0.0, 50.0], [0.0, focal, 28.0], [0.0, 0.0, 1.0]])
            given = [torch.from_numpy(a) for a in (means, full, view[None], camera[None])]
            found = _fully_fused_projection(
                *given, WIDTH, HEIGHT, eps2d=0.3, calc_compensations=True, camera_model=model
            )
            points, depths, conics, fainter = (t.numpy()[0] for t in found[1:])
            assert count > 40
            np.testing.assert_allclose(rows[:, :2], points, atol=1e-3)
            size, share = np.abs(conics).max(axis=1, keepdims=True), 1e-4 if model == "pinhole" else 0.02
            assert (np.abs(rows[:, 2:5] - conics) / size).max() < share
            np.testing.assert_allclose(rows[:, 6], PEAK * patch.opacities[numbers[:count]] * fainter, rtol=share)
            if model == "pinhole":  # of fisheyes we give the distance
                np.testing.assert_allclose(rows[:, 5], depths, rtol=1e-5)


@pytest.mark.parametrize("cell_m", [2.0, 6.0, 100.0])
def test_merging_keeps_area_mean_and_covariance(cell_m):
    """Of all splats of each material: areas, and the first two moments by area."""
    splats = random_splats(500, 4, (30.0, 40.0, 5.0), 6.0)
    merged = merge_splats(splats, cell_m)
    assert 0 < len(merged) < 500
    i, j = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2])
    for material in MATERIALS:
        totals = []
        for some in (splats[splats.material == material], merged[merged.material == material]):
            means = some.means.astype(np.float64) - np.array([30.0, 40.0, 5.0])
            second = some.covariances + means[:, i] * means[:, j]
            moments = np.column_stack([np.ones(len(some)), means, second, some.albedo, some.opacities])
            totals.append(some.area.astype(np.float64) @ moments)
        np.testing.assert_allclose(totals[0], totals[1], rtol=1e-4, atol=1e-2)
    assert set(np.unique(np.round(np.linalg.norm(merged.normals, axis=1), 4))) <= {0.0, 1.0}


def test_merging_keeps_what_differs_apart():
    """Two sides of a wall, two materials, two instances."""
    one = random_splats(1, 5, (0.5, 0.5, 0.5), 0.0)
    normal = np.array([[0.0, 1.0, 0.0]], np.float32)
    kinds = [
        replace(one, normals=sign * normal, material=np.array([m], np.uint8), instance=np.array([k], np.uint16))
        for sign in (1, -1) for m in (Material.ASPHALT, Material.LINE_WHITE) for k in (0, 5)
    ]  # fmt: skip
    merged = merge_splats(Splats.join([*kinds, *kinds]), 1.0)
    assert len(merged) == 8 and merged.area == pytest.approx(2 * one.area[0])


def test_scales_and_rotations_rebuild_covariances():
    splats = random_splats(200, 6, (0.0, 0.0, 0.0), 1.0)
    turns = Rotation.from_quat(splats.rotations, scalar_first=True).as_matrix()
    full = np.einsum("nij,nj,nkj->nik", turns, splats.scales.astype(np.float64) ** 2, turns)
    again = full[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    np.testing.assert_allclose(again, splats.covariances, atol=1e-5)
    assert len(splats[:0].scales) == 0


def test_labels_are_those_of_materials():
    splats = random_splats(50, 7, (0.0, 0.0, 0.0), 1.0)
    assert np.array_equal(splats.labels, MATERIAL_LABEL[splats.material])


def test_gathering_is_the_adjoint_of_blending():
    """<blend(c), y> = <c, gather(y)>, and its rows are the weights of the reference: up to the early end."""
    rows, _ = projected(scene(count=600))
    image = np.random.default_rng(8).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    weight = np.random.default_rng(9).random((HEIGHT, WIDTH)).astype(np.float32)
    weight[:10, :10] = 0.0
    sums = np.zeros((len(rows), 4))
    gather_squares(rows, binned(rows), np.arange(len(rows), dtype=np.int32), image, weight, sums)
    out = blended(rows)
    seen = np.where(out.splat[..., None] >= 0, out.opacity[..., None] * out.albedo, 0.0)
    forth = (seen * image * weight[..., None]).sum(axis=(0, 1))
    back = (rows[:, 7:10] * sums[:, :3]).sum(axis=0)
    np.testing.assert_allclose(back, forth, rtol=0.004)
    expected, order = np.zeros_like(sums), depth_order(rows)
    for v, u in np.argwhere(weight > 0.0):
        shown, shares = pixel_weights(rows.astype(np.float64), order, u + 0.5, v + 0.5)
        expected[shown] += (weight[v, u] * shares)[:, None] * np.append(image[v, u], 1.0)
    pixels = np.maximum(np.pi * rows[:, 15] * rows[:, 16], 1.0)[:, None]
    assert (np.abs(sums - expected) / pixels).max() < 0.004
    assert expected[:, 3].sum() > 1000.0 and np.abs(sums - expected).sum() < 0.005 * expected.sum()
