"""`splat`: images by 3D Gaussian splatting of the world's own surfaces."""
