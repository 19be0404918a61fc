"""A camera engine by somebody else: what the ray engine sees, behind fog.

Koschmieder's law: of a surface at range d the share exp(-d / 30 m) of its light arrives, the rest is the fog's.
"""

from dataclasses import replace

import numpy as np

from uniscene_sim.camera.raycast.engine import RaycastCameras

FOG_RGB = np.array([190.0, 195.0, 200.0])
VISIBILITY_M = 30.0


class FogCameras:
    name = "fog"
    coupling = "independent"
    chunk = 1
    latency_ticks = 0

    def __init__(self):
        self._clear = RaycastCameras()

    def step(self, state, views, specs):
        state, worlds = self._clear.step(state, views, specs)
        return state, [{name: _behind_fog(frame) for name, frame in world.items()} for world in worlds]


def _behind_fog(frame):
    share = np.exp(-frame.depth / VISIBILITY_M)[..., None]
    return replace(frame, rgb=np.round(share * frame.rgb + (1.0 - share) * FOG_RGB).astype(np.uint8))
