"""Recorded drives lifted into worlds: what sensors saw becomes a map, what stands on it, and a scenario."""
