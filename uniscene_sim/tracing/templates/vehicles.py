"""Cars, trucks, buses, trailers and construction vehicles."""

from __future__ import annotations

import numpy as np

from uniscene_sim.taxonomy import Material as M
from uniscene_sim.tracing.templates.shapes import VoxelCanvas

__all__ = ["CAR_KINDS", "bus", "car", "excavator", "trailer", "truck"]

#: Side view of each car: length, width, height, then (x, z) of the upper outline from the rear to the front as
#: fractions of length and height; the two belts bound the glass.
_CARS: dict[str, tuple[float, float, float, list[tuple[float, float]], tuple[float, float]]] = {
    "hatchback": (
        4.1, 1.8, 1.5,
        [(0, 0.55), (0.04, 0.66), (0.13, 0.97), (0.2, 1), (0.55, 1), (0.74, 0.66), (0.97, 0.54), (1, 0.42)],
        (0.10, 0.73),
    ),
    "sedan": (
        4.6, 1.85, 1.45,
        [(0, 0.6), (0.02, 0.67), (0.14, 0.69), (0.28, 0.98), (0.36, 1), (0.55, 0.99), (0.72, 0.68), (0.97, 0.55),
         (1, 0.44)],
        (0.15, 0.71),
    ),
    "suv": (
        4.7, 1.95, 1.75,
        [(0, 0.55), (0.02, 0.7), (0.09, 0.97), (0.15, 1), (0.58, 1), (0.74, 0.68), (0.96, 0.62), (1, 0.48)],
        (0.06, 0.73),
    ),
    "estate": (
        4.7, 1.85, 1.48,
        [(0, 0.58), (0.02, 0.68), (0.09, 0.95), (0.14, 0.99), (0.3, 1), (0.56, 0.99), (0.73, 0.67), (0.97, 0.54),
         (1, 0.43)],
        (0.06, 0.72),
    ),
    "coupe": (
        4.5, 1.88, 1.33,
        [(0, 0.6), (0.03, 0.7), (0.09, 0.73), (0.36, 0.98), (0.42, 1), (0.5, 0.99), (0.68, 0.69), (0.96, 0.52),
         (1, 0.42)],
        (0.13, 0.68),
    ),
    "minivan": (
        4.8, 1.9, 1.75,
        [(0, 0.55), (0.01, 0.68), (0.06, 0.96), (0.12, 1), (0.6, 1), (0.68, 0.95), (0.86, 0.62), (0.97, 0.53),
         (1, 0.42)],
        (0.05, 0.84),
    ),
    "van": (
        5.2, 2.0, 2.1,
        [(0, 0.6), (0.01, 0.95), (0.04, 1), (0.7, 1), (0.76, 0.97), (0.88, 0.62), (0.98, 0.5), (1, 0.4)],
        (0.62, 0.87),
    ),
}  # fmt: skip
CAR_KINDS = tuple(_CARS)
_LINE = 0.1  # m, width of pillars and gaps


def car(kind: str) -> VoxelCanvas:
    """A passenger car by kind: hatchback, sedan, suv, estate, coupe, minivan or van."""
    length, width, height, outline, cabin = _CARS[kind]
    solid = VoxelCanvas(length, width, height)
    fx, fz = np.array(outline).T
    f = solid.x / length + 0.5
    top = np.interp(f, fx, fz) * height
    belt = np.minimum(top, (0.62 if kind == "van" else 0.64) * height)
    # The body narrows above the belt and is rounded at its corners seen from above.
    rise = np.clip((solid.z - 0.62 * height) / (0.38 * height), 0, 1)
    end = np.minimum(f, 1 - f) * length
    half = 0.5 * width - 0.14 * width * rise - 0.22 * np.clip(1 - end / 0.45, 0, 1) ** 2
    floor = 0.17 + 0.12 * np.clip(1 - end / 0.5, 0, 1)
    shell = (solid.z < top) & (np.abs(solid.y) < half) & (solid.z > floor)
    solid.paint(shell, M.BODY)
    low, high = cabin
    glass = shell & (solid.z > belt) & (solid.z < top - 0.06 * height) & (f > low) & (f < high)
    side = np.abs(solid.y) > half - 0.07
    across = np.abs(solid.y) < half - 0.09
    pillar = np.zeros_like(f, dtype=bool)
    for at in np.linspace(low, high, 3 if kind != "van" else 2)[1:-1]:
        pillar = pillar | (np.abs(f - at) * length < 0.5 * _LINE)
    solid.paint(glass & side & ~pillar & (np.abs(top - solid.z) > 0.07), M.GLASS)
    slope = glass & across & (solid.z > top - 0.16) & (solid.z < top)
    wind = shell & across & (solid.z > belt) & ((f > high - 0.17) | (f < low + (0.13 if kind != "van" else -1)))
    solid.paint(wind & (np.interp(f, fx, fz) < 0.965), M.GLASS)
    solid.paint(slope & (f > high - 0.18) & (np.interp(f, fx, fz) < 0.965), M.GLASS)
    if kind == "van":
        solid.paint(shell & (f < 0.012) & (solid.z > 0.62 * height) & (solid.z < 0.9 * height) & across, M.GLASS)
    solid.paint(shell & (solid.z < floor + 0.1) & (np.abs(solid.y) > half - 0.1), M.BODY_TRIM)
    ends = shell & ((end < 0.12) & (solid.z < 0.34 * height))
    solid.paint(ends, M.BODY_TRIM)
    _lights(solid, shell, f, length, half, 0.40 * height, 0.50 * height)
    solid.paint(
        shell & (f > 0.985) & (np.abs(solid.y) < 0.3 * width) & (solid.z > 0.3 * height) & (solid.z < 0.4 * height),
        M.BODY_TRIM,
    )
    plate = (np.abs(solid.y) < 0.26) & (solid.z > 0.27 * height) & (solid.z < 0.35 * height)
    solid.paint(shell & plate & (end < 0.1), M.SIGN_WHITE)
    radius = 0.225 * height if kind != "van" else 0.33
    for fx_wheel in (0.2, 0.81):
        x = (fx_wheel - 0.5) * length
        arch = ((solid.x - x) ** 2 + (solid.z - radius) ** 2 < (radius + 0.06) ** 2) & (
            np.abs(solid.y) > 0.5 * width - 0.32
        )
        solid.paint(arch & shell, M.NONE)
        for side_y in (-1, 1):
            solid.wheel(x, side_y * (0.5 * width - 0.14), radius, 0.22)
    mirror_x = (high - 0.1 - 0.5) * length
    for side_y in (-1, 1):
        solid.paint(
            solid.ellipsoid((mirror_x, side_y * (0.5 * width - 0.04), 0.69 * height), (0.1, 0.1, 0.08)), M.BODY_TRIM
        )
    return solid


def _lights(
    solid: VoxelCanvas, shell: np.ndarray, f: np.ndarray, length: float, half: np.ndarray, low: float, high: float
) -> None:
    outer = np.abs(solid.y) > half - 0.38
    band = (solid.z > low) & (solid.z < high)
    solid.paint(shell & band & outer & (f > 1 - 0.2 / length), M.HEADLIGHT)
    solid.paint(shell & (solid.z > low + 0.06) & (solid.z < high + 0.16) & outer & (f < 0.16 / length), M.TAILLIGHT)
    corner = np.abs(solid.y) > half - 0.09
    both = shell & band & corner & ((f > 1 - 0.3 / length) | (f < 0.2 / length))
    solid.paint(both & (solid.y > 0), M.INDICATOR_LEFT)
    solid.paint(both & (solid.y < 0), M.INDICATOR_RIGHT)


def _lorry_lights(solid: VoxelCanvas, length: float, width: float, z: float) -> None:
    near = np.abs(np.abs(solid.y) - 0.5 * width + 0.22) < 0.16
    band = np.abs(solid.z - z) < 0.12
    solid.paint(solid.filled & near & band & (solid.x > 0.5 * length - 0.12), M.HEADLIGHT)
    solid.paint(solid.filled & near & band & (solid.x < -0.5 * length + 0.12), M.TAILLIGHT)
    edge = (np.abs(solid.y) > 0.5 * width - 0.1) & band & (np.abs(solid.x) > 0.5 * length - 0.12)
    solid.paint(solid.filled & edge & (solid.y > 0), M.INDICATOR_LEFT)
    solid.paint(solid.filled & edge & (solid.y < 0), M.INDICATOR_RIGHT)


def truck() -> VoxelCanvas:
    """A two-axle lorry: cab and box."""
    length, width, height = 8.2, 2.5, 3.4
    solid = VoxelCanvas(length, width, height)
    solid.paint(solid.box((-4.1, 2.0), (-1.25, 1.25), (1.0, 3.4)), M.CARGO)
    solid.paint(solid.box((-4.1, 2.0), (-1.25, 1.25), (1.0, 1.12)), M.BODY_TRIM)
    solid.paint(solid.box((-4.0, 3.9), (-0.5, 0.5), (0.6, 1.0)), M.BODY_TRIM)
    nose = 4.1 - 0.25 * np.clip((solid.z - 1.5) / 1.2, 0, 1)
    cab = solid.box((2.15, 4.1), (-1.2, 1.2), (0.5, 2.85)) & (solid.x < nose)
    solid.paint(cab, M.BODY)
    solid.paint(cab & (solid.z > 1.65) & (solid.z < 2.5) & (solid.x > nose - 0.12) & (np.abs(solid.y) < 1.1), M.GLASS)
    solid.paint(cab & (solid.z > 1.65) & (solid.z < 2.4) & (solid.x > 2.9) & (np.abs(solid.y) > 1.1), M.GLASS)
    solid.paint(cab & (solid.z < 0.8), M.BODY_TRIM)
    solid.paint(solid.box((-4.1, -3.98), (-1.25, 1.25), (0.6, 1.0)), M.BODY_TRIM)
    for x in (-2.6, 3.0):
        arch = solid.box((x - 0.58, x + 0.58), (-1.25, 1.25), (0.0, 1.0)) & (np.abs(solid.y) > 0.55)
        solid.paint(arch, M.NONE)
        for side in (-1, 1):
            solid.wheel(x, side * 1.05, 0.5, 0.36)
    _lorry_lights(solid, length, width, 0.85)
    return solid


def bus() -> VoxelCanvas:
    """A city bus with rows of windows and doors on its right."""
    length, width, height = 11.8, 2.55, 3.2
    solid = VoxelCanvas(length, width, height)
    rounded = np.abs(solid.y) < 0.5 * width - 0.18 * np.clip((solid.z - 2.9) / 0.3, 0, 1) ** 2
    body = solid.box((-5.9, 5.9), (-1.275, 1.275), (0.32, 3.2)) & rounded
    solid.paint(body, M.BODY)
    pane = (solid.x % 1.45) > 0.14
    solid.paint(
        body & (solid.z > 1.3) & (solid.z < 2.55) & (np.abs(solid.y) > 1.2) & pane & (np.abs(solid.x) < 5.6), M.GLASS
    )
    solid.paint(body & (solid.z > 1.1) & (solid.z < 2.75) & (solid.x > 5.8) & (np.abs(solid.y) < 1.15), M.GLASS)
    solid.paint(body & (solid.z > 1.7) & (solid.z < 2.6) & (solid.x < -5.8) & (np.abs(solid.y) < 1.0), M.GLASS)
    solid.paint(body & (solid.z > 2.8) & (solid.z < 3.05) & (solid.x > 5.8) & (np.abs(solid.y) < 0.8), M.SIGN_YELLOW)
    for x in (4.6, 0.4):
        door = (np.abs(solid.x - x) < 0.62) & (solid.y < -1.2) & (solid.z > 0.4) & (solid.z < 2.6)
        solid.paint(body & door & (np.abs(solid.x - x) > 0.05), M.GLASS)
    solid.paint(body & (solid.z < 0.55), M.BODY_TRIM)
    for x in (-3.4, 3.0):
        arch = ((solid.x - x) ** 2 + (solid.z - 0.48) ** 2 < 0.6**2) & (np.abs(solid.y) > 0.85)
        solid.paint(arch & body, M.NONE)
        for side in (-1, 1):
            solid.wheel(x, side * 1.08, 0.48, 0.3)
    _lorry_lights(solid, length, width, 0.85)
    return solid


def trailer() -> VoxelCanvas:
    """A box semi-trailer."""
    length, width, height = 10.0, 2.5, 3.6
    solid = VoxelCanvas(length, width, height)
    solid.paint(solid.box((-5, 5), (-1.25, 1.25), (1.15, 3.6)), M.CARGO)
    solid.paint(solid.box((-5, 5), (-0.5, 0.5), (0.8, 1.15)), M.BODY_TRIM)
    solid.paint(solid.box((-5, -4.9), (-1.25, 1.25), (0.6, 1.15)), M.BODY_TRIM)
    solid.paint(solid.box((2.9, 3.1), (-0.9, 0.9), (0, 1.15)) & (np.abs(solid.y) > 0.7), M.BODY_TRIM)
    for x in (-3.9, -2.7):
        for side in (-1, 1):
            solid.wheel(x, side * 1.05, 0.5, 0.36)
    _lorry_lights(solid, length, width, 0.85)
    return solid


def excavator() -> VoxelCanvas:
    """A tracked excavator, its arm folded forward."""
    length, width, height = 6.5, 2.5, 3.2
    solid = VoxelCanvas(length, width, height)
    for side in (-1, 1):
        track = solid.box((-3.2, 0.9), (side * 0.95 - 0.3, side * 0.95 + 0.3), (0, 0.85))
        rounded = (np.abs(solid.x + 1.15) < 1.65) | (
            (np.abs(solid.x + 1.15) - 1.65) ** 2 + (solid.z - 0.42) ** 2 < 0.43**2
        )
        solid.paint(track & rounded, M.TYRE)
    solid.paint(solid.box((-3.2, 0.7), (-1.2, 1.2), (0.95, 1.75)), M.SIGN_YELLOW)
    solid.paint(solid.box((-3.2, -2.4), (-1.2, 1.2), (0.95, 2.0)), M.BODY_TRIM)
    solid.paint(solid.box((-1.0, 0.7), (0.1, 1.2), (1.75, 3.1)), M.GLASS)
    cab = solid.box((-1.0, 0.7), (0.1, 1.2), (1.75, 3.1))
    frame = (np.abs(np.abs(solid.x + 0.15) - 0.82) < 0.1) & (np.abs(np.abs(solid.y - 0.65) - 0.5) < 0.1)
    solid.paint(cab & (frame | (solid.z > 2.98)), M.SIGN_YELLOW)
    solid.paint(solid.capsule((0.6, -0.35, 1.6), (2.0, -0.35, 3.0), 0.2), M.SIGN_YELLOW)
    solid.paint(solid.capsule((2.0, -0.35, 3.0), (2.9, -0.35, 1.0), 0.17), M.SIGN_YELLOW)
    solid.paint(solid.ellipsoid((2.8, -0.35, 0.6), (0.42, 0.5, 0.5)), M.BODY_TRIM)
    return solid
