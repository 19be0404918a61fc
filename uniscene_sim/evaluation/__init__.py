"""Evaluation of learned models on held-out towns, next to baselines, upper bounds and published figures.

No model is defined or trained here."""
