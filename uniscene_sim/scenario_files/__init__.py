"""Scenarios from files: YAML and its schema, styles from words.

Nothing here runs a scenario."""
