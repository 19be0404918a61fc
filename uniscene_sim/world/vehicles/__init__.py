"""Vehicles that a control drives: the ego, and bodies that are driven as it is."""
