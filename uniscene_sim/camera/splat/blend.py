"""Projected splats to pixels: sorted by depth, binned by squares of 16 x 16 pixels, blended from front to back.

What is blended are the properties of surfaces, not light, so that light may change from tick to tick:
C = sum_i c_i alpha_i prod_{j < i} (1 - alpha_j), for albedo, normals and shares of light as for UniScene's semantics
(equation 4). Depth is that of the splat in which half of the light is gone (as in Huang et al. 2024, 2D Gaussian
Splatting): the mean of equation 3 lies between near and far along every silhouette, where nothing is.
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np

from uniscene_sim.camera.splat.project import LEAST_ALPHA
from uniscene_sim.compute.compiled import device, inlined, nogil_kernel
from uniscene_sim.taxonomy import OccClass

__all__ = [
    "CLEAR",
    "MOST_ALPHA",
    "SQUARE_PX",
    "Bins",
    "Blended",
    "bin_splats",
    "blend_squares",
    "depth_bucket",
    "gather_squares",
    "new_bins",
    "new_blended",
    "scratch",
]

SQUARE_PX = 16
_PIXELS = SQUARE_PX * SQUARE_PX
_LABELS = int(OccClass.FREE)
#: Depths are sorted by the upper bits of a float32, between 0.03 and 512 m: in steps of 0.025 %.
_SHIFT, _LOWEST, _BUCKETS = 11, 0x3D000000 >> 11, 0x07000000 >> 11
MOST_ALPHA = np.float32(0.999)
_LEAST_ALPHA = np.float32(LEAST_ALPHA)
CLEAR = np.float32(0.004)  # share of light behind which nothing more is blended
_LEAST_POWER = np.float32(-8.0)
_ZERO, _ONE, _HALF, _PART = np.float32(0.0), np.float32(1.0), np.float32(0.5), np.float32(1.0 / 1024.0)
#: Planes of the sums over a square: transmittance; depth; albedo, normal, shares of sun and sky; greatest weight and
#: whose; label, and votes for it.
_BEST, _WHO, _VOTED, _VOTES, _PLANES = 10, 11, 12, 13, 14
_LANES = 8  # pixels side by side that are blended at once
_GROUPS = _PIXELS // _LANES
_OPEN = _PLANES * _PIXELS  # after the planes: most transmittance within each group of lanes
_CHECKED = 8  # splats after which that is computed anew


class Bins(NamedTuple):
    """Which splats each square of the image may show, nearest first."""

    order: np.ndarray  # int64 (M,), by depth
    bucket: np.ndarray  # int64 (buckets + 1,)
    first: np.ndarray  # int64 (squares + 1,)
    rows: np.ndarray  # int32 (Q,)


class Blended(NamedTuple):
    """Surfaces as an image shows them; all but opacity and depth are means of what is opaque."""

    opacity: np.ndarray  # float32 (H, W), 0 where nothing is
    depth: np.ndarray  # float32 (H, W) m
    albedo: np.ndarray  # float32 (H, W, 3)
    normal: np.ndarray  # float32 (H, W, 3), not of unit length
    light: np.ndarray  # float32 (H, W, 2): visible shares of sun and sky
    label: np.ndarray  # uint8 (H, W), OccClass of most weight, FREE where nothing is
    splat: np.ndarray  # int32 (H, W), row of the splat of most weight, -1 where there is none


def new_blended(height: int, width: int) -> Blended:
    """Buffers to be filled."""
    shape = (height, width)
    return Blended(
        np.empty(shape, np.float32),
        np.empty(shape, np.float32),
        np.empty((*shape, 3), np.float32),
        np.empty((*shape, 3), np.float32),
        np.empty((*shape, 2), np.float32),
        np.empty(shape, np.uint8),
        np.empty(shape, np.int32),
    )


def scratch() -> np.ndarray:
    """Sums over one square, for one thread."""
    return np.empty(_OPEN + _GROUPS, np.float32)


def new_bins(splats: int, width: int, height: int, rows: int) -> Bins:
    """Bins for up to `splats` projected splats, with room for `rows` pairs of splat and square."""
    squares = -(-width // SQUARE_PX) * -(-height // SQUARE_PX)
    return Bins(
        np.empty(splats, np.int64), np.empty(_BUCKETS + 1, np.int64), np.empty(squares + 1, np.int64),
        np.empty(rows, np.int32),
    )  # fmt: skip


@device
def depth_bucket(bits):
    """By which splats are sorted, of a depth by its bits."""
    return min(max((bits >> _SHIFT) - _LOWEST, 0), _BUCKETS - 1)


@device
def _squares(projected, q, nx, ny):
    """First and last square in x and y that a splat may show in."""
    u, v, across, down = projected[q, 0], projected[q, 1], projected[q, 15], projected[q, 16]
    x0, x1 = int(max((u - across) / SQUARE_PX, 0.0)), int(min((u + across) / SQUARE_PX, nx - 1.0))
    y0, y1 = int(max((v - down) / SQUARE_PX, 0.0)), int(min((v + down) / SQUARE_PX, ny - 1.0))
    return x0, x1, y0, y1


@nogil_kernel
def bin_splats(projected, bits, count, width, height, bins: Bins):
    """Fill the bins.

    Args:
        projected: float32 (M, 22), see `project.FIELDS`.
        bits: the same memory as int32.
        count: of its rows in use.
        width, height: of the image, px.
        bins: written.

    Returns:
        pairs of splat and square; if they are more than `bins.rows` has room for, only this is to be used.
    """
    bins.bucket[:] = 0
    for q in range(count):
        bins.bucket[depth_bucket(bits[q, 5]) + 1] += 1
    for k in range(_BUCKETS):
        bins.bucket[k + 1] += bins.bucket[k]
    for q in range(count):
        k = depth_bucket(bits[q, 5])
        bins.order[bins.bucket[k]] = q
        bins.bucket[k] += 1
    nx, ny = (width + SQUARE_PX - 1) // SQUARE_PX, (height + SQUARE_PX - 1) // SQUARE_PX
    bins.first[:] = 0
    for q in range(count):
        x0, x1, y0, y1 = _squares(projected, q, nx, ny)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                bins.first[y * nx + x + 1] += 1
    for k in range(nx * ny):
        bins.first[k + 1] += bins.first[k]
    total = bins.first[nx * ny]
    if total > bins.rows.shape[0]:
        return total
    for at in range(count):
        q = bins.order[at]
        x0, x1, y0, y1 = _squares(projected, q, nx, ny)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                k = y * nx + x
                bins.rows[bins.first[k]] = q
                bins.first[k] += 1
    for k in range(nx * ny, 0, -1):  # each is now the end of its own
        bins.first[k] = bins.first[k - 1]
    bins.first[0] = 0
    return total


@nogil_kernel
def blend_squares(projected, bins: Bins, sums, begin, end, out: Blended):
    """Blend the rows `begin` to `end` - 1 of squares.

    Args:
        projected: float32 (M, 22), see `project.FIELDS`.
        bins: of the image.
        sums: `scratch()`.
        begin, end: rows of squares.
        out: written.
    """
    height, width = out.opacity.shape
    nx = (width + SQUARE_PX - 1) // SQUARE_PX
    for sy in range(begin, end):
        for sx in range(nx):
            first = bins.first[sy * nx + sx]
            _blend_square(projected, bins.rows, first, bins.first[sy * nx + sx + 1], sx, sy, sums)
            for y in range(min(SQUARE_PX, height - sy * SQUARE_PX)):
                for x in range(min(SQUARE_PX, width - sx * SQUARE_PX)):
                    _write_pixel(sums, bins.rows, first, y * SQUARE_PX + x, sy * SQUARE_PX + y, sx * SQUARE_PX + x, out)


@inlined
def _blend_lanes(sums, at, dx, dy, xx, xy, yy, peak, depth, du, dv, r, g, b, nx, ny, nz, sun, sky, who, label):
    """Blend one splat into `_LANES` neighbouring pixels from place `at` on: in vector instructions."""
    for lane in range(_LANES):
        x = dx + np.float32(lane)
        power = -_HALF * (xx * x * x + yy * dy * dy) - xy * x * dy
        # exp(power) as (1 + power / 1024)^1024: the same bits on every processor
        e = _ONE + (power if power > _LEAST_POWER else _LEAST_POWER) * _PART
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        alpha = peak * e
        alpha = alpha if alpha < MOST_ALPHA else MOST_ALPHA
        alpha = alpha if alpha >= _LEAST_ALPHA else _ZERO
        p = at + np.uint64(lane)
        clear = sums[p]
        w = clear * alpha
        sums[p] = clear - w
        found = sums[p + np.uint64(1 * _PIXELS)]
        sums[p + np.uint64(1 * _PIXELS)] = (depth + du * x + dv * dy) if clear >= _HALF and w > _ZERO else found
        sums[p + np.uint64(2 * _PIXELS)] += w * r
        sums[p + np.uint64(3 * _PIXELS)] += w * g
        sums[p + np.uint64(4 * _PIXELS)] += w * b
        sums[p + np.uint64(5 * _PIXELS)] += w * nx
        sums[p + np.uint64(6 * _PIXELS)] += w * ny
        sums[p + np.uint64(7 * _PIXELS)] += w * nz
        sums[p + np.uint64(8 * _PIXELS)] += w * sun
        sums[p + np.uint64(9 * _PIXELS)] += w * sky
        best, found = sums[p + np.uint64(_BEST * _PIXELS)], sums[p + np.uint64(_WHO * _PIXELS)]
        sums[p + np.uint64(_WHO * _PIXELS)] = who if w > best else found
        sums[p + np.uint64(_BEST * _PIXELS)] = w if w > best else best
        # the label by a vote: who agrees adds its weight, who does not takes it away
        voted, votes = sums[p + np.uint64(_VOTED * _PIXELS)], sums[p + np.uint64(_VOTES * _PIXELS)]
        votes = votes + w if voted == label else votes - w
        sums[p + np.uint64(_VOTED * _PIXELS)] = label if votes < _ZERO else voted
        sums[p + np.uint64(_VOTES * _PIXELS)] = abs(votes)


@device
def _blend_square(projected, rows, first, last, sx, sy, sums):
    """Sums over all pixels of one square."""
    for p in range(_PIXELS):
        sums[p] = _ONE
    for p in range(_PIXELS, _PLANES * _PIXELS):
        sums[p] = _ZERO
    for k in range(_GROUPS):
        sums[_OPEN + k] = _ONE
    for at in range(first, last):
        q = rows[at]
        u = projected[q, 0] - np.float32(sx * SQUARE_PX) - _HALF
        v = projected[q, 1] - np.float32(sy * SQUARE_PX) - _HALF
        down = projected[q, 16]
        y0, y1 = int(max(np.ceil(v - down), 0.0)), int(min(np.floor(v + down), SQUARE_PX - 1.0))
        xx, xy, yy, peak = projected[q, 2], projected[q, 3], projected[q, 4], projected[q, 6]
        depth, r, g, b = projected[q, 5], projected[q, 7], projected[q, 8], projected[q, 9]
        du, dv = projected[q, 20], projected[q, 21]
        nx, ny, nz = projected[q, 10], projected[q, 11], projected[q, 12]
        sun, sky = projected[q, 13], projected[q, 14]
        who, label = np.float32(at - first), projected[q, 19]
        limit = 2.0 * log(peak / _LEAST_ALPHA)
        for y in range(y0, y1 + 1):
            dy = np.float32(y) - v
            # where on this row the ellipse of the least alpha begins and ends
            room = limit - (yy - xy * xy / xx) * dy * dy
            if room < 0.0:
                continue
            middle, half = u - xy / xx * dy, sqrt(room / xx)
            x0, x1 = int(max(middle - half, 0.0)), int(min(middle + half, SQUARE_PX - 1.0))
            for x in range(x0 & ~(_LANES - 1), x1 + 1, _LANES):
                at_pixel = np.uint64(y * SQUARE_PX + x)
                if sums[_OPEN + (y * SQUARE_PX + x) // _LANES] > CLEAR:
                    _blend_lanes(sums, at_pixel, np.float32(x) - u, dy, xx, xy, yy, peak, depth, du, dv, r, g, b,
                                 nx, ny, nz, sun, sky, who, label)  # fmt: skip
        if (at - first) & (_CHECKED - 1) == _CHECKED - 1:
            some = False
            for k in range(_GROUPS):
                if sums[_OPEN + k] > CLEAR:
                    most = sums[k * _LANES]
                    for lane in range(1, _LANES):
                        most = max(most, sums[k * _LANES + lane])
                    sums[_OPEN + k] = most
                    some = some or most > CLEAR
            if not some:
                break


@device
def _write_pixel(sums, rows, first, p, v, u, out: Blended):
    """Write pixel (u, v) from place `p` of the sums."""
    opacity = _ONE - sums[p]
    out.opacity[v, u] = opacity
    out.label[v, u], out.splat[v, u] = _LABELS, -1
    if sums[_BEST * _PIXELS + p] <= 0.0:
        return
    part = _ONE / opacity
    out.depth[v, u] = sums[_PIXELS + p]
    for c in range(3):
        out.albedo[v, u, c] = sums[(2 + c) * _PIXELS + p] * part
        out.normal[v, u, c] = sums[(5 + c) * _PIXELS + p] * part
    out.light[v, u, 0], out.light[v, u, 1] = sums[8 * _PIXELS + p] * part, sums[9 * _PIXELS + p] * part
    out.label[v, u] = int(sums[_VOTED * _PIXELS + p])
    out.splat[v, u] = rows[first + int(sums[_WHO * _PIXELS + p])]


@nogil_kernel
def gather_squares(projected, bins: Bins, numbers, image, weight, sums):
    """The adjoint of blending: what each splat contributes to, summed over an image.

    Args:
        projected: float32 (M, 22), see `project.FIELDS`.
        bins: of the image.
        numbers: int32 (M,), row of `sums` of each.
        image: float32 (H, W, 3).
        weight: float32 (H, W), of its pixels.
        sums: float64 (N, 4): weighted sums of the image, and weights; added to.
    """
    height, width = weight.shape
    nx = (width + SQUARE_PX - 1) // SQUARE_PX
    for square in range(bins.first.shape[0] - 1):
        first, last = bins.first[square], bins.first[square + 1]
        for p in range(_PIXELS):
            px, py = (square % nx) * SQUARE_PX + p % SQUARE_PX, (square // nx) * SQUARE_PX + p // SQUARE_PX
            if px >= width or py >= height or weight[py, px] <= 0.0:
                continue
            clear = _ONE
            for at in range(first, last):
                q = bins.rows[at]
                x, y = np.float32(px) + _HALF - projected[q, 0], np.float32(py) + _HALF - projected[q, 1]
                if abs(x) > projected[q, 15] or abs(y) > projected[q, 16]:
                    continue
                power = (-_HALF * (projected[q, 2] * x * x + projected[q, 4] * y * y)) - projected[q, 3] * x * y
                if power < _LEAST_POWER:
                    continue
                alpha = min(projected[q, 6] * np.float32(exp(power)), MOST_ALPHA)
                if alpha < _LEAST_ALPHA:
                    continue
                w = clear * alpha
                clear -= w
                part = w * weight[py, px]
                row = numbers[q]
                for c in range(3):
                    sums[row, c] += part * image[py, px, c]
                sums[row, 3] += part
                if clear < CLEAR:
                    break
