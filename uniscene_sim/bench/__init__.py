"""How fast it is, beside peers measured in the same run.

Nothing outside imports from here."""
