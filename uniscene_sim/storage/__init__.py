"""How files are kept: disk cache, source key, data folders, YAML, arrays.

Nothing here knows what the files mean."""
