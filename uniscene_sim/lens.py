"""Lens models: pinhole, Brown-Conrady and equidistant fisheye, projection and its inverse to float precision.

Brown (1966), "Decentering distortion of lenses", with OpenCV's order k1, k2, p1, p2, k3; Kannala and Brandt (2006), "A
generic camera model", as OpenCV's `fisheye`: r = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8).
"""

from __future__ import annotations

from math import atan2, cos, inf, pi, sin, sqrt

import numpy as np

from uniscene_sim.compute.compiled import device, njit

__all__ = [
    "BROWN_CONRADY",
    "FISHEYE",
    "LENSES",
    "PINHOLE",
    "image_point",
    "lens_array",
    "pixel_ray",
    "project_points",
    "unproject_pixels",
]

PINHOLE, BROWN_CONRADY, FISHEYE = 0, 1, 2
#: Number and count of distortion coefficients of each model, by its name.
LENSES = {"pinhole": (PINHOLE, 0), "brown_conrady": (BROWN_CONRADY, 5), "fisheye": (FISHEYE, 4)}
_STEPS = 60  # iterations, at most


def lens_array(model: str, fx: float, fy: float, cx: float, cy: float, distortion: tuple[float, ...]) -> np.ndarray:
    """A lens as kernels take it.

    Args:
        model: one of `LENSES`.
        fx, fy: focal lengths, px.
        cx, cy: principal point, px.
        distortion: coefficients of the model; trailing ones may be left out.

    Returns:
        float64 (11,): model, fx, fy, cx, cy, five coefficients, and the limit of the model: the largest radius
        (Brown-Conrady) or angle (fisheye, rad) up to which the image radius still grows.
    """
    number = LENSES[model][0]
    k = np.zeros(5)
    k[: len(distortion)] = distortion
    limit = inf
    if number == BROWN_CONRADY:
        limit = _first_fold((1.0, 3 * k[0], 5 * k[1], 7 * k[4]), inf)
    elif number == FISHEYE:
        limit = _first_fold((1.0, 3 * k[0], 5 * k[1], 7 * k[2], 9 * k[3]), pi)
    return np.array([number, fx, fy, cx, cy, *k, limit], dtype=np.float64)


def _first_fold(slope: tuple[float, ...], most: float) -> float:
    """Where the derivative of the image radius, a polynomial in the square of its argument, first is zero; `most` where
    that is farther or nowhere. Coefficients below rounding bend nothing, and would only make the others infinite."""
    roots = np.roots([c if abs(c) > 1e-15 else 0.0 for c in slope[::-1]])
    real = roots[(np.abs(roots.imag) < 1e-12) & (roots.real > 0)].real
    return min(float(np.sqrt(real.min())) if len(real) else inf, most)


@device
def _distort_brown_conrady(lens, x, y):
    """Distorted image of a point (x, y) of the plane z = 1 by Brown-Conrady, and its four derivatives."""
    k1, k2, p1, p2, k3 = lens[5], lens[6], lens[7], lens[8], lens[9]
    r2 = x * x + y * y
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
    grow = 2.0 * (k1 + r2 * (2.0 * k2 + 3.0 * r2 * k3))
    u = x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)
    v = y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y
    ux = radial + x * x * grow + 2.0 * p1 * y + 6.0 * p2 * x
    uy = x * y * grow + 2.0 * p1 * x + 2.0 * p2 * y
    vy = radial + y * y * grow + 6.0 * p1 * y + 2.0 * p2 * x
    return u, v, ux, uy, uy, vy


@device
def _distort_fisheye(lens, theta):
    """Image radius of a fisheye at an angle off the axis, and its derivative."""
    t2 = theta * theta
    k1, k2, k3, k4 = lens[5], lens[6], lens[7], lens[8]
    r = theta * (1.0 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
    return r, 1.0 + t2 * (3.0 * k1 + t2 * (5.0 * k2 + t2 * (7.0 * k3 + t2 * 9.0 * k4)))


@device
def pixel_ray(lens, px, py):
    """Unit direction x, y, z in the optical frame (x right, y down, z forward) of an image point (px), and whether the
    lens has one there. `lens` is a `lens_array` (11,)."""
    u, v = (px - lens[3]) / lens[1], (py - lens[4]) / lens[2]
    if lens[0] == PINHOLE:
        scale = 1.0 / sqrt(u * u + v * v + 1.0)
        return u * scale, v * scale, scale, True
    if lens[0] == FISHEYE:
        r = sqrt(u * u + v * v)
        low, high = 0.0, lens[10]
        if r > _distort_fisheye(lens, high)[0]:
            return 0.0, 0.0, 1.0, False
        theta = min(r, high)
        for _ in range(_STEPS):  # Newton's method, kept within the bracket of a bisection
            value, slope = _distort_fisheye(lens, theta)
            if value > r:
                high = theta
            else:
                low = theta
            step = theta - (value - r) / slope if slope > 1e-9 else 0.5 * (low + high)
            if not low <= step <= high:
                step = 0.5 * (low + high)
            if abs(step - theta) < 1e-15:
                break
            theta = step
        side = sin(theta) / r if r > 0.0 else 0.0
        return u * side, v * side, cos(theta), True
    x, y = u, v
    for _ in range(_STEPS):
        a, b, ux, uy, vx, vy = _distort_brown_conrady(lens, x, y)
        det = ux * vy - uy * vx
        if det <= 1e-9:  # beyond the fold: back towards the axis
            x, y = 0.7 * x, 0.7 * y
            continue
        du, dv = a - u, b - v
        x, y = x - (vy * du - uy * dv) / det, y - (ux * dv - vx * du) / det
        if du * du + dv * dv < 1e-26:
            break
    a, b, _, _, _, _ = _distort_brown_conrady(lens, x, y)
    good = (a - u) ** 2 + (b - v) ** 2 < 1e-18 and x * x + y * y < lens[10] ** 2
    scale = 1.0 / sqrt(x * x + y * y + 1.0)
    return x * scale, y * scale, scale, good


@device
def image_point(lens, x, y, z):
    """Image point of a point in the optical frame.

    Args:
        lens: float64 (11,), see `lens_array`.
        x, y, z: the point, m.

    Returns:
        u, v, px, and whether the lens images it at all.
    """
    if lens[0] == FISHEYE:
        across = sqrt(x * x + y * y)
        theta = atan2(across, z)
        if theta > lens[10]:
            return 0.0, 0.0, False
        scale = _distort_fisheye(lens, theta)[0] / across if across > 0.0 else 0.0
        return lens[3] + lens[1] * x * scale, lens[4] + lens[2] * y * scale, True
    if z <= 0.0:
        return 0.0, 0.0, False
    u, v = x / z, y / z
    if lens[0] == BROWN_CONRADY:
        if u * u + v * v >= lens[10] ** 2:
            return 0.0, 0.0, False
        u, v, _, _, _, _ = _distort_brown_conrady(lens, u, v)
    return lens[3] + lens[1] * u, lens[4] + lens[2] * v, True


@njit(cache=True)
def project_points(lens, points):
    """Image points (N, 2), px, of points (N, 3), m, in the optical frame, and whether the lens images each,
    bool (N,)."""
    pixels, imaged = np.zeros((points.shape[0], 2)), np.zeros(points.shape[0], np.bool_)
    for i in range(points.shape[0]):
        pixels[i, 0], pixels[i, 1], imaged[i] = image_point(lens, points[i, 0], points[i, 1], points[i, 2])
    return pixels, imaged


@njit(cache=True)
def unproject_pixels(lens, pixels):
    """Unit directions (N, 3) in the optical frame of image points (N, 2), px, and whether there is one: bool (N,)."""
    rays, found = np.zeros((pixels.shape[0], 3)), np.zeros(pixels.shape[0], np.bool_)
    for i in range(pixels.shape[0]):
        rays[i, 0], rays[i, 1], rays[i, 2], found[i] = pixel_ray(lens, pixels[i, 0], pixels[i, 1])
    return rays, found
