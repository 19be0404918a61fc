"""What all engines share: options by one grammar, and the delivery of records that come late.

No engine lives here.
"""
