"""Inference of the U-Net of `SparseSdfNet` on the CPU, several times as fast as spconv.

Each cell's sums have one fixed order, independent of the other cells in the call and of the number of threads: features
of a cell are a function of the cells around it, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor, nn

from uniscene_sim.compute.compiled import njit
from uniscene_sim.compute.threads import map_threads, row_ranges
from uniscene_sim.lidar.learned.voxels import CellGrid, Cells, cell_grid, coarsen

if TYPE_CHECKING:
    from uniscene_sim.lidar.learned.network import SparseSdfNet

__all__ = ["cpu_features", "receptive_rings"]

_ROWS, _LANES = 8, 16  # cells, and channels of each, summed at once: eight registers of 16 floats


class _Level(NamedTuple):
    """The N cells of one resolution."""

    around: np.ndarray  # int32 (N, 27), rows of the 3x3x3 neighbourhood, -1 where a cell is free
    parent: np.ndarray  # int32 (N, 8), row of the parent in the column of the octant that the cell is, -1 in the others
    parts: np.ndarray  # int32 (N, 8), rows of the child octants, -1 where free; (N, 0) on the finest level


def receptive_rings(levels: int) -> list[int]:
    """Margin (cells) around the wanted cells that the decoder needs on each level."""
    return [3 * 2 ** (n + 1) - 4 for n in range(levels - 1)]


def cpu_features(
    net: SparseSdfNet, ijk: np.ndarray, label: np.ndarray, group: np.ndarray, within: Sequence[int] | None = None
) -> np.ndarray:
    """As `net.features`, up to rounding.

    Args:
        net: the network, on the CPU.
        ijk: int32 (N, 3), cells.
        label: (N,) OccClass.
        group: int32 (N,), see `net.features`.
        within: if only the first cells are wanted and the others are sorted by distance: the number of cells within
            each of `receptive_rings`. Features of the others are then invalid. By default all are wanted.

    Returns:
        float32 (N, first width).
    """
    levels = _levels(_separate_groups(ijk, group, 2 ** (len(net.down) - 1)), len(net.down))
    x = _rows(len(ijk), net.config.widths[0])
    np.take(_array(net.embed.weight), label, axis=0, out=x[:-1])
    kept = []
    for n, level in enumerate(levels):
        if n:
            kept.append(x)
            x = _rows(len(level.around), net.config.widths[n])
            _add_sums(x, kept[-1], level.parts, net.shrink[n - 1])
        for block in net.down[n]:  # type: ignore[attr-defined]
            _add_block(x, level, block)
    for n in reversed(range(len(kept))):
        count = len(kept[n]) - 1 if within is None else _count_parents(levels[:n], within[n])
        _add_sums(kept[n], x, levels[n].parent[:count], net.grow[n])
        x = kept[n]
        _add_block(x, levels[n], net.up[n], count)
    return x[:-1]


def _add_block(x: np.ndarray, level: _Level, block: nn.Module, count: int | None = None) -> None:
    """Add a residual block (two convolutions) to the first `count` cells of `x`."""
    around = level.around[:count]
    (first, second), (before, between) = block.convs, block.norms  # type: ignore[misc]
    y, z = np.zeros_like(x), np.zeros_like(x)
    _norm(x, before, y, len(around))
    _add_sums(z, y, around, first)
    _norm(z, between, y, len(around))
    _add_sums(x, y, around, second)


def _count_parents(levels: Sequence[_Level], count: int) -> int:
    """The number of coarse cells that contain the first `count` finest cells."""
    for level in levels:
        count = int(level.parent[:count].max(initial=-1)) + 1
    return count


# --- cells ------------------------------------------------------------------------------------------------------------


def _separate_groups(ijk: np.ndarray, group: np.ndarray, coarse: int) -> np.ndarray:
    """Cells (N, 3) with their groups shifted apart by whole coarse cells, so that none is adjacent to another."""
    if not len(ijk) or not group.any():
        return ijk
    count = int(group.max()) + 1
    low, high = np.full((count, 3), 2**30), np.full((count, 3), -(2**30))
    np.minimum.at(low, group, ijk)
    np.maximum.at(high, group, ijk)
    low = low // coarse * coarse
    wide = ((high[:, 0] - low[:, 0]) // coarse + 2) * coarse
    low[:, 0] -= np.cumsum(wide) - wide
    apart: np.ndarray = (ijk - low[group]).astype(np.int32)
    return apart


def _levels(ijk: np.ndarray, count: int) -> list[_Level]:
    """`count` levels, from the finest to the coarsest."""
    levels, parts = [], np.zeros((len(ijk), 0), np.int32)
    for n in range(count):
        around, grid = np.empty((len(ijk), 27), np.int32), cell_grid(Cells(ijk, ijk[:, 0], len(ijk)))
        map_threads(lambda rows, a=around, g=grid, i=ijk: _find_neighbours(g, i, a, *rows), row_ranges(len(ijk)))  # type: ignore[misc]
        parent = np.zeros((len(ijk), 0), np.int32)
        last, below = parts, ijk
        if n + 1 < count:
            ijk, parent, parts = coarsen(below)
        levels.append(_Level(around, parent, last))
    return levels


@njit(cache=True, nogil=True)
def _find_neighbours(grid: CellGrid, ijk, around, first, last):
    shape = grid.blocks.shape
    for n in range(first, last):
        q = 0
        for i in range(ijk[n, 0] - 1, ijk[n, 0] + 2):
            a = (i >> 3) - grid.low[0]
            for j in range(ijk[n, 1] - 1, ijk[n, 1] + 2):
                b = (j >> 3) - grid.low[1]
                beside = 0 <= a < shape[0] and 0 <= b < shape[1]
                for k in range(ijk[n, 2] - 1, ijk[n, 2] + 2):
                    c = (k >> 3) - grid.low[2]
                    around[n, q] = -1
                    if beside and 0 <= c < shape[2]:
                        block = grid.blocks[a, b, c]
                        if block >= 0:
                            around[n, q] = grid.cells[block, i & 7, j & 7, k & 7]
                    q += 1


# --- sums -------------------------------------------------------------------------------------------------------------


def _array(x: Tensor) -> np.ndarray:
    return x.detach().numpy()


def _rows(count: int, width: int) -> np.ndarray:
    """Zeros (count + 1, width); the last row stands for free neighbours."""
    return np.zeros((count + 1, width), np.float32)


def _norm(x: np.ndarray, norm: nn.LayerNorm, out: np.ndarray, count: int) -> None:
    """Write `relu(norm(x))` of the first `count` rows to `out`."""
    map_threads(
        lambda rows: _norm_rows(x, _array(norm.weight), _array(norm.bias), norm.eps, out, *rows), row_ranges(count)
    )


@njit(cache=True, nogil=True)
def _norm_rows(x, weight, bias, eps, out, first, last):
    width = x.shape[1]
    for n in range(first, last):
        total, square = 0.0, 0.0
        for c in range(width):
            total += x[n, c]
        mean = total / width
        for c in range(width):
            square += (x[n, c] - mean) ** 2
        scale = 1.0 / np.sqrt(square / width + eps)
        for c in range(width):
            out[n, c] = max(np.float32((x[n, c] - mean) * scale) * weight[c] + bias[c], np.float32(0.0))


def _add_sums(out: np.ndarray, x: np.ndarray, table: np.ndarray, conv: Any) -> None:
    """Sparse convolution: add to row n the sum over k of `x[table[n, k]]` times the k-th matrix.

    Args:
        out: float32 (N or more, width), added to.
        x: float32 (M + 1, depth), of which the last row is zero.
        table: int32 (N, K), rows of `x`, -1 for none.
        conv: module with weights (width, K..., depth).
    """
    weight = _array(conv.weight)
    width = len(weight)
    matrices = np.zeros((table.shape[1], x.shape[1], -(-width // _LANES) * _LANES), np.float32)
    matrices[:, :, :width] = weight.reshape(width, -1, x.shape[1]).transpose(1, 2, 0)
    map_threads(lambda rows: _convolve(x, table, matrices, out, *rows), row_ranges(len(table)))


@njit(cache=True, nogil=True)
def _convolve(x, table, matrices, out, first, last):
    # x: float32 (M + 1, depth); table: int32 (N, K); matrices: float32 (K, depth, width padded to 16)
    # out: float32 (N or more, width), added to in rows first to last - 1
    none, (_, deep, wide) = len(x) - 1, matrices.shape
    sums, rows = np.empty((_ROWS, _LANES), np.float32), np.empty(_ROWS, np.int64)
    for n in range(first, last, _ROWS):
        count = min(_ROWS, last - n)
        for lane in range(0, wide, _LANES):
            sums[:] = 0.0
            for o in range(table.shape[1]):
                some = False
                for p in range(_ROWS):
                    row = table[n + p, o] if p < count else -1
                    some |= row >= 0
                    rows[p] = deep * (row if row >= 0 else none)
                if some:
                    at = matrices.ctypes.data + 4 * (o * deep * wide + lane)
                    _add_products(sums.ctypes.data, x.ctypes.data, rows.ctypes.data, at, deep, wide)  # type: ignore[call-arg]
            for p in range(count):
                for c in range(min(_LANES, out.shape[1] - lane)):
                    out[n + p, lane + c] += sums[p, c]


@intrinsic
def _add_products(
    typing: Any, sums: Any, x: Any, rows: Any, matrix: Any, deep: Any, wide: Any
) -> tuple[Any, Callable[..., Any]]:
    """`sums[p] += x[rows[p]:][:deep] @ matrix[:deep, :16]` for eight p, with the sums in registers.

    A compiler keeps them in memory, since it cannot rule out aliasing, which is six times as slow.

    Args:
        sums: address of float32 (8, 16).
        x: address of float32.
        rows: address of int64 (8,), offsets into x.
        matrix: address of float32 (deep, wide).
        deep, wide: shape of the matrix.
    """

    def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
        sums, x, rows, matrix, deep, wide = args
        number, whole = ir.FloatType(), ir.IntType(64)
        lanes = ir.VectorType(number, _LANES)
        fma = cgutils.get_or_insert_function(b.module, ir.FunctionType(lanes, [lanes] * 3), f"llvm.fma.v{_LANES}f32")
        first = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
        unset = ir.Constant(lanes, ir.Undefined)

        def place(address: Any, n: Any, kind: Any) -> Any:
            return b.gep(b.inttoptr(address, kind.as_pointer()), [n])

        def wide_place(address: Any, n: Any) -> Any:
            return b.bitcast(place(address, n, number), lanes.as_pointer())

        held = [cgutils.alloca_once(b, lanes) for _ in range(_ROWS)]
        starts = [b.load(place(rows, whole(p), whole)) for p in range(_ROWS)]
        for p in range(_ROWS):
            b.store(b.load(wide_place(sums, whole(p * _LANES)), align=4), held[p])
        with cgutils.for_range(b, deep, intp=whole) as loop:
            by = b.load(wide_place(matrix, b.mul(loop.index, wide)), align=4)
            for p in range(_ROWS):
                one = b.load(place(x, b.add(starts[p], loop.index), number))
                many = b.shuffle_vector(b.insert_element(unset, one, ir.IntType(32)(0)), unset, first)
                b.store(b.call(fma, [many, by, b.load(held[p])]), held[p])
        for p in range(_ROWS):
            b.store(b.load(held[p]), wide_place(sums, whole(p * _LANES)), align=4)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 4, types.intp, types.intp), generate
