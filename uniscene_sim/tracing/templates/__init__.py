"""Fine shapes of agent classes, to be scaled to agents' boxes.

Nothing here is posed or traced.
"""
