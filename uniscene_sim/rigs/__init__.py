"""Rigs from files, calibrations and presets, and the makes of LiDARs.

No sensor is rendered here."""
