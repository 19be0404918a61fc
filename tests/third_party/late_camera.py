"""A camera engine by somebody else that is slow: it makes three frames at once, and they come four ticks late.

As a video model would, it goes on from the last frame: each is a little of the one before.
"""

from dataclasses import replace

import numpy as np

from uniscene_sim.camera.raycast.engine import PlainCameras

KEPT = 0.25


class LateCameras:
    name = "late"
    coupling = "independent"
    chunk = 3
    latency_ticks = 4

    def __init__(self):
        self._sharp = PlainCameras()

    def step(self, state, views, specs):
        each = len(views) // len(state) if state else 0
        after, out = [], []
        for k, before in enumerate(state):
            last = dict(before or {})
            _, sharp = self._sharp.step([None] * each, views[k * each : (k + 1) * each], specs)
            for moment in sharp:
                for name, frame in moment.items():
                    rgb = frame.rgb.astype(np.float64)
                    last[name] = rgb if name not in last else (1.0 - KEPT) * rgb + KEPT * last[name]
                    moment[name] = replace(frame, rgb=np.round(last[name]).astype(np.uint8))
                out.append(moment)
            after.append(last)
        return after, out
