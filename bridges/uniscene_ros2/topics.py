"""All published topics: what each carries, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Any

import rclpy.node
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import QoSProfile
from std_msgs.msg import Float32, String

from uniscene_ros2 import qos
from uniscene_ros2.fixed_frames import FixedFrame, fixed_frames, frame_of_clouds
from uniscene_ros2.messages import clouds, images, transforms
from uniscene_ros2.messages import ego_state as ego
from uniscene_ros2.messages import external_types as foreign
from uniscene_ros2.messages import navigation as nav
from uniscene_ros2.messages import surroundings as scene
from uniscene_ros2.messages.geodesy import EarthPlace, Origin
from uniscene_ros2.messages.prefilled import labelled_array
from uniscene_ros2.messages.stamps import as_header
from uniscene_ros2.motion import Motion, motion_of
from uniscene_ros2.own_coordinates import layout_in_own_coordinates
from uniscene_ros2.packages import Packages
from uniscene_ros2.profiles import Profile, fill_name
from uniscene_sim.frames import SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig

__all__ = ["PublishContext", "PublishTime", "TopicTable", "in_namespace"]


#: A publisher, and the message or serialised message for it.
PublisherMessage = tuple[Any, Any]


class PublishTime(Enum):
    """When a topic is published."""

    PHYSICS_STEP = "every 10 ms"
    FRAME = "every tick"
    SCENARIO = "when one is loaded"
    STATUS = "when it changes"


@dataclass(frozen=True)
class PublishContext:
    """Content of messages. Physics steps within a tick have no sensor frame.

    Attributes:
        stamp_us: ROS time; the layout's own stamp starts at 0 in each run.
        layout: in the map frame of Python, as frame and `recent_layouts` are.
        recent_layouts: oldest first, the last one now.
        frame_origin: see `StaticMap`.
        earth: where the map frame of Python lies.
        earlier: the layouts 10 ms apart before this one, as many of the last `motion.BEFORE` as there are.
    """

    stamp_us: int
    layout: LayoutFrame
    frame: SensorFrame | None = None
    recent_layouts: Sequence[LayoutFrame] = ()
    diagnostics: Callable[[], DiagnosticArray] | None = None
    status: Callable[[], str] = str
    map_text: Callable[[], str] = str
    frame_origin: tuple[float, float] = (0.0, 0.0)
    earth: EarthPlace = Origin()  # noqa: RUF009 - frozen
    earlier: Sequence[LayoutFrame] = ()

    @cached_property
    def own(self) -> LayoutFrame:
        """The layout in the map's own coordinates."""
        return layout_in_own_coordinates(self.layout, self.frame_origin)

    @cached_property
    def motion(self) -> Motion:
        """Of base_link."""
        return motion_of(Pose(), (*self.earlier, self.layout))

    def motion_at(self, frame: Pose) -> Motion:
        """Of a frame at a pose in base_link."""
        return self.motion if frame == Pose() else motion_of(frame, (*self.earlier, self.layout))

    def ros_stamp_us(self, record_us: int) -> int:
        """ROS time of a record's stamp, which is earlier than `stamp_us` if its engine has latency."""
        return self.stamp_us - (self.layout.stamp_us - record_us)


@dataclass(frozen=True)
class Topic:
    name: str
    when: PublishTime
    make: Callable[[PublishContext], Any]  # returns None if there is nothing to publish
    publisher: Any
    needs: str = ""  # the sensor that it depends on, or "occupancy" or "bev"


class TopicTable:
    """The publishers of a node; makes messages only for topics with subscribers.

    Args:
        node: owner of the publishers.
        rig: sensors.
        profile: names of topics and frames.
        packages: message types.
        role: name of the ego in the profile `carla`.
        cloud_layout: fields of point clouds, see `messages.clouds.LAYOUTS`.
        reliability: of sensors and the clock: "best_effort", "reliable", or "profile" for the profile's own.
        on_mismatch: called with a topic's name and the event if a subscriber's quality of service is incompatible.
    """

    def __init__(
        self,
        node: rclpy.node.Node,
        rig: SensorRig,
        profile: Profile,
        packages: Packages,
        *,
        role: str = "ego_vehicle",
        cloud_layout: str = "XYZIRT",
        reliability: str = "profile",
        on_mismatch: Callable[[str, Any], None] = lambda topic, event: None,
    ):
        self._node, self._rig, self._profile, self._packages = node, rig, profile, packages
        self._role, self._on_mismatch = role, on_mismatch
        self._reliability = profile.reliability if reliability == "profile" else reliability
        self._sensor = qos.SENSOR[self._reliability]
        self.table: list[Topic] = []
        self._subscriber_counts: dict[str, int] = {}
        self._base = fill_name(profile.base, role)
        self._add_ego()
        self._add_scene()
        for camera in rig.cameras:
            self._add_camera(camera)
        # LiDARs come last: a stack that waits for the sweep then has everything else of the frame.
        for lidar in rig.lidars:
            self._add_lidar(lidar, cloud_layout)

    # --- publishing -----------------------------------------------------------------------------------------------

    def messages(
        self, when: PublishTime, *contexts: PublishContext, only: Set[str] | None = None
    ) -> Iterator[PublisherMessage]:
        """Messages for topics that are published at a time and have subscribers, for one context after another; `only`
        limits the topics."""
        topics = [t for t in self.table if t.when is when and (only is None or t.name in only) and self._wanted(t)]
        for now in contexts:
            for topic in topics:
                message = topic.make(now)
                if message is not None:
                    yield topic.publisher, message

    @property
    def needs(self) -> set[str]:
        """The sensors, "occupancy" and "bev" whose topics have subscribers."""
        return {topic.needs for topic in self.table if topic.needs and topic.publisher.get_subscription_count()}

    def topics_with_new_subscribers(self) -> set[str]:
        """Topics with more subscribers than at the last call."""
        counts = {topic.name: topic.publisher.get_subscription_count() for topic in self.table}
        more = {name for name, count in counts.items() if count > self._subscriber_counts.get(name, 0)}
        self._subscriber_counts = counts
        return more

    @staticmethod
    def _wanted(topic: Topic) -> bool:
        """Whether a topic has subscribers or is latched, so that late subscribers get its last message."""
        return topic.when in (PublishTime.SCENARIO, PublishTime.STATUS) or topic.publisher.get_subscription_count() > 0

    # --- the table ------------------------------------------------------------------------------------------------

    def _add(
        self,
        what: str,
        type_name: str,
        quality: QoSProfile,
        when: PublishTime,
        make: Callable[..., Any],
        *,
        sensor: str = "",
        needs: str = "",
        name: str | None = None,
        with_kind: bool = False,
    ) -> None:
        """Add a topic, unless the profile has no name for it or its message package is not installed."""
        name = name or self._profile.topic(what, self._role, sensor)
        if name is None:
            return
        name = in_namespace(self._node, name)
        kind = self._packages.find(type_name, name)
        if kind is None:
            return
        if what in self._profile.latched:
            quality = qos.LATCHED
        events = PublisherEventCallbacks(incompatible_qos=partial(self._on_mismatch, name))
        publisher = self._node.create_publisher(kind, name, quality, event_callbacks=events)
        self.table.append(Topic(name, when, partial(make, kind) if with_kind else make, publisher, needs))

    def _add_ego(self) -> None:
        frames, base = self._profile, self._base
        imu, gnss = self._rig.imu, self._rig.gnss
        imu_frame, gnss_frame = fill_name(frames.imu, self._role), fill_name(frames.gnss, self._role)
        moment, tick, scenario = PublishTime.PHYSICS_STEP, PublishTime.FRAME, PublishTime.SCENARIO
        add = self._add
        add("clock", "rosgraph_msgs/Clock", qos.CLOCK[self._reliability], moment, lambda now: ego.clock(now.stamp_us))
        add("tf", "tf2_msgs/TFMessage", qos.TF, moment, self._dynamic_transforms, with_kind=True)
        add("tf_static", "tf2_msgs/TFMessage", qos.LATCHED, scenario,
            lambda kind, now: transforms.fixed_transforms(kind, self._fixed_frames(now), now.stamp_us),
            with_kind=True)  # fmt: skip
        add("extrinsics", "visualization_msgs/MarkerArray", qos.LATCHED, scenario,
            lambda now: transforms.extrinsics(self._fixed_frames(now), now.stamp_us))  # fmt: skip
        add("odometry", "nav_msgs/Odometry", qos.STATE, moment,
            lambda now: ego.odometry(now.own, now.motion, now.stamp_us, frames.odometry_in, base))  # fmt: skip
        add("imu", "sensor_msgs/Imu", qos.IMU[self._reliability], moment,
            lambda now: nav.imu(
                now.layout, now.motion_at(imu.pose), now.stamp_us, imu_frame, now.earth, imu
            ))  # fmt: skip
        add("gnss", "sensor_msgs/NavSatFix", self._sensor, tick,
            lambda now: nav.gnss_fix(now.layout, now.stamp_us, gnss_frame, now.earth, gnss))  # fmt: skip
        add("gnss_pose", "geometry_msgs/PoseWithCovarianceStamped", self._sensor, tick,
            lambda now: nav.pose_with_covariance(
                now.own, nav.map_error(now.layout, now.earth, gnss), now.stamp_us, frames.map, gnss
            ))  # fmt: skip
        add("speed", "std_msgs/Float32", qos.STATE, tick, lambda now: Float32(data=ego.speed_mps(now.layout)))
        add("steering", "std_msgs/Float32", qos.STATE, tick, lambda now: Float32(data=float(now.layout.ego_steer)))
        for what, type_name, make in (
            ("autoware_velocity", "autoware_vehicle_msgs/VelocityReport", foreign.velocity_report),
            ("autoware_steering", "autoware_vehicle_msgs/SteeringReport", foreign.steering_report),
            ("autoware_control_mode", "autoware_vehicle_msgs/ControlModeReport", foreign.control_mode),
            ("autoware_gear", "autoware_vehicle_msgs/GearReport", foreign.gear),
            ("carla_status", "carla_msgs/CarlaEgoVehicleStatus", foreign.carla_status),
        ):
            add(what, type_name, qos.STATE, tick, self._foreign(make, base), with_kind=True)

    def _add_scene(self) -> None:
        tick, world = PublishTime.FRAME, self._profile.map
        add = self._add
        add("objects", "visualization_msgs/MarkerArray", qos.STATE, tick,
            lambda now: scene.markers(now.own, as_header(now.stamp_us, world)))  # fmt: skip
        add("detections", "vision_msgs/Detection3DArray", qos.STATE, tick,
            self._foreign(foreign.detections, world), with_kind=True)  # fmt: skip
        add("carla_objects", "derived_object_msgs/ObjectArray", qos.STATE, tick,
            self._foreign(foreign.carla_objects, world), with_kind=True)  # fmt: skip
        add("autoware_signals", "autoware_perception_msgs/TrafficLightGroupArray", qos.STATE, tick,
            self._foreign(foreign.traffic_lights, world), with_kind=True)  # fmt: skip
        add("route", "nav_msgs/Path", qos.STATE, tick,
            lambda now: scene.route(now.own, now.stamp_us, world))  # fmt: skip
        add("signals", "std_msgs/UInt8MultiArray", qos.STATE, tick, lambda now: scene.signals(now.layout))
        add("occupancy_points", "sensor_msgs/PointCloud2", self._sensor, tick,
            lambda now: _message_of_part(
                now,
                "occupancy",
                lambda o: clouds.occupied_points(
                    o, now.ros_stamp_us(o.stamp_us), frame_of_clouds(world, now.frame_origin)
                ),
            ),
            needs="occupancy")  # fmt: skip
        add("occupancy_labels", "std_msgs/UInt8MultiArray", self._sensor, tick,
            lambda now: _message_of_part(now, "occupancy", lambda o: labelled_array(o.labels, ("x", "y", "z"))),
            needs="occupancy")  # fmt: skip
        add("layout", "std_msgs/UInt8MultiArray", self._sensor, tick,
            lambda now: _message_of_part(
                now, "bev", lambda b: labelled_array(b.data, (",".join(b.schema.channels), "x", "y"))
            ),
            needs="bev")  # fmt: skip
        add("diagnostics", "diagnostic_msgs/DiagnosticArray", qos.STATE, tick,
            lambda now: now.diagnostics() if now.diagnostics else None)  # fmt: skip
        add("map", "std_msgs/String", qos.LATCHED, PublishTime.SCENARIO, lambda now: String(data=now.map_text()))
        add("status", "std_msgs/String", qos.LATCHED, PublishTime.STATUS, lambda now: String(data=now.status()))

    def _add_camera(self, spec: CameraSpec) -> None:
        frame_id = fill_name(self._profile.camera, self._role, spec.name)
        makers: dict[str, tuple[str, Callable[..., Any]]] = {
            "camera_info": ("sensor_msgs/CameraInfo", lambda _, *rest: images.camera_info(spec, *rest)),
            "image": ("sensor_msgs/Image", images.rgb_image),
            "depth": ("sensor_msgs/Image", images.depth_image),
            "semantic": ("sensor_msgs/Image", images.semantic_image),
        }
        for what, (type_name, make) in makers.items():

            def make_message(now: PublishContext, make: Callable[..., Any] = make) -> Any:
                record = now.frame.cameras.get(spec.name) if now.frame else None
                return record and make(record, now.ros_stamp_us(record.stamp_us), frame_id)

            self._add(what, type_name, self._sensor, PublishTime.FRAME, make_message, sensor=spec.name, needs=spec.name)

    def _add_lidar(self, spec: LidarSpec, default_layout: str) -> None:
        frame_id = fill_name(self._profile.lidar, self._role, spec.name)
        for name, own_layout in self._profile.clouds.items():
            layout = own_layout or default_layout

            def make_message(now: PublishContext, layout: str = layout) -> Any:
                record = now.frame.sweeps.get(spec.name) if now.frame else None
                stamp_us = now.stamp_us - clouds.sweep_start_us(layout, spec)
                return record and clouds.sweep_points(record, spec, layout, now.recent_layouts, stamp_us, frame_id)

            self._add("cloud", "sensor_msgs/PointCloud2", self._sensor, PublishTime.FRAME, make_message,
                      name=fill_name(name, self._role, spec.name), needs=spec.name)  # fmt: skip

    # --- transforms -----------------------------------------------------------------------------------------------

    def _dynamic_transforms(self, kind: Any, now: PublishContext) -> Any:
        return transforms.ego_transform(kind, now.own, now.stamp_us, self._profile.odom, self._base)

    def _fixed_frames(self, now: PublishContext) -> list[FixedFrame]:
        return fixed_frames(self._profile, self._rig, self._role, now.frame_origin)

    @staticmethod
    def _foreign(make: Callable[..., Any], frame_id: str) -> Callable[[Any, PublishContext], Any]:
        return lambda kind, now: make(kind, now.own, as_header(now.stamp_us, frame_id))


def in_namespace(node: rclpy.node.Node, name: str) -> str:
    """A topic's name in the node's namespace; those that all nodes of a domain share stay as they are."""
    if name in ("/clock", "/tf", "/tf_static"):
        return name
    resolved: str = node.resolve_topic_name(name.lstrip("/"), only_expand=True)
    return resolved


def _message_of_part(now: PublishContext, what: str, make: Callable[..., Any], *rest: Any) -> Any:
    """A message made of a part of the frame, None if the frame lacks that part."""
    part = getattr(now.frame, what, None)
    return None if part is None else make(part, *rest)
