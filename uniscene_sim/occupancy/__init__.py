"""Layout to occupancy: tiles of the static world, made once, and the window around the ego."""
