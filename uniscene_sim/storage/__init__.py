"""How files are read and written, whole or not at all: inputs, outputs, disk cache, data folders, YAML, arrays.

Nothing here knows what the files mean.
"""
