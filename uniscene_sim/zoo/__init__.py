"""Trained models: storage, checked loading of weights into networks, and the device these run on.

No network and no engine is defined here; those live in the rooms of their sensors."""
