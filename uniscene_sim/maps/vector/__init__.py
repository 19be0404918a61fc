"""Vector maps: `VectorMap` with its lane graph, routes, surface, markings and file.

OpenDRIVE is not read here.
"""
