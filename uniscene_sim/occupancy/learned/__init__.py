"""Learned occupancy: a VAE of labels, and a flow over its latents conditioned on the layout. Needs torch."""

import os

# Threads that wait must not keep a core from those that work; heard only before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
