"""Road networks of SUMO as maps, with the polygons that lie beside them.

Nothing of SUMO itself is imported. What other plans of streets need too lives in `maps.street_plans`.
"""
