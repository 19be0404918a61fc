"""How good the learned generators are, beside what bounds them and what costs nothing."""
