"""What diffusion models of images need beside exact buffers: noise fixed to surfaces, and the noise prior.

Here is what depends on geometry alone, so it needs no torch. Not here: models and their samplers.
"""
