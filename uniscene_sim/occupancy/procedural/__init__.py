"""The procedural engine: houses, vegetation, street furniture and terrain around the map's roads.

No weights are loaded here.
"""
