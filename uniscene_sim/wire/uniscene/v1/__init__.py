"""Messages of package `uniscene.v1`, and the code that `make wire` makes of them.

Nothing is written here by hand but the `.proto` files.
"""
