"""`splat`: images by 3D Gaussian splatting of the world's own surfaces.

Splats of tiles and agents, their levels of detail, projection, blending and light, and the plain reference that kernels
are tested against. Not here: how colours are found from pictures, which is `datasets.lift`'s.
"""
