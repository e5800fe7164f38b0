"""Sixty-four bytes at a time, for compiled code: the few vector operations that deframing needs.

Duty: numba intrinsics, each one LLVM operation (or two) that numba has no name for. They can be called from
compiled functions only, do not check indices, and leave it to LLVM what the processor makes of 64 bytes: one
AVX-512 register, two of AVX2, four of SSE2 or NEON. Arrays are contiguous and one-dimensional.
"""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

BLOCK_BYTES = 64
_BLOCK = ir.VectorType(ir.IntType(8), BLOCK_BYTES)
_WORD = ir.IntType(64)
block_function: Any = intrinsic  # numba's annotations would have callers pass the typing context


def _pointer(context: Any, builder: Any, array: tuple[Any, Any], index: Any, pointee: Any) -> Any:
    """Address of what begins at `index` of an array, given as (type, value)."""
    data = context.make_array(array[0])(context, builder, array[1]).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def _load(context: Any, builder: Any, array: tuple[Any, Any], index: Any, pointee: Any) -> Any:
    loaded = builder.load(_pointer(context, builder, array, index, pointee))
    loaded.align = 1
    return loaded


@block_function
def load_word(typing: Any, data: Any, index: Any) -> Any:
    """`data[index:index + 8]` as one uint64, in the processor's byte order; no alignment is needed."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(context, builder, (sig.args[0], args[0]), args[1], _WORD)

    return types.uint64(data, types.intp), generate


@block_function
def copy_block(typing: Any, to: Any, at: Any, source: Any, begin: Any) -> Any:
    """`to[at:at + 64] = source[begin:begin + 64]`."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        block = _load(context, builder, (sig.args[2], args[2]), args[3], _BLOCK)
        store = builder.store(block, _pointer(context, builder, (sig.args[0], args[0]), args[1], _BLOCK))
        store.align = 1
        return context.get_dummy_value()

    return types.none(to, types.intp, source, types.intp), generate


@block_function
def zeros_of_block(typing: Any, data: Any, index: Any) -> Any:
    """A uint64 with bit k set where `data[index + k]` is zero."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        block = _load(context, builder, (sig.args[0], args[0]), args[1], _BLOCK)
        is_zero = builder.icmp_unsigned("==", block, ir.Constant(_BLOCK, [0] * BLOCK_BYTES))
        return builder.bitcast(is_zero, _WORD)

    return types.uint64(data, types.intp), generate


@block_function
def lowest_bit(typing: Any, word: Any) -> Any:
    """Number of the lowest bit that is set; `word` is not 0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate
