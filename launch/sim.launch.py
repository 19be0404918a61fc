"""ros2 launch uniscene_sim sim.launch.py scenario:=cut_in profile:=autoware mode:=realtime"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription
from uniscene_ros2.parameters import NODE_PARAMETERS


def _node(context):
    """The node with the given parameters; empty ones keep the node's defaults."""
    given = {setting: LaunchConfiguration(setting.name).perform(context) for setting in NODE_PARAMETERS}
    return [
        Node(
            package="uniscene_sim",
            executable="uniscene-ros2",
            name="uniscene",
            output="screen",
            arguments=["--network"] if LaunchConfiguration("network").perform(context).lower() == "true" else [],
            parameters=[{setting.name: setting.parse(text) for setting, text in given.items() if text}],
            on_exit=Shutdown(),
        )
    ]


def generate_launch_description():
    arguments = [
        DeclareLaunchArgument(s.name, default_value="", description=f"{s.text} (default: {s.default})")
        for s in NODE_PARAMETERS
    ]
    arguments.append(DeclareLaunchArgument("network", default_value="false", description="Talk to other machines."))
    return LaunchDescription([*arguments, OpaqueFunction(function=_node)])
