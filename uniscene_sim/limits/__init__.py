"""Numbers as people type them, and bounds of the numbers and of the memory that inputs may ask for.

No noun, no file and no kernel is known here.
"""
