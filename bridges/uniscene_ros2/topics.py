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
from uniscene_ros2.messages import clouds, images
from uniscene_ros2.messages import ego_state as ego
from uniscene_ros2.messages import external_types as foreign
from uniscene_ros2.messages import surroundings as scene
from uniscene_ros2.messages.geodesy import EarthPlace, Origin
from uniscene_ros2.messages.prefilled import labelled_array
from uniscene_ros2.messages.stamps import as_header
from uniscene_ros2.own_coordinates import layout_in_own_coordinates
from uniscene_ros2.packages import Packages
from uniscene_ros2.profiles import Profile, fill_name
from uniscene_sim.frames import SensorFrame
from uniscene_sim.geometry import Pose
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.rig import CameraSpec, LidarSpec, SensorRig

__all__ = ["PublishContext", "PublishTime", "TopicTable"]


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

    @cached_property
    def own(self) -> LayoutFrame:
        """The layout in the map's own coordinates."""
        return layout_in_own_coordinates(self.layout, self.frame_origin)

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
        on_mismatch: Callable[[str, Any], None] = lambda topic, event: None,
    ):
        self._node, self._rig, self._profile, self._packages = node, rig, profile, packages
        self._role, self._on_mismatch = role, on_mismatch
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
        kind = self._packages.find(type_name, name)
        if kind is None:
            return
        events = PublisherEventCallbacks(incompatible_qos=partial(self._on_mismatch, name))
        publisher = self._node.create_publisher(kind, name, quality, event_callbacks=events)
        self.table.append(Topic(name, when, partial(make, kind) if with_kind else make, publisher, needs))

    def _add_ego(self) -> None:
        frames, base = self._profile, self._base
        imu_frame, gnss_frame = fill_name(frames.imu, self._role), fill_name(frames.gnss, self._role)
        moment, tick = PublishTime.PHYSICS_STEP, PublishTime.FRAME
        add = self._add
        add("clock", "rosgraph_msgs/Clock", qos.CLOCK, moment, lambda now: ego.clock(now.stamp_us))
        add("tf", "tf2_msgs/TFMessage", qos.TF, moment, self._dynamic_transforms, with_kind=True)
        add(
            "tf_static",
            "tf2_msgs/TFMessage",
            qos.LATCHED,
            PublishTime.SCENARIO,
            self._static_transforms,
            with_kind=True,
        )
        add("odometry", "nav_msgs/Odometry", qos.STATE, moment,
            lambda now: ego.odometry(now.own, now.stamp_us, frames.odometry_in, base))  # fmt: skip
        add("imu", "sensor_msgs/Imu", qos.SENSOR, moment,
            lambda now: ego.imu(now.layout, now.stamp_us, imu_frame, now.earth))  # fmt: skip
        add("gnss", "sensor_msgs/NavSatFix", qos.SENSOR, tick,
            lambda now: ego.gnss_fix(now.layout, now.stamp_us, gnss_frame, now.earth))  # fmt: skip
        add("gnss_pose", "geometry_msgs/PoseWithCovarianceStamped", qos.SENSOR, tick,
            lambda now: ego.pose_with_covariance(now.own, now.stamp_us, frames.map))  # fmt: skip
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
        add("occupancy_points", "sensor_msgs/PointCloud2", qos.SENSOR, tick,
            lambda now: _message_of_part(
                now,
                "occupancy",
                lambda o: clouds.occupied_points(o, now.ros_stamp_us(o.stamp_us), _frame_of_clouds(world, now)),
            ),
            needs="occupancy")  # fmt: skip
        add("occupancy_labels", "std_msgs/UInt8MultiArray", qos.SENSOR, tick,
            lambda now: _message_of_part(now, "occupancy", lambda o: labelled_array(o.labels, ("x", "y", "z"))),
            needs="occupancy")  # fmt: skip
        add("layout", "std_msgs/UInt8MultiArray", qos.SENSOR, tick,
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

            self._add(what, type_name, qos.SENSOR, PublishTime.FRAME, make_message, sensor=spec.name, needs=spec.name)

    def _add_lidar(self, spec: LidarSpec, default_layout: str) -> None:
        frame_id = fill_name(self._profile.lidar, self._role, spec.name)
        for name, own_layout in self._profile.clouds.items():
            layout = own_layout or default_layout

            def make_message(now: PublishContext, layout: str = layout) -> Any:
                record = now.frame.sweeps.get(spec.name) if now.frame else None
                stamp_us = now.stamp_us - clouds.sweep_start_us(layout, spec)
                return record and clouds.sweep_points(record, spec, layout, now.recent_layouts, stamp_us, frame_id)

            self._add("cloud", "sensor_msgs/PointCloud2", qos.SENSOR, PublishTime.FRAME, make_message,
                      name=fill_name(name, self._role, spec.name), needs=spec.name)  # fmt: skip

    # --- transforms -----------------------------------------------------------------------------------------------

    def _dynamic_transforms(self, kind: Any, now: PublishContext) -> Any:
        return ego.ego_transform(kind, now.own, now.stamp_us, self._profile.odom, self._base)

    def _static_transforms(self, kind: Any, now: PublishContext) -> Any:
        frames, role = self._profile, self._role
        places = [(parent, child, Pose()) for child, parent in frames.fixed.items()]
        if any(now.frame_origin):
            places.append((frames.map, _frame_of_clouds(frames.map, now), Pose(*now.frame_origin)))
        places += [(self._base, fill_name(name, role), Pose()) for name in (frames.imu, frames.gnss)]
        places += [
            (self._base, fill_name(frames.camera, role, c.name), ego.optical_pose(c.pose)) for c in self._rig.cameras
        ]
        places += [(self._base, fill_name(frames.lidar, role, lidar.name), lidar.pose) for lidar in self._rig.lidars]
        return kind(transforms=[ego.transform(as_header(now.stamp_us, p), child, pose) for p, child, pose in places])

    @staticmethod
    def _foreign(make: Callable[..., Any], frame_id: str) -> Callable[[Any, PublishContext], Any]:
        return lambda kind, now: make(kind, now.own, as_header(now.stamp_us, frame_id))


def _frame_of_clouds(world: str, now: PublishContext) -> str:
    """Frame for points in single precision: on maps far away not the map's own, but one near the ego."""
    return f"{world}_near" if any(now.frame_origin) else world


def _message_of_part(now: PublishContext, what: str, make: Callable[..., Any], *rest: Any) -> Any:
    """A message made of a part of the frame, None if the frame lacks that part."""
    part = getattr(now.frame, what, None)
    return None if part is None else make(part, *rest)
