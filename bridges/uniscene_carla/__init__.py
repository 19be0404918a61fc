"""CARLA as a source of layouts: `uniscene-sim run "carla://localhost:2000?ego=hero"`, and control back to it.

It only adapts: the core never imports it. `carla.Client` can end its whole process, so it lives in one of its own:

    CARLA server <─ carla.Client ─> client_process ─ LayoutFrame ─> client_link ─> layout_source ─> Simulator
                                                  <─ Control ─────

CARLA's left-handed frame, its degrees and half extents are turned in `left_handed` alone, but for steering, which is
positive to the right there. A server of CARLA itself was
not available to test against: the tests run the unmodified client of carla 0.9.16 against a server of their own that
speaks its protocol.
"""
