"""Learned occupancy: a VAE of labels, and a flow over its latents conditioned on the layout. Needs torch."""
