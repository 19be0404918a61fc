"""The wire format: protobuf messages of package `uniscene.v1`, and what turns nouns into them and back.

No files but scratch ones, no network, no engines; field numbers are never used again.
"""
