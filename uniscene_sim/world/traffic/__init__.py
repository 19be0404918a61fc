"""How other road users behave: following, giving way, changing lanes, overtaking, crossing, entering and leaving.

Nothing here knows the scenario's events or criteria."""
