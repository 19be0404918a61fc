"""What all engines share: options in one grammar, and the delivery of late records.

Engines themselves live with their sensors, not here.
"""
