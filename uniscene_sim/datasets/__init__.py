"""Readers and makers of training data: drives, windows, sweeps.

Nothing here trains or judges a model."""
