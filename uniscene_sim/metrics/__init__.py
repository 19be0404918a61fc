"""How well somebody drove, and how good what was generated is."""
