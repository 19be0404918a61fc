"""ROS 2 messages, written from frames and layouts.

Nothing here publishes."""
