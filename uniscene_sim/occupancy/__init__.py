"""From layout to occupancy: tiles of the static world, and the occupancy window around the ego.

No ray is traced here.
"""
