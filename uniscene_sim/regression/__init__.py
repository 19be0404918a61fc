"""Scenario regression: driving stacks tested like code.

A scenario file becomes cases (`cases`), a case is driven by a driver (`drivers`, `drive`) in a process of its own
(`workers`), and its result (`results`) is judged, compared with baselines and shown in one report.
"""
