"""LiDAR engines (occupancy to sweeps), and how the atmosphere attenuates and scatters their beams.

No camera code is imported here."""
