"""How files are stored: disk cache, source key, data folders, YAML, arrays.

Nothing here knows what the files mean.
"""
