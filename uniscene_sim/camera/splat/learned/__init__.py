"""Learned appearance: a VAE of the colours of a tile's splats, and a flow over its latents conditioned on the labelled
cells. Needs torch, but for what the networks are given.

Training and evaluation are elsewhere.
"""
