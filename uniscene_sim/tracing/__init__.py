"""Rays through tiles and posed agents, for cameras and LiDARs alike.

No sensor is known here.
"""
