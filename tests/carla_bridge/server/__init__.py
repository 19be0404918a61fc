"""A small server that the unmodified `carla.Client` of carla 0.9.16 takes for a simulator, for tests without one.

It speaks the wire protocol (`rpc`, `stream`), keeps a world of boxes (`world`, `actors`, `blueprints`, `opendrive`) and
moves them (`motion`). `python -m tests.carla_bridge.server --help` tells how to start it; faults are commanded over its
standard input (`commands`). `tests/carla_bridge/serving.py` holds the handle that tests use.

What it is not: it renders nothing and has no sensors; its only physics is a kinematic bicycle on a flat plane (no
gravity, no slip, no collisions after spawning); there is no pedestrian navigation and no Traffic Manager: traffic on
autopilot drives straight on or along a line that the test gave. A client's own Traffic Manager does run against it, but
ends the client's process once the server is gone, so a test must not call `set_autopilot` in its own process.

What it does as a server, for example the order of events around a tick, follows what is known of the real one and was
never compared with it.
"""
