"""The command line `uniscene-sim`, a file for each group of commands.

It only adapts: everything that Python users need lives elsewhere.
"""
