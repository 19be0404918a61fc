"""Occupancy to sweeps: engines of the slot `lidar`, and the air between.

Nothing here knows cameras."""
