"""The recorder and its previews, on small synthetic frames; and a disk that fills up at any byte."""

import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from uniscene_sim.errors import InputError
from uniscene_sim.frames import CameraFrame, LidarSweep, OccupancyGrid, SensorFrame, digest
from uniscene_sim.geometry import Pose
from uniscene_sim.grid import DEFAULT_GRID
from uniscene_sim.interfaces import RunFacts, StageTimes, TileStats
from uniscene_sim.layout import AGENT_DTYPE, BevLayout, EgoVehicle, LayoutFrame, LayoutSchema
from uniscene_sim.outcome import Outcome, Status
from uniscene_sim.recording.panels import bev_panel, lidar_from_above, lidar_in_perspective, occupancy_panel
from uniscene_sim.recording.preview import compose_preview
from uniscene_sim.recording.recorder import Recorder
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig
from uniscene_sim.taxonomy import OCC_RGB, OccClass

CAMERA = CameraSpec("CAM_FRONT", 64, 36, 40.0, 40.0, 32.0, 18.0, Pose(1.7, 0.0, 1.5))
LIDAR = LidarSpec("LIDAR_TOP", Pose(0.9, 0.0, 1.8), (-0.2, 0.0), azimuth_steps=90)
RIG = SensorRig("small", (CAMERA,), (LIDAR,))
FACTS = RunFacts("made", 3, RIG, {"camera": "none"}, tick_us=100_000)
NAMES = ["contact_sheet.png", "preview.mp4", "report.json"]
EGO_RGB = (90, 220, 255)
ROUTE_RGB = (60, 210, 120)


def layout(tick: int = 0, pose: Pose | None = None, route: np.ndarray | None = None) -> LayoutFrame:
    return LayoutFrame(
        stamp_us=100_000 * tick,
        ego_pose=pose or Pose(),
        ego_velocity=np.array([8.0, 0.0, 0.0]),
        ego_yaw_rate=0.0,
        ego_accel=0.0,
        ego_steer=0.0,
        ego_vehicle=EgoVehicle(),
        agents=np.zeros(0, AGENT_DTYPE),
        signals=np.zeros(0, np.uint8),
        route=np.zeros((0, 3)) if route is None else route,
        map_ref="none",
        seed=1,
    )


def sweep(xyz: np.ndarray, label: int = OccClass.CAR, stamp_us: int = 0) -> LidarSweep:
    n = len(xyz)
    return LidarSweep(
        np.asarray(xyz, np.float32),
        np.zeros(n, np.float32),
        np.zeros(n, np.uint16),
        np.zeros(n, np.float32),
        np.full(n, label, np.uint8),
        np.zeros(n, np.uint16),
        stamp_us,
    )


def occupancy() -> OccupancyGrid:
    labels = np.full(DEFAULT_GRID.shape, OccClass.FREE, np.uint8)
    labels[:, :, 2] = OccClass.DRIVEABLE_SURFACE
    return OccupancyGrid(labels, np.zeros(labels.shape, np.uint16), DEFAULT_GRID, Pose())


def bev() -> BevLayout:
    data = np.zeros((18, 200, 200), np.uint8)
    data[0, :, 90:110] = 1
    return BevLayout(data, LayoutSchema(), 0.4, Pose(), (-40.0, -40.0))


def frame(tick: int = 0) -> SensorFrame:
    rng = np.random.default_rng(tick)
    image = CameraFrame(
        rng.integers(0, 255, (36, 64, 3), dtype=np.uint8),
        np.ones((36, 64), np.float32),
        np.zeros((36, 64), np.uint8),
        np.zeros((36, 64), np.uint16),
        100_000 * tick,
    )
    cloud = sweep(rng.normal(size=(500, 3)) * [15, 15, 1], stamp_us=100_000 * tick)
    digests = {"CAM_FRONT": digest(image), "LIDAR_TOP": digest(cloud)}
    return SensorFrame(layout(tick), {"CAM_FRONT": image}, {"LIDAR_TOP": cloud}, occupancy(), bev(), digests)


def record(out: Path, ticks: int, preview: bool = True, **options: object) -> list[Path]:
    with Recorder(out, replace(FACTS, preview=preview), **options) as recorder:
        for tick in range(ticks):
            recorder.add(frame(tick), StageTimes({"camera": 10.0 + tick}))
        return recorder.close(Outcome(Status.SUCCESS), TileStats(made=2))


def has(picture: np.ndarray, rgb: tuple[int, ...]) -> np.ndarray:
    """Mask (H, W) of the pixels of a colour."""
    return (picture == np.array(rgb, np.uint8)).all(axis=-1)


def test_a_run_leaves_a_video_a_sheet_and_a_report(tmp_path):
    written = record(tmp_path, 5)
    assert sorted(p.name for p in written) == sorted(p.name for p in tmp_path.iterdir()) == NAMES
    with av.open(str(tmp_path / "preview.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 10 and stream.width % 2 == stream.height % 2 == 0
        assert sum(1 for _ in video.decode(stream)) == 5
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        assert sheet.size[0] == compose_preview(frame(), RIG).shape[1]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["ticks"] == 5 and report["outcome"] == {"status": "SUCCESS", "criteria": []} and report["seed"] == 3
    assert report["tiles"] == {"made": 2, "from_cache": 0, "stalled_ticks": 0, "worst_stall_ms": 0.0}
    assert report["sensors"] == ["CAM_FRONT", "LIDAR_TOP"] and report["rig"] == "small"
    assert report["stages_ms"]["camera"] == {"p50": 12.0, "p95": 13.8}
    assert report["ticks_per_s"] == pytest.approx(4 / 0.050, rel=1e-3)  # the first tick is start-up
    assert report["versions"]["numpy"] == np.__version__


def test_the_digest_is_of_the_sensors_and_of_nothing_else(tmp_path):
    def of(name: str, ticks: int, **options: object) -> str:
        record(tmp_path / name, ticks, **options)
        return json.loads((tmp_path / name / "report.json").read_text())["digest"]

    assert of("a", 3) == of("b", 3, preview=False) == of("c", 3, stride=2) != of("d", 4, preview=False)


def test_stride_draws_fewer_pictures_that_last_as_long(tmp_path):
    record(tmp_path, 7, stride=3)
    with av.open(str(tmp_path / "preview.mp4")) as video:
        assert video.streams.video[0].average_rate * 3 == 10
        assert sum(1 for _ in video.decode(video=0)) == 3
    with pytest.raises(InputError, match="stride"):
        record(tmp_path, 1, stride=0)


def test_no_preview_writes_the_report_alone(tmp_path):
    assert [p.name for p in record(tmp_path, 2, preview=False)] == ["report.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_a_run_that_breaks_off_leaves_nothing(tmp_path):
    def break_off() -> None:
        with Recorder(tmp_path, FACTS) as recorder:
            recorder.add(frame(), StageTimes())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        record(tmp_path / "file", 1)


@pytest.mark.parametrize("missing", ["cameras", "sweeps", "occupancy", "bev"])
def test_a_frame_that_lacks_a_sensor_has_a_picture_of_the_same_size(missing):
    whole = frame()
    parts = {k: getattr(whole, k) for k in ("cameras", "sweeps", "occupancy", "bev")}
    parts[missing] = {} if missing in ("cameras", "sweeps") else None
    picture = compose_preview(SensorFrame(whole.layout, **parts), RIG)
    full = compose_preview(whole, RIG)
    assert picture.shape == full.shape and picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    assert (picture != full).any()


def test_the_same_frame_gives_the_same_picture_and_is_left_as_it_was():
    whole = frame()
    before = whole.occupancy.labels.copy()
    assert np.array_equal(compose_preview(whole, RIG, "title"), compose_preview(whole, RIG, "title"))
    assert np.array_equal(whole.occupancy.labels, before)


@pytest.mark.parametrize(("count", "rows"), [(0, 0), (1, 1), (3, 1), (4, 2), (7, 3)])
def test_any_number_of_cameras_fits(count, rows):
    cameras = tuple(CameraSpec(f"c{i}", 84, 84, 42.0, 42.0, 42.0, 42.0, Pose()) for i in range(count))
    picture = compose_preview(SensorFrame(layout()), SensorRig("r", cameras))
    assert picture.shape[0] >= compose_preview(SensorFrame(layout()), SensorRig("r")).shape[0] + 300 * rows


def test_lidar_from_above_puts_forward_up_and_left_left():
    forward, left = np.array([[20.0, 0.0, 0.0]]), np.array([[0.0, 20.0, 0.0]])
    rgb = tuple(OCC_RGB[OccClass.CAR].clip(70))
    for point, (row, column) in ((forward, (50, 90)), (left, (90, 50))):
        picture = lidar_from_above(sweep(point), Pose(), EgoVehicle(), size=180)
        assert np.argwhere(has(picture, rgb)).tolist() == [[row, column]]


def test_lidar_in_perspective_draws_near_over_far_and_left_of_right():
    picture = lidar_in_perspective(sweep(np.array([[30.0, 8.0, 1.0]])), Pose(), EgoVehicle(), 200)
    at = np.argwhere(has(picture, tuple(OCC_RGB[OccClass.CAR].clip(70))))
    assert len(at) and (at[:, 1] < 100).all()
    ego = np.argwhere(has(picture, EGO_RGB))
    assert abs(ego[:, 1].mean() - 99.5) < 2 and ego[:, 0].mean() > at[:, 0].max()


def test_occupancy_shows_a_near_wall_before_what_it_hides():
    grid = occupancy()
    open_view = occupancy_panel(grid, EgoVehicle(), 300)
    assert has(open_view, EGO_RGB).any()
    grid.labels[92, :, 2:] = OccClass.VEGETATION
    hidden = occupancy_panel(grid, EgoVehicle(), 300)
    assert has(hidden, tuple(OCC_RGB[OccClass.VEGETATION])).any()  # its top, fully lit
    assert not has(hidden, EGO_RGB).any()


def test_route_lies_on_the_layout_where_the_ego_goes():
    pose = Pose(100.0, 50.0, 0.0, yaw=np.pi / 2)  # facing +y of the map
    route = np.array([[100.0, 50.0, 0.0], [100.0, 70.0, 0.0], [90.0, 70.0, 0.0]])  # ahead, then left
    green = np.argwhere(has(bev_panel(bev(), layout(pose=pose, route=route), 400), ROUTE_RGB))
    assert abs(green[:, 0].min() - 100) <= 1  # 20 m ahead at 5 px/m
    assert abs(green[:, 1].min() - 150) <= 1  # 10 m to the left


_FILL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_recording as t
out, limits = Path(sys.argv[2]), [int(a) for a in sys.argv[3:]]
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
    try:
        t.record(out, 3)
    except t.InputError as error:
        print("refused", len(str(error).splitlines()), sorted(p.name for p in out.iterdir()))
    else:
        print("whole")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(tmp_path):
    """A limit on file size stands in for a full disk; it cuts each of the three files, the video at its end too."""
    record(tmp_path / "whole", 3)
    size = {p.name: p.stat().st_size for p in (tmp_path / "whole").iterdir()}
    video = size["preview.mp4"]
    limits = [0, 50, size["report.json"] - 20, video // 2, video - 400, video - 60, size["contact_sheet.png"] - 1]
    limits = [v for v in limits if v < max(size.values())]
    command = [sys.executable, "-c", _FILL, str(Path(__file__).parent), str(tmp_path / "full")]
    done = subprocess.run([*command, *map(str, limits), str(1 << 30)], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["refused 1 []"] * len(limits) + ["whole"], done.stderr[-2000:]
