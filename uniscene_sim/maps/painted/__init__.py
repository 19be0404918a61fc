"""Maps painted as rasters: `PaintedMap` with its surface, markings, objects and files.

Nothing here knows of lanes.
"""
