"""Named tuples of arrays, packed as rows of 64-bit words, so that one launch takes any number of worlds.

An array is packed as address and shape, a number as its bits. A kernel is given the address of the rows, and unpacks
the tuple of its own job.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = ["pack_args", "unpack_args"]


def pack_args(
    value: Any, layout: types.Type, address: Callable[[np.ndarray, Any], int], owner: Any = None
) -> list[int]:
    """Words of a value.

    Args:
        value: a number, an array or a named tuple of these.
        layout: its numba type.
        address: function of an array and the tuple it belongs to, to the array's device address.
        owner: the tuple that the value belongs to.

    Raises:
        TypeError: the value is not of this type.
    """
    if isinstance(layout, types.NamedTuple):
        if type(value) is not layout.instance_class:
            raise TypeError(f"expected a {layout.instance_class.__name__}, got {type(value).__name__}")
        words = [pack_args(field, kind, address, value) for field, kind in zip(value, layout.types, strict=True)]
        return [word for of_field in words for word in of_field]
    if isinstance(layout, types.Array):
        if (value.dtype, value.ndim) != (_dtype(layout), layout.ndim) or not value.flags.c_contiguous:
            raise TypeError(f"expected {layout} in {type(owner).__name__}, got {value.dtype} of shape {value.shape}")
        return [address(value, owner), *value.shape]
    return [int(np.float64(value).view(np.int64)) if layout == types.float64 else int(value)]


def _dtype(layout: types.Array) -> np.dtype:
    return np.dtype(str(layout.dtype))


def _unpack(typingctx: Any, address: Any, job: Any, layout: Any) -> tuple[Any, Callable[..., Any]]:
    kind = layout.instance_type

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        first = builder.mul(args[1], ir.Constant(ir.IntType(64), _width(kind)))
        return _value(context, builder, kind, words, first, [0])

    return kind(types.int64, types.int64, layout), codegen


#: unpack_args(address, job, layout), in a kernel: the value in row `job` of the words at an address.
unpack_args: Any = intrinsic(_unpack)


def _width(kind: types.Type) -> int:
    """Number of words of a type."""
    if isinstance(kind, types.NamedTuple):
        return sum(map(_width, kind.types), start=0)
    return 1 + kind.ndim if isinstance(kind, types.Array) else 1


def _value(context: Any, builder: Any, kind: types.Type, words: Any, first: Any, at: list[int]) -> Any:
    """Build the value of a type from the words at `first + at[0]`, and advance `at[0]`."""
    if isinstance(kind, types.NamedTuple):
        fields = [_value(context, builder, k, words, first, at) for k in kind.types]
        return context.make_tuple(builder, kind, fields)

    def word() -> Any:
        place = builder.add(first, ir.Constant(ir.IntType(64), at[0]))
        at[0] += 1
        return builder.load(builder.gep(words, [place]))

    if isinstance(kind, types.Array):
        data = builder.inttoptr(word(), context.get_data_type(kind.dtype).as_pointer())
        shape = [word() for _ in range(kind.ndim)]
        size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        strides = [context.get_constant(types.intp, size)]
        for length in shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], length))
        array = context.make_array(kind)(context, builder)
        populate_array(array, data, shape, strides, context.get_constant(types.intp, size), None)
        return array._getvalue()
    if kind == types.float64:
        return builder.bitcast(word(), ir.DoubleType())
    if kind == types.boolean:
        return cgutils.is_not_null(builder, word())
    return word()
