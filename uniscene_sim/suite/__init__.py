"""The benchmark suite: tasks of rising difficulty, drivers to compare with, and how their drives are judged.

Nothing in the environment knows of it.
"""
