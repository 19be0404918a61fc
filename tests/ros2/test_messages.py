"""What an independent subscriber in another process hears, held to the simulator, field by field."""

import numpy as np
import pytest
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry, Path
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos import qos_profile_sensor_data as SENSOR
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu, NavSatFix, PointCloud2
from std_msgs.msg import Float32, String, UInt8MultiArray
from visualization_msgs.msg import MarkerArray

from uniscene_sim.assembly import assemble
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.taxonomy import AgentClass, OccClass
from uniscene_sim.world.scenario_source import ScenarioSource

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
DEEP = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
#: As the specifications of Velodyne's and Autoware's drivers have them: name, offset, PointField datatype.
FIELDS = {
    "XYZI": (16, [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7)]),
    "XYZIRT": (
        22,
        [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7), ("ring", 16, 4), ("time", 18, 7)],
    ),
    "XYZIRC": (
        16,
        [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 2), ("return_type", 13, 2), ("channel", 14, 4)],
    ),
    "XYZIRCAEDT": (
        32,
        [
            ("x", 0, 7),
            ("y", 4, 7),
            ("z", 8, 7),
            ("intensity", 12, 2),
            ("return_type", 13, 2),
            ("channel", 14, 4),
            ("azimuth", 16, 7),
            ("elevation", 20, 7),
            ("distance", 24, 7),
            ("time_stamp", 28, 6),
        ],
    ),
}
_FORMATS = {2: "u1", 4: "<u2", 6: "<u4", 7: "<f4"}


def us(stamp):
    assert stamp.nanosec % 1000 == 0
    return stamp.sec * 1_000_000 + stamp.nanosec // 1000


def cloud(message):
    """Points by the message's own description."""
    names = [f.name for f in message.fields]
    kind = np.dtype(
        {
            "names": names,
            "offsets": [f.offset for f in message.fields],
            "formats": [_FORMATS[f.datatype] for f in message.fields],
            "itemsize": message.point_step,
        }
    )
    assert message.row_step == message.point_step * message.width == len(message.data)
    assert message.height == 1 and not message.is_bigendian and message.is_dense
    return np.frombuffer(message.data, kind)


@pytest.fixture(scope="module")
def first():
    """The first frame of cut_in, by the simulator itself."""
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
    simulator.prepare(simulator.source.route_path)
    return simulator.reset()


def drive(client, topic, kind, until):
    """Answer each message on a topic with a Twist, from when all topics have come and the answers are heard. Who
    answered before would miss the first tick of topics that are found later. Patient: ticks may have to be compiled."""
    command = client.node.create_publisher(Twist, "/cmd_vel", 1)
    answer, ready = Twist(), []
    answer.linear.x = 8.0
    seen = client.listen(kind, topic, SENSOR, lambda _: ready and command.publish(answer))
    client.until(lambda: all(client.heard.values()) and command.get_subscription_count(), 600, "the first frame")
    ready.append(True)
    command.publish(answer)
    client.until(until, 600, topic)
    return seen


def test_first_frame_is_the_simulators_and_each_field_as_specified(start, domain, client, first):
    image = client.listen(Image, "/camera/front/image_raw", SENSOR)
    depth = client.listen(Image, "/camera/front/depth", SENSOR)
    semantic = client.listen(Image, "/camera/front/semantic", SENSOR)
    info = client.listen(CameraInfo, "/camera/front/camera_info", SENSOR)
    sweep = client.listen(PointCloud2, "/lidar/lidar/points", SENSOR)
    voxels = client.listen(PointCloud2, "/occupancy/points", SENSOR)
    labels = client.listen(UInt8MultiArray, "/occupancy/labels", SENSOR)
    layout = client.listen(UInt8MultiArray, "/layout", SENSOR)
    objects = client.listen(MarkerArray, "/objects", 10)
    route = client.listen(Path, "/route", 10)
    signals = client.listen(UInt8MultiArray, "/signals", 10)
    speed = client.listen(Float32, "/vehicle/speed", 10)
    fix = client.listen(NavSatFix, "/gnss/fix", SENSOR)
    xodr = client.listen(String, "/map/opendrive", LATCHED)
    start("node", domain, scenario="cut_in", origin_lat_deg="48.0", origin_lon_deg="11.0")
    client.until(lambda: all(client.heard.values()), 60, "all topics")

    camera, spec = first.cameras["front"], load_rig("rl").cameras[0]
    for messages, encoding, step, values in (
        (image, "rgb8", 84 * 3, camera.rgb),
        (depth, "32FC1", 84 * 4, camera.depth),
        (semantic, "mono8", 84, camera.semantic),
    ):
        message = messages[0]
        assert (message.encoding, message.step, message.height, message.width) == (encoding, step, 84, 84)
        assert message.is_bigendian == 0 and message.header.frame_id == "front_optical"
        assert bytes(message.data) == values.tobytes()
        assert message.header == info[0].header
    k = info[0].k
    assert (k[0], k[4], k[2], k[5], k[8]) == (spec.fx, spec.fy, spec.cx - 0.5, spec.cy - 0.5, 1.0)
    assert info[0].distortion_model == "plumb_bob" and list(info[0].d) == [0.0] * 5
    assert np.allclose(np.array(info[0].p).reshape(3, 4)[:, :3], np.array(k).reshape(3, 3))

    lidar, points = first.sweeps["lidar"], cloud(sweep[0])
    assert sweep[0].header.frame_id == "lidar" and sweep[0].header.stamp == image[0].header.stamp
    assert np.array_equal(np.stack([points[n] for n in "xyz"], axis=1), lidar.xyz)
    assert np.array_equal(points["ring"], lidar.ring) and np.array_equal(points["time"], lidar.time_s)
    assert points["intensity"].max() <= 255.0 and np.allclose(points["intensity"], 255 * lidar.intensity)

    filled = cloud(voxels[0])
    assert len(filled) == np.count_nonzero(first.occupancy.labels != OccClass.FREE)
    assert [d.size for d in labels[0].layout.dim] == [200, 200, 16]
    assert bytes(labels[0].data) == first.occupancy.labels.tobytes()
    assert bytes(layout[0].data) == first.bev.data.tobytes()
    assert layout[0].layout.dim[0].label.split(",") == list(first.bev.schema.channels)

    agents = {int(a["id"]): a for a in first.layout.agents if a["cls"] != AgentClass.SIGNAL_HEAD}
    boxes = objects[0].markers
    assert boxes[0].action == boxes[0].DELETEALL and len(boxes) > 10
    assert all(b.header.frame_id == "map" for b in boxes)
    for box in boxes[1:]:
        agent = agents[box.id]
        assert (box.scale.x, box.scale.y, box.scale.z) == tuple(agent["size"])
        assert box.ns == AgentClass(agent["cls"]).name.lower()
        centre = agent["pos"] + (0, 0, 0.5 * agent["size"][2])
        assert np.allclose((box.pose.position.x, box.pose.position.y, box.pose.position.z), centre)
        assert np.isclose(2 * np.arctan2(box.pose.orientation.z, box.pose.orientation.w) % (2 * np.pi),
                          agent["rpy"][2] % (2 * np.pi))  # fmt: skip
    way = np.array([(p.pose.position.x, p.pose.position.y, p.pose.position.z) for p in route[0].poses])
    assert route[0].header.frame_id == "map" and np.array_equal(way, first.layout.route)
    assert bytes(signals[0].data) == first.layout.signals.tobytes()
    assert speed[0].data == pytest.approx(7.0)
    # A degree of latitude is 111.2 km, one of longitude here 74.6 km.
    assert fix[0].latitude == pytest.approx(48.0 + first.layout.ego_pose.y / 111_200, abs=2e-6)
    assert fix[0].longitude == pytest.approx(11.0 + first.layout.ego_pose.x / 74_630, abs=2e-6)
    assert xodr[0].data == (data_dir("scenarios") / "maps" / "urban_grid.xodr").read_text()


@pytest.mark.parametrize("layout", FIELDS)
def test_point_clouds_have_the_layout_that_was_asked_for(start, domain, client, first, layout):
    sweeps = client.listen(PointCloud2, "/lidar/lidar/points", SENSOR)
    start("node", domain, scenario="cut_in", cloud_layout=layout)
    client.until(lambda: sweeps, 60, "a sweep")
    step, fields = FIELDS[layout]
    assert sweeps[0].point_step == step
    assert [(f.name, f.offset, f.datatype) for f in sweeps[0].fields] == fields
    assert all(f.count == 1 for f in sweeps[0].fields)
    points, lidar = cloud(sweeps[0]), first.sweeps["lidar"]
    assert len(points) == len(lidar.xyz)
    if "channel" in points.dtype.names:
        assert np.array_equal(points["channel"], lidar.ring)
        assert set(points["return_type"]) == {1}  # strongest, alone
        assert np.array_equal(points["intensity"], np.minimum(255 * lidar.intensity + 0.5, 255).astype(np.uint8))
    if "time_stamp" in points.dtype.names:
        # From the stamp on, which is the sweep's begin.
        assert us(sweeps[0].header.stamp) == 1_000_000 - 100_000
        assert points["time_stamp"].max() <= 100_000_000
        assert np.allclose(points["time_stamp"] * 1e-9, lidar.time_s + 0.1, atol=1e-7)
        x, y, z = (points[n].astype(np.float64) for n in "xyz")
        assert np.allclose(points["azimuth"], np.arctan2(y, x), atol=1e-6)
        assert np.allclose(points["elevation"], np.arctan2(z, np.hypot(x, y)), atol=1e-6)
        assert np.allclose(points["distance"], np.sqrt(x * x + y * y + z * z), atol=1e-4)


def test_clock_odometry_and_imu_come_each_10_ms_in_order_and_agree(start, domain, client):
    clock, odom = client.listen(Clock, "/clock", DEEP), client.listen(Odometry, "/odom", 200)
    imu = client.listen(Imu, "/imu/data", DEEP)
    image = client.listen(Image, "/camera/front/image_raw", SENSOR)
    start("node", domain, scenario="cut_in")
    told = [(clock, lambda m: us(m.clock)), *((messages, lambda m: us(m.header.stamp)) for messages in (odom, imu))]
    sweeps = drive(client, "/lidar/lidar/points", PointCloud2, lambda: all(at(m[-1]) >= 3_400_000 for m, at in told))
    for messages in (image, sweeps):
        stamps = sorted({us(m.header.stamp) for m in messages})
        assert np.all(np.diff(stamps) == 100_000)
    for messages, stamp_us in told:
        stamps = [stamp_us(m) for m in messages]
        assert set(np.diff(stamps)) <= {0, 10_000} and stamps[0] == 1_000_000
    assert odom[0].header.frame_id == "odom" and odom[0].child_frame_id == "base_link"
    at = {us(m.header.stamp): m for m in odom}
    x = np.array([[m.pose.pose.position.x, m.pose.pose.position.y] for m in at.values()])
    v = np.array([m.twist.twist.linear.x for m in at.values()])
    driven = np.linalg.norm(np.diff(x, axis=0), axis=1)
    assert np.allclose(driven / 0.01, 0.5 * (v[1:] + v[:-1]), atol=0.02)  # metres, seconds, m/s
    accel = np.array([m.linear_acceleration.x for m in {us(m.header.stamp): m for m in imu}.values()])
    assert np.allclose(np.diff(v) / 0.01, accel[1:], atol=0.3)
    assert all(abs(m.linear_acceleration.z - 9.81) < 0.2 for m in imu)
    assert imu[0].header.frame_id == "imu_link"


@pytest.mark.parametrize(
    ("profile", "topics"),
    [
        (
            "carla",
            {
                "/carla/hero/front/image": (Image, "hero/front"),
                "/carla/hero/front/camera_info": (CameraInfo, "hero/front"),
                "/carla/hero/lidar": (PointCloud2, "hero/lidar"),
                "/carla/hero/odometry": (Odometry, "map"),
                "/carla/hero/speedometer": (Float32, None),
                "/carla/map": (String, None),
            },
        ),
        (
            "autoware",
            {
                "/sensing/camera/front/image_raw": (Image, "front/camera_optical_link"),
                "/sensing/camera/front/camera_info": (CameraInfo, "front/camera_optical_link"),
                "/sensing/lidar/lidar/pointcloud_before_sync": (PointCloud2, "lidar"),
                "/sensing/lidar/lidar/pointcloud_raw_ex": (PointCloud2, "lidar"),
                "/sensing/imu/tamagawa/imu_raw": (Imu, "tamagawa/imu_link"),
                "/localization/kinematic_state": (Odometry, "map"),
            },
        ),
    ],
)
def test_profiles_have_the_names_that_stacks_know(start, domain, client, profile, topics):
    for name, (kind, _) in topics.items():
        # As RViz and stacks made for carla-ros-bridge ask for them.
        sensor = QoSProfile(depth=10) if profile == "carla" else SENSOR
        client.listen(kind, name, LATCHED if name.endswith("map") else sensor)
    start("node", domain, scenario="cut_in", profile=profile, role="hero")
    client.until(lambda: all(client.heard.values()), 60, "all topics")
    for name, (_, frame) in topics.items():
        assert frame is None or client.heard[name][0].header.frame_id == frame
    if profile == "autoware":
        assert client.heard["/sensing/lidar/lidar/pointcloud_before_sync"][0].point_step == 16
        assert client.heard["/sensing/lidar/lidar/pointcloud_raw_ex"][0].point_step == 32
    else:
        assert client.heard["/carla/hero/odometry"][0].child_frame_id == "hero"
        assert client.heard["/carla/map"][0].data.startswith("<")


def test_who_comes_late_hears_the_map_the_status_and_the_frame_that_waits(start, domain, client):
    node = start("node", domain, scenario="cut_in")
    node.until("waits for a control")
    client.spin(1.0)
    xodr = client.listen(String, "/map/opendrive", LATCHED)
    statuses = client.statuses()
    image = client.listen(Image, "/camera/front/image_raw", SENSOR)
    client.until(lambda: xodr and statuses and image, what="map, status and image")
    assert statuses[0]["status"] == "RUNNING" and statuses[0]["scenario"] == "cut_in"
    assert {us(one.header.stamp) for one in image} == {1_000_000}
