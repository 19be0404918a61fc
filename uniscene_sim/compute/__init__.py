"""How kernels run: compiling, threads, keyed random numbers, rounding, value noise.

Nothing here knows of maps, worlds or sensors.
"""
