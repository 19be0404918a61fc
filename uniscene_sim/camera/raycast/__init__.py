"""The analytic camera engine: exact rays, shaded by weather and sun.

No weights are loaded here."""
