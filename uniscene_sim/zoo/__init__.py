"""Trained models: where they are kept, how their weights come into networks, and on which device these run.
No network is defined here, and no engine: those live beside the sensors that they serve."""
