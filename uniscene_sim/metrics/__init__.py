"""Metrics of generated occupancy, generated LiDAR, and agreement between sensors.

They take arrays and records alone: no engine, model or file is opened here."""
