"""The command line `uniscene-sim`, a file for each group of commands.

No logic lives here that Python users would miss."""
