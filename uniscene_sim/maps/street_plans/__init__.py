"""What stands along the streets of plans that know it: houses by their footprints, trees, and what covers the ground.

Readers of formats (`maps.osm`, `maps.sumo`) stand on this room; nothing here knows a format.
"""
