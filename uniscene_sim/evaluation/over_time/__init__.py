"""Occupancy over time, judged: drives through held-out towns, what goes through them, and one table of all.

Every row is told the layouts of a drive, moment by moment, and, for forecasts, two true windows before it.
"""
