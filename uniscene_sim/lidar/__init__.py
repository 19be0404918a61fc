"""Engines that turn occupancy and agents into sweeps."""
