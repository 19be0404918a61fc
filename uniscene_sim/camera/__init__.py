"""Occupancy to images: engines of the slot `camera`, the sky and effects of the lens.

Nothing here knows LiDAR."""
