"""Layout to occupancy: tiles of the static world, and the window around the ego.

No ray is traced here."""
