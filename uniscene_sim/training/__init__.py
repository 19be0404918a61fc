"""Recipes that train the learned engines, and the data they learn from."""
