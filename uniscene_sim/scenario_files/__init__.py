"""Scenarios from files: YAML and its schema, and styles from free text.

Nothing here runs a scenario.
"""
