"""Camera engines (occupancy to images), the sky model, and the image effects of shutter, weather and sensor.

No LiDAR code is imported here."""
