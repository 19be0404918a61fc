"""Learned occupancy: a VAE of labels, and a flow over its latents conditioned on the layout. Needs torch.

Training and evaluation are elsewhere.
"""

import os

# Waiting threads must not occupy a core; OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
