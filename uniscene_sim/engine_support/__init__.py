"""What all engines share: options in one grammar, what plug-ins raise, the delivery of late records.

Engines themselves live with their sensors, not here.
"""
