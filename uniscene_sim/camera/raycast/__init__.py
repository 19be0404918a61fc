"""The analytic camera engine: ray casting and shading by sun, sky, lamps and weather.

No learned weights are loaded here."""
