"""Adapters of other libraries' interfaces onto the vector environment; each module needs its library, and nothing
else imports it."""
