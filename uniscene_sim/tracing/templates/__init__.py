"""Fine shapes of agents' classes, scaled to their boxes.

Nothing here is posed or traced."""
