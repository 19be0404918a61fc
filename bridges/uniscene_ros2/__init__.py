"""A ROS 2 node that runs scenarios and is driven by the stack under test: `uniscene-ros2 --scenario cut_in`.

It only adapts: the core never imports it.
"""
