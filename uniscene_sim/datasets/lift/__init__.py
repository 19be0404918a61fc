"""Recorded drives lifted into worlds: what sensors saw becomes a map, what stands on it, and a scenario.

How a data set writes its files is not known here: its readers are in `datasets.formats` and `datasets.logs`.
"""
