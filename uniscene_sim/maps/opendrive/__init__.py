"""OpenDRIVE files read into vector maps, in a child process.

`carla` and `lxml` are imported here and nowhere else.
"""
