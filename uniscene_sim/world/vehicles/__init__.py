"""Vehicles that a control drives: the ego, and bodies that are driven as it is.

What the built-in driver or traffic decides is not decided here, only what a vehicle does with it."""
