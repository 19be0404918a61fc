"""Tiles from 0.4 m labels: heights, materials, fine looks and owners.

Whoever made the labels is not known here."""
