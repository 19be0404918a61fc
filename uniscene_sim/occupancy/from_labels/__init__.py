"""Tiles from 0.4 m labels: heights, materials and fine shapes of what the labels describe.

How the labels were made is not known here.
"""
