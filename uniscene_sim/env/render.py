"""Rendering for people: the world from above, the first camera's image, and a line of status."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from uniscene_sim.errors import InputError
from uniscene_sim.layout import LayoutSchema
from uniscene_sim.maps.layout_raster import rasterise
from uniscene_sim.recording.panels import bev_panel
from uniscene_sim.recording.preview import font

if TYPE_CHECKING:
    from uniscene_sim.env.worlds import Worlds

__all__ = ["FPS", "MODES", "Window", "render_world"]

MODES, FPS = ("rgb_array", "human"), 10
_SIZE, _LINE = 400, 24
_UNSEEN = ("offscreen", "dummy")  # video drivers without a screen
_BACKGROUND, _TEXT = (28, 30, 36), (235, 236, 240)


def render_world(worlds: Worlds, i: int) -> np.ndarray:
    """A picture of world `i`, uint8 (424, at least 400, 3)."""
    world, layout = worlds.world(i), worlds.world(i).recent_layouts[-1]
    pose, cells = layout.ego_pose, (_SIZE // 2, _SIZE // 2)
    resolution = 80.0 / cells[0]
    bev = rasterise(world.map, (pose.x, pose.y, pose.yaw), cells, resolution, pose.z, LayoutSchema(),
                    layout.agents)  # fmt: skip
    pictures = [Image.fromarray(bev_panel(bev, layout, _SIZE))]
    for spec in worlds.rig.cameras[:1]:
        if (image := worlds.records(i).get(spec.name)) is not None:
            width = round(_SIZE * spec.width / spec.height)
            pictures.append(Image.fromarray(image.rgb).resize((width, _SIZE), Image.Resampling.BILINEAR))
    canvas = Image.new("RGB", (sum(p.width for p in pictures), _SIZE + _LINE), _BACKGROUND)
    x = 0
    for picture in pictures:
        canvas.paste(picture, (x, _LINE))
        x += picture.width
    info = worlds.info([i])
    status = (
        f"{layout.stamp_us / 1e6:.1f} s   {3.6 * info['speed_mps'][0]:.0f} km/h   {info['route_completion'][0]:.0%}"
    )
    ImageDraw.Draw(canvas).text((6, 4), f"{world.source.title}   {status}", fill=_TEXT, font=font(13))
    return np.asarray(canvas)


class Window:
    """A window on the screen.

    Raises:
        InputError: there is no display, or pygame is not installed.
    """

    def __init__(self) -> None:
        try:
            import pygame
        except ImportError as error:
            why = f"'human' needs pygame (install uniscene_sim[rl]): {error}"
            raise InputError(why, field="render_mode") from error
        self._pygame: Any = pygame
        try:
            pygame.display.init()
        except pygame.error as error:
            raise InputError(f"'human' needs a display: {error}; use 'rgb_array'", field="render_mode") from error
        self._window: Any = None

    @classmethod
    def of(cls, mode: str | None) -> Window | None:
        """The window of a render mode, None if it needs none.

        Raises:
            InputError: an unknown mode.
        """
        if mode not in (None, *MODES):
            raise InputError(f"expected one of {', '.join(MODES)} or None, got {mode!r}", field="render_mode")
        return cls() if mode == "human" else None

    def show(self, picture: np.ndarray) -> None:
        """Show a picture uint8 (H, W, 3).

        Raises:
            InputError: there is no display.
        """
        height, width = picture.shape[:2]
        if self._window is None:
            fallen_back = "SDL_VIDEODRIVER" not in os.environ  # nobody has asked for a driver that shows nothing
            if fallen_back and self._pygame.display.get_driver() in _UNSEEN:
                why = "'human' needs a display, and there is none here; use 'rgb_array', or SDL_VIDEODRIVER=dummy"
                raise InputError(why, field="render_mode")
            self._window = self._pygame.Window("uniscene_sim", (width, height))
        self._window.get_surface().blit(self._pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        self._pygame.event.pump()
        self._window.flip()

    @property
    def pixels(self) -> np.ndarray:
        """Content of the window, uint8 (H, W, 3)."""
        pixels: np.ndarray = self._pygame.surfarray.array3d(self._window.get_surface()).swapaxes(0, 1)
        return pixels

    def close(self) -> None:
        if self._window is not None:
            self._window.destroy()
            self._window = None
