"""LiDAR against cameras: kernels against plain code, and cases whose answer is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.assembly import assemble
from uniscene_sim.frames import CameraFrame, LidarSweep, SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame
from uniscene_sim.metrics.consistency import Consistency, consistency, depth_differences, summarise_consistency
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.recording.recorder import Recorder
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.world.scenario_source import ScenarioSource

LENSES = {
    "pinhole": {},
    "brown_conrady": {"model": "brown_conrady", "distortion": (-0.2, 0.05, 0.001, -0.002)},
    "fisheye": {"model": "fisheye", "distortion": (0.02, -0.003)},
}
CAMERAS = tuple(
    CameraSpec(name, 96, 64, 60.0, 60.0, 48.0, 32.0, Pose(1.2, 0.3 * k, 1.4, yaw=k - 1.0, pitch=0.05),
               max_range_m=80.0, **lens)
    for k, (name, lens) in enumerate(LENSES.items())
)  # fmt: skip
LIDAR = LidarSpec("top", Pose(0.5, 0.0, 1.9, yaw=0.4, pitch=0.02), tuple(np.radians(np.linspace(-20, 8, 12))), 240)
RIG = SensorRig("three", CAMERAS, (LIDAR,))
NOBODY = np.zeros(0, AGENT_DTYPE)


@pytest.fixture(scope="module")
def ride():
    """A moment of a ride among others, with LiDAR points as compensated and as measured."""
    skewed = replace(LIDAR, name="skewed", deskewed=False)
    rig = SensorRig("four", CAMERAS, (LIDAR, skewed))
    simulator = assemble(ScenarioSource.open("cut_in"), rig, bev_schema=None, window_grid=None)
    simulator.reset()
    for _ in range(20):
        frame = simulator.step()
    return frame, rig


def plain(sweep, lidar, image, camera, layout):
    """The rules of the module, point by point."""
    depth = np.minimum(image.depth.astype(float), camera.max_range_m)
    height, width = depth.shape
    to_camera = np.linalg.inv(camera.pose.matrix) @ lidar.pose.matrix
    to_ego = np.linalg.inv((layout.ego_pose.compose(lidar.pose)).matrix)[:3, :3]
    velocity = {int(a["id"]): to_ego @ a["vel"] for a in layout.agents}

    def optical(p):
        x, y, z = to_camera[:3, :3] @ p + to_camera[:3, 3]
        return np.array([-y, -z, x])

    def look(q):
        """Row and column, image point, depth; None outside."""
        pixel, seen = camera.project(q[None])
        u, v = pixel[0]
        if not seen[0] or not (0 <= u < width and 0 <= v < height):
            return None
        return int(v), int(u), u, v, np.linalg.norm(q) if camera.model == "fisheye" else q[2]

    def window(i, j):
        low, high = max(i - 1, 0), max(j - 1, 0)
        part = depth[low : i + 2, high : j + 2]
        bent = part.shape != (3, 3)
        for a, b in [] if bent else [((0, 0), (2, 2)), ((0, 1), (2, 1)), ((0, 2), (2, 0)), ((1, 0), (1, 2))]:
            bent |= abs(part[1, 1] / part[a] + part[1, 1] / part[b] - 2) > 0.02
        return not bent, part.min(), part.max()

    def through(p, here, deep):
        before, most = here, 2 * deep / depth[here] - 1
        start, end = optical(np.zeros(3)), optical(p)
        for k in range(1, 33):
            seen = look(start + (end - start) / (1 + most * k / 32))
            if seen is None:
                return False
            if seen[4] <= depth[seen[:2]]:
                return window(*before)[0] and window(*seen[:2])[0]
            before = seen[:2]
        return False

    out = np.full(len(sweep.xyz), -1.0)
    for n, p in enumerate(sweep.xyz.astype(float)):
        who = int(sweep.instance[n])
        if not who and sweep.label[n] == OccClass.OTHERS:
            continue
        p = p - sweep.time_s[n] * velocity.get(who, np.zeros(3))
        seen = look(optical(p))
        if seen is None or seen[4] >= camera.max_range_m:
            continue
        i, j, u, v, deep = seen
        a, b = np.clip([int(v - 0.5), int(u - 0.5)], 0, [height - 2, width - 2])
        s, t = v - 0.5 - a, u - 0.5 - b
        weights = np.outer([1 - s, s], [1 - t, t])
        there = 1 / (weights / depth[a : a + 2, b : b + 2]).sum()
        smooth, low, high = window(i, j)
        difference, behind = abs(deep - there), deep > there
        if difference >= 0.05 and not smooth:
            difference, behind = min(difference, max(low - deep, deep - high, 0)), deep > high
        if behind and difference >= 0.2:
            other = int(image.instance[i, j])
            if (other and other != who and np.any(velocity.get(other, 0))) or not through(p, (i, j), deep):
                continue
        out[n] = difference
    return out


def part_of(sweep, at):
    fields = ("xyz", "intensity", "ring", "time_s", "label", "instance")
    return replace(sweep, **{name: getattr(sweep, name)[at] for name in fields})


@pytest.mark.parametrize("camera", CAMERAS, ids=LENSES)
def test_kernel_is_the_plain_code(ride, camera):
    frame, _ = ride
    sweep = part_of(frame.sweeps["top"], slice(None, None, 3))
    rng = np.random.default_rng(1)
    # half of the points moved, so that all cases occur
    moved = sweep.xyz * np.where(rng.random(len(sweep.xyz)) < 0.5, rng.uniform(0.5, 2, len(sweep.xyz)), 1)[:, None]
    for one in (sweep, replace(sweep, xyz=moved.astype(np.float32))):
        ours = depth_differences(one, LIDAR, frame.cameras[camera.name], camera, frame.layout)
        theirs = plain(one, LIDAR, frame.cameras[camera.name], camera, frame.layout)
        # rounding may move a point to another pixel
        assert (np.abs(ours - theirs) < 1e-3).mean() > 0.995
        assert (ours >= 0).sum() > 60
    assert (ours > 0.2).sum() > 10 and (ours < 0).any()


def test_exact_sensors_agree(ride):
    frame, rig = ride
    found = consistency(replace(frame, sweeps={"top": frame.sweeps["top"]}), rig)
    assert found.points > 400 and found.median_m < 0.01 and found.p95_m < 0.1 and found.within > 0.97
    skewed = consistency(replace(frame, sweeps={"skewed": frame.sweeps["skewed"]}), rig)
    assert skewed.within > 0.95 and abs(skewed.points - found.points) < 0.05 * found.points
    # without the ego's motion they would not
    wrong = replace(rig, lidars=(replace(rig.lidars[1], deskewed=True),))
    assert consistency(replace(frame, sweeps={"skewed": frame.sweeps["skewed"]}), wrong).p95_m > 0.1 > 3 * skewed.p95_m


def test_a_wrong_extrinsic_or_depth_shows(ride):
    frame, rig = ride
    turned = tuple(replace(c, pose=replace(c.pose, yaw=c.pose.yaw + 0.05)) for c in rig.cameras)
    right = consistency(frame, rig)
    assert consistency(frame, replace(rig, cameras=turned)).within < right.within - 0.1
    far = {name: replace(image, depth=1.1 * image.depth) for name, image in frame.cameras.items()}
    assert consistency(replace(frame, cameras=far), rig).within < 0.3
    assert consistency(replace(frame, cameras=far), rig).median_m > 0.5


# --- made by hand -----------------------------------------------------------------------------------------------------

WALL = CameraSpec("front", 40, 30, 40.0, 40.0, 20.0, 15.0, Pose(), max_range_m=60.0)
ABOVE = LidarSpec("above", Pose(0.0, 0.0, 1.0), (0.0,), 4)


def layout(agents=NOBODY):
    return LayoutFrame(0, Pose(yaw=1.0), np.array([3.0, 1.0, 0.0]), 0.0, 0.0, 0.0, EgoVehicle(), agents,
                       np.zeros(0, np.uint8), np.zeros((0, 3)), "", 0)  # fmt: skip


def seen(depth, who=None):
    nothing = np.zeros(depth.shape, np.uint8)
    who = nothing.astype(np.uint16) if who is None else who
    return CameraFrame(np.zeros((*depth.shape, 3), np.uint8), depth.astype(np.float32), nothing, who, 0)


def points(xyz, instance=0, time_s=0.0, label=OccClass.CAR):
    """Points given in the frame of the camera's body."""
    n = len(xyz)
    xyz = (np.asarray(xyz, float) - ABOVE.pose.position).astype(np.float32)
    time_s, label, instance = (
        np.full(n, time_s, np.float32),
        np.full(n, label, np.uint8),
        np.full(n, instance, np.uint16),
    )
    return LidarSweep(xyz, np.zeros(n, np.float32), np.zeros(n, np.uint16), time_s, label, instance, 0)


def told(xyz, depth, who=None, agents=NOBODY, **kinds):
    return depth_differences(points(xyz, **kinds), ABOVE, seen(depth, who), WALL, layout(agents))


def test_a_wall_and_what_is_off_it():
    wall = np.full((30, 40), 10.0)
    np.testing.assert_allclose(told([[10, 1, 0], [10.1, -1, 0.5], [9, 0.3, 0.2]], wall), [0, 0.1, 1], atol=1e-5)
    # behind the camera, beside the image, and rain: nothing to compare
    assert (told([[-5, 0, 0], [10, 9, 0]], wall) == -1).all()
    assert told([[9, 0, 0]], wall, label=OccClass.OTHERS)[0] == -1
    # the beam to a point behind the wall goes through it
    np.testing.assert_allclose(told([[14, 1, 0]], wall), [4], atol=1e-4)
    # sky is as far as the camera sees
    np.testing.assert_allclose(told([[20, 0, 0]], np.full((30, 40), np.inf)), [40], atol=1e-4)


def test_a_slanting_plane_needs_no_window():
    """Ground 2 m below: between pixels depth is that of the plane, though pixels differ by metres."""
    rows = np.arange(30) + 0.5 - 15
    depth = np.repeat(np.where(rows > 0, 2 * 40 / np.maximum(rows, 0.1), np.inf)[:, None], 40, axis=1)
    at = [[x, y, -2.0] for x in (8.3, 12.7, 17.9) for y in (-0.4, 0.9)]
    np.testing.assert_allclose(told(at, depth), 0, atol=1e-4)
    np.testing.assert_allclose(told([[8.3, 0.2, -1.9]], depth), [8.3 * 2 / 1.9 - 8.3], atol=1e-3)


def test_what_an_edge_hides_is_not_compared():
    """The LiDAR stands above and looks over a low wall at what the camera cannot see."""
    depth = np.full((30, 40), 20.0)
    depth[15:] = 5.0  # up to the horizon
    over = [20, 0, -1.0]  # at 5 m the beam is 0.5 m above the edge
    assert told([over], depth)[0] == -1
    below = [20, 0, -6.0]  # that beam meets the wall 0.75 m below the edge
    np.testing.assert_allclose(told([below], depth), [15], atol=1e-4)
    # near the edge itself both walls are right
    assert told([[20, 0, 0.1], [5, 0, 0.1]], depth).max() < 1e-4


def test_who_moves_is_carried_on_and_hides_nothing():
    agents = np.zeros(2, AGENT_DTYPE)
    agents["id"] = [7, 9]
    turn = layout().ego_pose.rotation
    agents["vel"][0] = turn @ [-10.0, 0.0, 0.0]
    depth, who = np.full((30, 40), 10.0), np.full((30, 40), 7, np.uint16)
    # seen 50 ms ago at 10.5 m it is at 10 m now
    np.testing.assert_allclose(told([[10.5, 0, 0]], depth, who, agents, instance=7, time_s=-0.05), [0], atol=1e-5)
    # what was seen before it came is hidden now, but not by one that stands
    assert told([[14, 0, 0]], depth, who, agents, time_s=-0.05)[0] == -1
    np.testing.assert_allclose(told([[14, 0, 0]], depth, np.full_like(who, 9), agents), [4], atol=1e-4)


def test_nothing_to_compare():
    rig = SensorRig("rig", (WALL,), (ABOVE,))
    image, sweep = seen(np.full((30, 40), 10.0)), points([[10, 0, 0], [12, 0, 0]])
    whole = SensorFrame(layout(), {"front": image}, {"above": sweep})
    assert consistency(whole, rig) == Consistency(2, pytest.approx(1), pytest.approx(1.9), 0.5)
    for less in ({"cameras": {}}, {"sweeps": {}}, {"sweeps": {"above": points(np.zeros((0, 3)))}}):
        assert consistency(replace(whole, **less), rig) is None
    assert summarise_consistency([]) is None


def test_the_report_tells_of_the_run(tmp_path):
    rig = SensorRig("rig", (WALL,), (ABOVE,))
    image = seen(np.full((30, 40), 10.0))
    reports = {}
    for kind in (True, False):
        with Recorder(tmp_path / str(kind), RunFacts("made", 1, rig, {}, 100_000, preview=False), compare=kind) as sink:
            for x in (10.0, 10.1, 10.4):
                sink.add(SensorFrame(layout(), {"front": image}, {"above": points([[x, 0, 0]])}), StageTimes())
            sink.add(SensorFrame(layout(), {"front": image}), StageTimes())
            sink.close(Outcome(Status.SUCCESS), TileStats())
        reports[kind] = json.loads((tmp_path / str(kind) / "report.json").read_text())
    assert reports[False]["consistency"] is None and "consistency" not in reports[False]["stages_ms"]
    assert reports[True]["consistency"] == {
        "ticks": 3,
        "points": 3,
        "median_m": {"median": 0.1, "worst": 0.4},
        "p95_m": {"median": 0.1, "worst": 0.4},
        "within_0.2_m": {"median": 1.0, "worst": 0.0},
    }
