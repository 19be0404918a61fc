"""The analytic LiDAR engine: ray casting, reflectance, beam footprint and receiver.

No learned weights are loaded here."""
