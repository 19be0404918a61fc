"""The analytic engine: houses, vegetation, street furniture and terrain around the layout.

No weights are loaded here."""
