"""Rays through tiles and posed agents: what cameras and LiDARs share."""
