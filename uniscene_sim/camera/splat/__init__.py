"""`splat`: images by 3D Gaussian splatting of the world's own surfaces.

Splats are made of tiles and templates here, and coloured by appearances; what these are lifted from lives elsewhere.
"""
