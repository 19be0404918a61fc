"""ROS 2 messages from frames and layouts.

Nothing here publishes.
"""
