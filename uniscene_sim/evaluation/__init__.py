"""Evaluation of learned models on held-out towns, next to baselines, upper bounds and published figures.

No model that an engine uses is defined here, and none is trained: networks that judge are defined, in `features`."""
