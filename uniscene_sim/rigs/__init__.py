"""Rigs from files, calibrations and presets, and models of real LiDARs.

No sensor is rendered here.
"""
