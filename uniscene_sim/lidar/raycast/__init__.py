"""The analytic LiDAR engine: exact rays, what comes back and what the receiver makes of it.

No weights are loaded here."""
