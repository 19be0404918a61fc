"""A ROS 2 node that runs scenarios and lets the stack under test drive: `uniscene-ros2 --scenario cut_in`."""
