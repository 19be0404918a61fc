"""Random towns to train and evaluate models on.

They are vector maps in memory; nothing here is needed to run a scenario.
"""
