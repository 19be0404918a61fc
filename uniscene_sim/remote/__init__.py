"""Occupancy, cameras and LiDAR on another machine, by gRPC: `serve` there, `RemoteSimulator` here.

What travels are the messages of `wire`. Nothing here moves the world or traces a ray, and nothing unpickles.
"""
