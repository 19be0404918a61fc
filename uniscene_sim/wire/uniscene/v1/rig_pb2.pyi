from uniscene_sim.wire.uniscene.v1 import geometry_pb2 as _geometry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Rig(_message.Message):
    __slots__ = ("name", "cameras", "lidars", "imu", "gnss")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CAMERAS_FIELD_NUMBER: _ClassVar[int]
    LIDARS_FIELD_NUMBER: _ClassVar[int]
    IMU_FIELD_NUMBER: _ClassVar[int]
    GNSS_FIELD_NUMBER: _ClassVar[int]
    name: str
    cameras: _containers.RepeatedCompositeFieldContainer[CameraSpec]
    lidars: _containers.RepeatedCompositeFieldContainer[LidarSpec]
    imu: ImuSpec
    gnss: GnssSpec
    def __init__(self, name: _Optional[str] = ..., cameras: _Optional[_Iterable[_Union[CameraSpec, _Mapping]]] = ..., lidars: _Optional[_Iterable[_Union[LidarSpec, _Mapping]]] = ..., imu: _Optional[_Union[ImuSpec, _Mapping]] = ..., gnss: _Optional[_Union[GnssSpec, _Mapping]] = ...) -> None: ...

class CameraSpec(_message.Message):
    __slots__ = ("name", "width", "height", "fx", "fy", "cx", "cy", "pose", "period_us", "phase_us", "max_range_m", "model", "distortion", "ego_visible", "exposure_ev", "noise", "shutter_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FX_FIELD_NUMBER: _ClassVar[int]
    FY_FIELD_NUMBER: _ClassVar[int]
    CX_FIELD_NUMBER: _ClassVar[int]
    CY_FIELD_NUMBER: _ClassVar[int]
    POSE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_US_FIELD_NUMBER: _ClassVar[int]
    PHASE_US_FIELD_NUMBER: _ClassVar[int]
    MAX_RANGE_M_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DISTORTION_FIELD_NUMBER: _ClassVar[int]
    EGO_VISIBLE_FIELD_NUMBER: _ClassVar[int]
    EXPOSURE_EV_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    SHUTTER_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    pose: _geometry_pb2.Pose
    period_us: int
    phase_us: int
    max_range_m: float
    model: str
    distortion: _containers.RepeatedScalarFieldContainer[float]
    ego_visible: bool
    exposure_ev: float
    noise: float
    shutter_ms: float
    def __init__(self, name: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., fx: _Optional[float] = ..., fy: _Optional[float] = ..., cx: _Optional[float] = ..., cy: _Optional[float] = ..., pose: _Optional[_Union[_geometry_pb2.Pose, _Mapping]] = ..., period_us: _Optional[int] = ..., phase_us: _Optional[int] = ..., max_range_m: _Optional[float] = ..., model: _Optional[str] = ..., distortion: _Optional[_Iterable[float]] = ..., ego_visible: _Optional[bool] = ..., exposure_ev: _Optional[float] = ..., noise: _Optional[float] = ..., shutter_ms: _Optional[float] = ...) -> None: ...

class BodyPart(_message.Message):
    __slots__ = ("x", "y", "z", "length", "width", "height")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    Z_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    z: float
    length: float
    width: float
    height: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., z: _Optional[float] = ..., length: _Optional[float] = ..., width: _Optional[float] = ..., height: _Optional[float] = ...) -> None: ...

class LidarSpec(_message.Message):
    __slots__ = ("name", "pose", "elevation_rad", "azimuth_steps", "period_us", "phase_us", "min_range_m", "max_range_m", "clockwise", "azimuth_offset_rad", "firing_us", "range_noise_m", "detect_range_m", "divergence_rad", "returns", "deskewed", "ego_visible", "ego_parts", "miss_rate", "dark_miss_rate", "dark_floor", "saturation", "rough_ground", "multipath", "bloom", "free_running", "see_through")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POSE_FIELD_NUMBER: _ClassVar[int]
    ELEVATION_RAD_FIELD_NUMBER: _ClassVar[int]
    AZIMUTH_STEPS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_US_FIELD_NUMBER: _ClassVar[int]
    PHASE_US_FIELD_NUMBER: _ClassVar[int]
    MIN_RANGE_M_FIELD_NUMBER: _ClassVar[int]
    MAX_RANGE_M_FIELD_NUMBER: _ClassVar[int]
    CLOCKWISE_FIELD_NUMBER: _ClassVar[int]
    AZIMUTH_OFFSET_RAD_FIELD_NUMBER: _ClassVar[int]
    FIRING_US_FIELD_NUMBER: _ClassVar[int]
    RANGE_NOISE_M_FIELD_NUMBER: _ClassVar[int]
    DETECT_RANGE_M_FIELD_NUMBER: _ClassVar[int]
    DIVERGENCE_RAD_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    DESKEWED_FIELD_NUMBER: _ClassVar[int]
    EGO_VISIBLE_FIELD_NUMBER: _ClassVar[int]
    EGO_PARTS_FIELD_NUMBER: _ClassVar[int]
    MISS_RATE_FIELD_NUMBER: _ClassVar[int]
    DARK_MISS_RATE_FIELD_NUMBER: _ClassVar[int]
    DARK_FLOOR_FIELD_NUMBER: _ClassVar[int]
    SATURATION_FIELD_NUMBER: _ClassVar[int]
    ROUGH_GROUND_FIELD_NUMBER: _ClassVar[int]
    MULTIPATH_FIELD_NUMBER: _ClassVar[int]
    BLOOM_FIELD_NUMBER: _ClassVar[int]
    FREE_RUNNING_FIELD_NUMBER: _ClassVar[int]
    SEE_THROUGH_FIELD_NUMBER: _ClassVar[int]
    name: str
    pose: _geometry_pb2.Pose
    elevation_rad: _containers.RepeatedScalarFieldContainer[float]
    azimuth_steps: int
    period_us: int
    phase_us: int
    min_range_m: float
    max_range_m: float
    clockwise: bool
    azimuth_offset_rad: _containers.RepeatedScalarFieldContainer[float]
    firing_us: _containers.RepeatedScalarFieldContainer[float]
    range_noise_m: float
    detect_range_m: float
    divergence_rad: float
    returns: str
    deskewed: bool
    ego_visible: bool
    ego_parts: _containers.RepeatedCompositeFieldContainer[BodyPart]
    miss_rate: float
    dark_miss_rate: float
    dark_floor: float
    saturation: float
    rough_ground: bool
    multipath: bool
    bloom: float
    free_running: bool
    see_through: float
    def __init__(self, name: _Optional[str] = ..., pose: _Optional[_Union[_geometry_pb2.Pose, _Mapping]] = ..., elevation_rad: _Optional[_Iterable[float]] = ..., azimuth_steps: _Optional[int] = ..., period_us: _Optional[int] = ..., phase_us: _Optional[int] = ..., min_range_m: _Optional[float] = ..., max_range_m: _Optional[float] = ..., clockwise: _Optional[bool] = ..., azimuth_offset_rad: _Optional[_Iterable[float]] = ..., firing_us: _Optional[_Iterable[float]] = ..., range_noise_m: _Optional[float] = ..., detect_range_m: _Optional[float] = ..., divergence_rad: _Optional[float] = ..., returns: _Optional[str] = ..., deskewed: _Optional[bool] = ..., ego_visible: _Optional[bool] = ..., ego_parts: _Optional[_Iterable[_Union[BodyPart, _Mapping]]] = ..., miss_rate: _Optional[float] = ..., dark_miss_rate: _Optional[float] = ..., dark_floor: _Optional[float] = ..., saturation: _Optional[float] = ..., rough_ground: _Optional[bool] = ..., multipath: _Optional[bool] = ..., bloom: _Optional[float] = ..., free_running: _Optional[bool] = ..., see_through: _Optional[float] = ...) -> None: ...

class ImuSpec(_message.Message):
    __slots__ = ("pose", "gyro_noise", "gyro_bias", "gyro_walk", "accel_noise", "accel_bias", "accel_walk", "orientation_noise_rad")
    POSE_FIELD_NUMBER: _ClassVar[int]
    GYRO_NOISE_FIELD_NUMBER: _ClassVar[int]
    GYRO_BIAS_FIELD_NUMBER: _ClassVar[int]
    GYRO_WALK_FIELD_NUMBER: _ClassVar[int]
    ACCEL_NOISE_FIELD_NUMBER: _ClassVar[int]
    ACCEL_BIAS_FIELD_NUMBER: _ClassVar[int]
    ACCEL_WALK_FIELD_NUMBER: _ClassVar[int]
    ORIENTATION_NOISE_RAD_FIELD_NUMBER: _ClassVar[int]
    pose: _geometry_pb2.Pose
    gyro_noise: float
    gyro_bias: _containers.RepeatedScalarFieldContainer[float]
    gyro_walk: float
    accel_noise: float
    accel_bias: _containers.RepeatedScalarFieldContainer[float]
    accel_walk: float
    orientation_noise_rad: float
    def __init__(self, pose: _Optional[_Union[_geometry_pb2.Pose, _Mapping]] = ..., gyro_noise: _Optional[float] = ..., gyro_bias: _Optional[_Iterable[float]] = ..., gyro_walk: _Optional[float] = ..., accel_noise: _Optional[float] = ..., accel_bias: _Optional[_Iterable[float]] = ..., accel_walk: _Optional[float] = ..., orientation_noise_rad: _Optional[float] = ...) -> None: ...

class GnssSpec(_message.Message):
    __slots__ = ("pose", "horizontal_noise_m", "vertical_noise_m", "bias_m")
    POSE_FIELD_NUMBER: _ClassVar[int]
    HORIZONTAL_NOISE_M_FIELD_NUMBER: _ClassVar[int]
    VERTICAL_NOISE_M_FIELD_NUMBER: _ClassVar[int]
    BIAS_M_FIELD_NUMBER: _ClassVar[int]
    pose: _geometry_pb2.Pose
    horizontal_noise_m: float
    vertical_noise_m: float
    bias_m: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, pose: _Optional[_Union[_geometry_pb2.Pose, _Mapping]] = ..., horizontal_noise_m: _Optional[float] = ..., vertical_noise_m: _Optional[float] = ..., bias_m: _Optional[_Iterable[float]] = ...) -> None: ...
