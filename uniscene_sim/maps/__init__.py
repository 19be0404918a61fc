"""The static world: `StaticMap` with its elements, ground and terrain, and the formats that maps come in.

Nothing here moves, and no engine is known here.
"""
