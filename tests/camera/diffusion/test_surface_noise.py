"""Noise fixed to surfaces: held to plain arrays, white, the same on a second visit, and carried by what moves."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from uniscene_sim.assembly import assemble
from uniscene_sim.camera.diffusion.reference import surface_noise_plainly
from uniscene_sim.camera.diffusion.surface_noise import surface_noise
from uniscene_sim.errors import InputError
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import WorldView
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.tracing.buffers import camera_buffers
from uniscene_sim.world.scenario_source import ScenarioSource

CAMERAS = load_rig("nuscenes-small").cameras
FRONT = next(spec for spec in CAMERAS if spec.name == "CAM_FRONT")
MOUNT = Pose(1.5, 0.1, 1.6, roll=0.02, pitch=0.05, yaw=-0.1)
LENSES = (
    FRONT,
    CameraSpec("brown", 160, 96, 90.0, 90.0, 80.0, 50.0, MOUNT, model="brown_conrady",
               distortion=(-0.25, 0.06, 0.001, -0.002, -0.004), max_range_m=60.0),
    CameraSpec("fish", 152, 152, 20.0, 20.0, 75.0, 75.0, replace(MOUNT, x=3.7), model="fisheye",
               distortion=(0.02, -0.006, 0.001), max_range_m=60.0, ego_visible=True),
)  # fmt: skip
SEED, LEVEL = 11, 0.01


@dataclass(frozen=True)
class Seen:
    depth: np.ndarray
    instance: np.ndarray


@dataclass(frozen=True)
class Street:
    """Two moments of a drive, and what cameras see when the ego is put somewhere."""

    begin: LayoutFrame
    later: LayoutFrame
    atlas: object

    def see(self, layout: LayoutFrame, spec: CameraSpec) -> Seen:
        found = camera_buffers(WorldView(layout, (), self.atlas), spec)
        return Seen(found.depth, found.instance)

    def noise(self, layout: LayoutFrame, spec: CameraSpec, seed: int = SEED, channels: int = 4) -> np.ndarray:
        return surface_noise(layout, self.see(layout, spec), spec, seed, channels)


@pytest.fixture(scope="module")
def street():
    world = assemble(ScenarioSource.open("cut_in"), load_rig("nuscenes-small"), window_grid=None, bev_schema=None)
    begin = world.reset().layout
    later = begin
    while later.stamp_us < 2_000_000:
        later = world.step().layout
    return Street(begin, later, world.atlas)


def placed(layout: LayoutFrame, ahead: float = 0.0, left: float = 0.0, yaw: float = 0.0) -> LayoutFrame:
    """The layout with the ego elsewhere, m and rad from where it is."""
    pose = layout.ego_pose
    x, y = pose.apply(np.array([[ahead, left, 0.0]]))[0, :2]
    return replace(layout, ego_pose=replace(pose, x=float(x), y=float(y), yaw=pose.yaw + yaw))


def by_latent(image: np.ndarray) -> np.ndarray:
    """Pixels of each latent pixel: (h, w, 64)."""
    h, w = image.shape[0] // 8, image.shape[1] // 8
    return image.reshape(h, 8, w, 8).swapaxes(1, 2).reshape(h, w, 64)


def static(seen: Seen) -> np.ndarray:
    """Latent pixels, bool (h, w), that see nothing but the world that stands still."""
    return np.isfinite(by_latent(seen.depth)).all(axis=2) & (by_latent(seen.instance) == 0).all(axis=2)


@pytest.mark.parametrize("spec", LENSES, ids=lambda s: s.model)
def test_the_kernel_is_the_plain_reference(street, spec):
    seen = street.see(street.later, spec)
    for channels in (1, 4):
        fast = surface_noise(street.later, seen, spec, SEED, channels)
        plain = surface_noise_plainly(street.later, seen, spec, SEED, channels)
        assert fast.dtype == plain.dtype == np.float32 and fast.shape == plain.shape
        np.testing.assert_allclose(fast, plain, atol=1e-6)


def p_values(noise: np.ndarray, part: np.ndarray | None = None) -> dict[str, float]:
    """How likely noise (C, h, w) is, if it is white, in some statistics: of its numbers in a part of it, of neighbours,
    of channels, and of its spectrum."""
    c, h, w = noise.shape
    part = np.ones((h, w), bool) if part is None else part
    x = noise[:, part].astype(np.float64)
    n = x.size
    found = {
        "mean": 2.0 * stats.norm.sf(abs(x.mean()) * np.sqrt(n)),
        "variance": 2.0 * min(stats.chi2.cdf((x**2).sum(), n), stats.chi2.sf((x**2).sum(), n)),
        "distribution": stats.kstest(x.ravel(), "norm").pvalue,
    }
    for name, a, b in (
        ("across", np.s_[:, :-1], np.s_[:, 1:]), ("down", np.s_[:-1], np.s_[1:]),
        ("two across", np.s_[:, :-2], np.s_[:, 2:]), ("diagonal", np.s_[:-1, :-1], np.s_[1:, 1:]),
    ):  # fmt: skip
        both = part[a] & part[b]
        one, other = noise[(slice(None), *np.index_exp[a])][:, both], noise[(slice(None), *np.index_exp[b])][:, both]
        sums = (one.astype(np.float64) * other).sum()
        found[name] = 2.0 * stats.norm.sf(abs(sums) / np.sqrt(max(one.size, 1)))
    found["channels"] = 2.0 * stats.norm.sf(abs((x[0] * x[1]).sum()) / np.sqrt(x.shape[1]))
    if part.all():  # power is exponentially distributed, the same at all frequencies; half of them are free
        power = np.abs(np.fft.rfft2(noise.astype(np.float64)))[:, 1 : h // 2, 1 : w // 2 - 1] ** 2 / (h * w)
        radius = np.hypot(np.arange(1, h // 2)[:, None] / h, np.arange(1, w // 2 - 1) / w)
        for k, ring in enumerate(np.array_split(np.argsort(radius.ravel()), 4)):
            band = power.reshape(c, -1)[:, ring]
            sums = 2.0 * band.sum()
            found[f"band {k}"] = 2.0 * min(stats.chi2.cdf(sums, 2 * band.size), stats.chi2.sf(sums, 2 * band.size))
    return found


def assert_white(all_values: dict[str, float]) -> None:
    """At the 1 % level for all tests together (Bonferroni)."""
    least = min(all_values, key=all_values.get)
    assert all_values[least] > LEVEL / len(all_values), (least, all_values[least], len(all_values))


def test_it_is_white_in_every_camera(street):
    found = {}
    for seed, (layout, spec) in enumerate((m, spec) for m in (street.begin, street.later) for spec in CAMERAS):
        noise = street.noise(layout, spec, seed)
        assert len(np.unique(noise[0])) == noise[0].size, "no two latent pixels of an image share a number"
        found |= {f"{spec.name} {layout.stamp_us} {k}": p for k, p in p_values(noise).items()}
    assert len(found) == 12 * 12
    assert_white(found)


def test_it_is_white_at_every_distance(street):
    found = {}
    bounds = (0.0, 8.0, 16.0, 32.0, 64.0, 150.0, np.inf)
    for k, spec in enumerate(CAMERAS):
        depth = np.median(by_latent(street.see(street.later, spec).depth), axis=2)
        noise = street.noise(street.later, spec, 100 + k)
        for near, far in zip(bounds, (*bounds[1:], None), strict=True):
            part = np.isinf(depth) if far is None else (depth >= near) & (depth < far)
            if part.sum() >= 50:
                found |= {f"{spec.name} {near} m {k}": p for k, p in p_values(noise, part).items()}
    assert {name.split()[1] for name in found} >= {"0.0", "8.0", "16.0", "inf"}
    assert_white(found)


def test_what_is_not_white_is_found_out(street):
    noise = street.noise(street.later, FRONT)
    white = p_values(noise)
    assert_white(white)
    for wrong in (
        np.repeat(noise[:, :, ::2], 2, axis=2)[:, :, : noise.shape[2]],  # magnified surfaces
        0.95 * noise,  # averages of correlated cubes
        0.99 * noise + 0.14 * np.roll(noise, 1, axis=1),
        np.sign(noise),
    ):
        with pytest.raises(AssertionError):
            assert_white(p_values(wrong))


def test_a_second_visit_by_another_way_shows_the_same_noise(street):
    """Where the ego stands when the drive begins, it also comes later, when the traffic around it is elsewhere."""
    again, equal, count = replace(street.later, ego_pose=street.begin.ego_pose), 0, 0
    assert not np.array_equal(again.agents["pos"], street.begin.agents["pos"])
    for spec in CAMERAS:
        first, second = street.see(street.begin, spec), street.see(again, spec)
        both = static(first) & static(second)
        same = surface_noise(street.begin, first, spec, SEED) == surface_noise(again, second, spec, SEED)
        equal, count = equal + int(same.all(axis=0)[both].sum()), count + int(both.sum())
    assert count > 3000
    assert equal >= 0.95 * count


def found_again(street: Street, here: LayoutFrame, there: LayoutFrame, spec: CameraSpec) -> tuple[int, int]:
    """Of the static latent pixels here that are also seen from there, how many have the noise of a latent pixel around
    where their surface is there; and how many they are."""
    seen, old = street.see(here, spec), street.see(there, spec)
    noise, known = surface_noise(here, seen, spec, SEED)[0], surface_noise(there, old, spec, SEED)[0]
    v, u = np.nonzero(static(seen))
    pixel = np.stack([8 * u + 4.5, 8 * v + 4.5], axis=1)
    ray = spec.unproject(pixel)[0]
    point = ray / ray[:, 2:] * seen.depth[8 * v + 4, 8 * u + 4][:, None]
    pose_here, pose_there = (m.ego_pose.compose(spec.pose) for m in (here, there))
    axes = spec.rotation_base_from_optical
    in_map = point @ (here.ego_pose.rotation @ axes).T + pose_here.position
    back = (in_map - pose_there.position) @ (there.ego_pose.rotation @ axes)
    at, imaged = spec.project(back)
    column, row = np.floor(at / 8).astype(int).T
    inside = imaged & (column > 0) & (row > 0) & (column < noise.shape[1] - 1) & (row < noise.shape[0] - 1)
    column, row, back, numbers = column[inside], row[inside], back[inside], noise[v, u][inside]
    seen_there = np.abs(by_latent(old.depth)[row, column] - back[:, 2:]).min(axis=1) < 0.02 * back[:, 2] + 0.02
    around = np.stack([known[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=1)
    return int((around == numbers[:, None]).any(axis=1)[seen_there].sum()), int(seen_there.sum())


@pytest.mark.parametrize(
    ("ahead", "left", "yaw", "least"),
    [(0.0, 0.0, 0.0, 1.0), (0.0, 0.01, 0.0, 0.8), (0.05, 0.05, 0.0, 0.4), (1.7, 3.5, 0.02, 0.25)],
)
def test_from_another_pose_surfaces_keep_part_of_their_noise(street, ahead, left, yaw, least):
    counts = [found_again(street, placed(street.begin, ahead, left, yaw), street.begin, spec) for spec in CAMERAS]
    equal, count = np.sum(counts, axis=0)
    assert count > 1500 and equal >= least * count, (equal / count, count)


def test_hardly_any_number_belongs_to_a_latent_pixel_itself(street):
    """Only such numbers depend on which camera it is."""
    seen = street.see(street.later, FRONT)
    other = surface_noise(street.later, seen, replace(FRONT, name="another"), SEED)
    assert (surface_noise(street.later, seen, FRONT, SEED) == other).mean() > 0.99


def test_another_seed_is_other_noise(street):
    one, other = street.noise(street.later, FRONT, 1), street.noise(street.later, FRONT, 2)
    assert not (one == other).any()
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4.0 / np.sqrt(one.size)


def test_agents_carry_their_noise(street):
    """The ego and all agents are moved together: what stands still gets other noise, and they keep theirs."""
    here = street.begin
    agents = here.agents.copy()
    step = here.ego_pose.rotation @ np.array([6.13, 0.0, 0.0])
    agents["pos"] += step
    pose = here.ego_pose
    there = replace(
        here, agents=agents, ego_pose=replace(pose, x=pose.x + step[0], y=pose.y + step[1], z=pose.z + step[2])
    )
    kept, changed = [], []
    for spec in CAMERAS:
        before, after = street.see(here, spec), street.see(there, spec)
        same = surface_noise(here, before, spec, SEED)[0] == surface_noise(there, after, spec, SEED)[0]
        ids, ids_after = by_latent(before.instance), by_latent(after.instance)
        body = (ids == ids[..., :1]).all(axis=2) & (ids == ids_after).all(axis=2) & (ids[..., 0] > 0)
        kept.append(same[body])
        changed.append(same[static(before) & static(after)])
    assert len(np.concatenate(kept)) > 20
    assert np.concatenate(kept).mean() > 0.95 and np.concatenate(changed).mean() < 0.5


def test_the_sky_stays_where_it_is(street):
    here, there, turned = street.begin, placed(street.begin, ahead=2.0), placed(street.begin, yaw=0.5)
    sky = [np.isinf(by_latent(street.see(m, FRONT).depth)).all(axis=2) for m in (here, there, turned)]
    noise = [street.noise(m, FRONT)[0] for m in (here, there, turned)]
    assert (sky[0] & sky[1]).sum() > 100
    np.testing.assert_array_equal(noise[0][sky[0] & sky[1]], noise[1][sky[0] & sky[1]])
    assert not np.equal(noise[0], noise[2])[sky[0] & sky[2]].any(), "it does not turn with the camera"
    assert np.isin(noise[2][sky[2]], noise[0][sky[0]]).mean() > 0.1


def test_what_does_not_fit_is_refused(street):
    seen = street.see(street.begin, FRONT)
    with pytest.raises(InputError, match="latent_px: expected a multiple of"):
        surface_noise(street.begin, seen, FRONT, SEED, latent_px=3)
    with pytest.raises(InputError, match="CAM_FRONT: expected a height and width that are multiples of 32 px"):
        surface_noise(street.begin, seen, FRONT, SEED, latent_px=32)
    with pytest.raises(InputError, match="CAM_FRONT: expected an image of 224 x 400"):
        surface_noise(street.begin, Seen(seen.depth[:8], seen.instance), FRONT, SEED)
